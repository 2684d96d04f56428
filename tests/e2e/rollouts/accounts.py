"""Kubeconfigs of worker and watcher as an operator sets them up: deploy/rbac.yaml, and tokens of its accounts."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from privileges import NAMESPACE, WATCHER, WORKER, granted

from omeflow.api.errors import Conflict
from omeflow.kube.client import Cluster
from omeflow.kube.request import Request
from omeflow.local.readiness import until

Manifest = dict[str, Any]
BOTH = "omeflow"
"""Worker and watcher in one process, or a test that runs either."""
ACCOUNTS = (WORKER, WATCHER, BOTH)
SECONDS = 6 * 60 * 60
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
}
"""Kinds that omeflow itself does not know: it writes none of them."""


async def set_up(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """Install the roles, bound to the accounts that they name and to the one of both."""
    made = [*manifests, {"kind": "ServiceAccount", **_named(BOTH, NAMESPACE), "apiVersion": "v1"}]
    for manifest in made:
        if manifest["kind"].endswith("Binding"):
            subjects = [*manifest["subjects"], {"kind": "ServiceAccount", "name": BOTH, "namespace": NAMESPACE}]
            manifest = {**manifest, "subjects": subjects}
        await _put(cluster, manifest)


async def allow_everything(cluster: Cluster) -> None:
    """For a run that finds out what is needed."""
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        **_named(f"omeflow-tests-{secrets.token_hex(4)}"),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE} for name in ACCOUNTS],
    }
    await _put(cluster, binding)


async def token_of(cluster: Cluster, account: str) -> str:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": SECONDS}}
    answer = await _post(cluster, path, asked)
    return str(answer["status"]["token"])


def kubeconfig_for(account: str, token: str, *, like: Path, directory: Path) -> Path:
    """A kubeconfig with that token, for the cluster that another one names."""
    content = yaml.safe_load(like.read_text())
    for user in content["users"]:
        user["user"] = {"token": token}
    made = directory / account
    made.touch(mode=0o600)
    made.write_text(yaml.safe_dump(content))
    return made


async def until_allowed(cluster: Cluster, manifests: Sequence[Manifest], account: str) -> None:
    """Wait until the API server's authorizer has seen the roles."""
    wanted = set().union(*(allowed for name, allowed in granted(manifests).items() if account in (name, BOTH)))

    async def allowed() -> bool:
        for permission in wanted:
            resource, _, subresource = permission.resource.partition("/")
            attributes = {"group": permission.group, "resource": resource, "subresource": subresource}
            attributes |= {"verb": permission.verb, "namespace": permission.namespace, "name": "any"}
            user = f"system:serviceaccount:{NAMESPACE}:{account}"
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
            spec = {"user": user, "resourceAttributes": attributes}
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            if not (await _post(cluster, path, review | {"spec": spec}))["status"]["allowed"]:
                return False
        return True

    await until(allowed, what=f"the roles of {account}")


async def _put(cluster: Cluster, manifest: Manifest) -> None:
    metadata = manifest["metadata"]
    path = _PATHS[manifest["kind"]].format(namespace=metadata.get("namespace"))
    try:
        await _post(cluster, path, manifest)
    except Conflict:  # a cluster that is there already, from an earlier run
        await _send(cluster, "PATCH", f"{path}/{metadata['name']}", manifest, "application/merge-patch+json")


async def _post(cluster: Cluster, path: str, body: Manifest) -> Manifest:
    return await _send(cluster, "POST", path, body, "application/json")


async def _send(cluster: Cluster, method: str, path: str, body: Manifest, content_type: str) -> Manifest:
    request = Request(method=method, path=path, verb="set up", subject=path, body=body, content_type=content_type)
    return await cluster._send(request)


def _named(name: str, namespace: str | None = None) -> Manifest:
    return {"metadata": {"name": name, **({"namespace": namespace} if namespace else {})}}
