"""What omeflow's processes may do, measured: the API server's audit log against the roles that deploy/rbac.yaml ships.

A request that no role allows fails by itself. What this adds is the other direction, a verb that no test ever used, and
the generator: `pytest tests/e2e/rollouts --write-roles` writes the file from what the run used.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
import yaml

from omeflow.api.kinds import LEASE
from omeflow.components.types import ComponentConfig
from strategies.contract import Owner
from strategies.rbac import router_rbac

Manifest = dict[str, Any]
ROLES_FILE = Path(__file__).parents[3] / "deploy" / "rbac.yaml"
NAMESPACE = "omeflow"
WORKER, WATCHER = "omeflow-worker", "omeflow-watcher"
"""As their User-Agent begins, and as the ServiceAccounts and roles are called."""
USERS = f"system:serviceaccount:{NAMESPACE}:"
OWN = (LEASE.plural,)
"""Resources that omeflow has for itself: allowed in its own namespace only."""
DISCOVERY = ("/api", "/apis", "/version", "/openapi")
"""Allowed to everybody, by Kubernetes' own role system:discovery."""
WRITE = "--write-roles"
PARTIAL = pytest.StashKey[bool]()
"""Whether only some tests of this directory were asked for."""
HEAD = """\
# What worker and watcher may do: the verbs that they use, and no other. Why each: docs/security.md.
# Written from the audit log of a test run by `pytest tests/e2e/rollouts --write-roles`.
"""


class Permission(NamedTuple):
    """One thing that a role allows. namespace: only there; empty for everywhere."""

    namespace: str
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}{place}"


def used(audit_log: Path) -> dict[str, set[Permission]]:
    """What each process asked the API server for, allowed or not, and what it must hold to be allowed to give it."""
    found: dict[str, set[Permission]] = {WATCHER: set(), WORKER: handed_on()}
    for line in audit_log.read_text().splitlines():
        event = json.loads(line)
        process = event.get("userAgent", "").partition(" ")[0]
        if process not in found or not event["user"]["username"].startswith(USERS):
            continue
        if "resource" not in event.get("objectRef", {}):
            assert event["requestURI"].startswith(DISCOVERY), f"{process} asks for {event['requestURI']}"
            continue
        found[process] |= set(_permissions(event))
    return found


def handed_on() -> set[Permission]:
    """What routers are given: RBAC lets nobody grant what he may not do himself."""
    config = cast(ComponentConfig, SimpleNamespace(name="any", labels={}))
    roles = [manifest for manifest in router_rbac(Owner("any", "any", "any"), config) if manifest["kind"] == "Role"]
    return {permission for role in roles for permission in _allowed(role, "")}


def granted(manifests: Sequence[Manifest]) -> dict[str, set[Permission]]:
    """What each ServiceAccount is allowed."""
    roles = {_key(manifest): manifest for manifest in manifests}
    found: dict[str, set[Permission]] = {}
    for binding in manifests:
        if binding["kind"] in ("ClusterRoleBinding", "RoleBinding"):
            namespace = binding["metadata"].get("namespace", "")
            role = roles[binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]]
            for subject in binding["subjects"]:
                found.setdefault(subject["name"], set()).update(_allowed(role, namespace))
    return found


def manifests_for(permissions: Mapping[str, Iterable[Permission]]) -> list[Manifest]:
    """Namespace, ServiceAccounts, roles and bindings, as deploy/rbac.yaml holds them."""
    made: list[Manifest] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    for process, allowed in sorted(permissions.items()):
        metadata = {"name": process, "namespace": NAMESPACE}
        made.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        for namespace, of_place in groupby(sorted(allowed), key=lambda permission: permission.namespace):
            made += _role_and_binding(process, namespace, list(of_place))
    return made


def write_roles(permissions: Mapping[str, Iterable[Permission]]) -> None:
    ROLES_FILE.write_text(
        HEAD + yaml.safe_dump_all(manifests_for(permissions), sort_keys=False, width=118, default_flow_style=None)
    )


def shipped() -> list[Manifest]:
    return list(yaml.safe_load_all(ROLES_FILE.read_text()))


def _permissions(event: Mapping[str, Any]) -> Iterator[Permission]:
    reference = event["objectRef"]
    resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
    namespace = reference.get("namespace", "") if reference["resource"] in OWN else ""
    yield Permission(namespace, reference.get("apiGroup", ""), resource, event["verb"])
    if event["verb"] == "list" and event["userAgent"].startswith(WATCHER) and reference["resource"] not in OWN:
        # The watcher watches whatever it lists, as soon as the kind is served; some are for a few seconds only.
        yield Permission(namespace, reference.get("apiGroup", ""), resource, "watch")
    if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201:
        # An apply that creates needs both verbs, and the log shows the one.
        yield Permission(namespace, reference.get("apiGroup", ""), resource, "create")


def _allowed(role: Manifest, namespace: str) -> Iterator[Permission]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield Permission(namespace, group, resource, verb)


def _role_and_binding(process: str, namespace: str, allowed: Sequence[Permission]) -> list[Manifest]:
    prefix = "" if namespace else "Cluster"
    group, place = "rbac.authorization.k8s.io", {"namespace": namespace} if namespace else {}
    metadata = {"name": process, **place}
    return [
        {"apiVersion": f"{group}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": _rules(allowed)},
        {
            "apiVersion": f"{group}/v1",
            "kind": f"{prefix}RoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": group, "kind": f"{prefix}Role", "name": process},
            "subjects": [{"kind": "ServiceAccount", "name": process, "namespace": NAMESPACE}],
        },
    ]


def _rules(allowed: Iterable[Permission]) -> list[Manifest]:
    """Rules of one API group and one set of verbs each."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for permission in sorted(set(allowed)):
        verbs.setdefault((permission.group, permission.resource), []).append(permission.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), of_resource in verbs.items():
        resources.setdefault((group, tuple(of_resource)), []).append(resource)
    return [
        {"apiGroups": [group], "resources": names, "verbs": list(of_group)}
        for (group, of_group), names in sorted(resources.items())
    ]


def _key(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
