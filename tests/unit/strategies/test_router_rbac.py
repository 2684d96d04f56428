"""What a router may do (ome.md 10)."""

from rbg_samples import OWNER, config

from omeflow.api.rollouts import owner_reference
from strategies.rbac import router_rbac


def test_a_router_may_find_the_pods_it_routes_to() -> None:
    metadata = {
        "name": "chat-router",
        "namespace": "serving",
        "labels": {"component": "router"},
        "ownerReferences": [owner_reference("chat", "u1")],
    }
    group = "rbac.authorization.k8s.io"
    component = config("router", annotations={"team": "a"}, pod_labels={"queue": "q"})
    assert router_rbac(OWNER, component) == [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "chat-router"},
            "subjects": [{"kind": "ServiceAccount", "name": "chat-router", "namespace": "serving"}],
        },
    ]
