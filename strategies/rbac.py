"""What a router may do: find the pods it routes to (ome.md 10). Engine and decoder need nothing."""

from omeflow.api.kinds import ROLE, ROLE_BINDING, SERVICE_ACCOUNT
from omeflow.api.rollouts import owner_reference
from omeflow.components.types import ComponentConfig
from strategies.contract import Manifest, Owner


def router_rbac(owner: Owner, config: ComponentConfig) -> list[Manifest]:
    """ServiceAccount, Role and RoleBinding of the router component, in the order in which they are applied."""
    metadata = {
        "name": config.name,
        "namespace": owner.namespace,
        "labels": config.labels,
        "ownerReferences": [owner_reference(owner.name, owner.uid)],
    }
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    return [
        {"apiVersion": SERVICE_ACCOUNT.api_version, "kind": SERVICE_ACCOUNT.name, "metadata": metadata},
        {"apiVersion": ROLE.api_version, "kind": ROLE.name, "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": ROLE_BINDING.api_version,
            "kind": ROLE_BINDING.name,
            "metadata": metadata,
            "roleRef": {"apiGroup": ROLE.group, "kind": ROLE.name, "name": config.name},
            "subjects": [{"kind": SERVICE_ACCOUNT.name, "name": config.name, "namespace": owner.namespace}],
        },
    ]
