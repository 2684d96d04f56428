"""A RoleBasedGroup under server-side apply, in memory, with what tests ask of it."""

import copy
from typing import Any

from clusters.server_side_apply import Fields, with_defaults

from strategies.contract import Apply

Json = dict[str, Any]
ADAPTER = "rolebasedgroupscalingadapter"


class AppliedGroup:
    def __init__(self) -> None:
        self._fields = Fields()
        self._group = with_defaults(
            {
                "apiVersion": "workloads.x-k8s.io/v1alpha2",
                "kind": "RoleBasedGroup",
                "metadata": {"name": "chat", "namespace": "serving", "uid": "g1"},
            }
        )

    def apply(self, apply: Apply) -> None:
        """Raises FieldOwned on a conflict."""
        applied = self._fields.apply(self._group, apply.manifest, manager=apply.manager, force=apply.force)
        self._group = with_defaults(applied)

    def scale(self, role: str, count: int, *, manager: str = ADAPTER) -> None:
        """An ordinary update by the scaling adapter; an update without change owns nothing."""
        before = copy.deepcopy(self._group)
        for one in self._group["spec"]["roles"]:
            if one["name"] == role:
                one["replicas"] = count
        self._fields.update(before, self._group, manager=manager)

    @property
    def roles(self) -> list[str]:
        return [role["name"] for role in self._group["spec"]["roles"]]

    @property
    def counts(self) -> dict[str, int]:
        return {role["name"]: role["replicas"] for role in self._group["spec"]["roles"]}

    @property
    def stubs(self) -> list[str]:
        """Roles that are left without a pattern: an error of the RBG controller."""
        return [role["name"] for role in self._group["spec"]["roles"] if "standalonePattern" not in role]

    def count_owners(self, role: str) -> set[str]:
        return self._fields.owners(("spec", "roles", role, "replicas"))

    def live(self) -> Json:
        """The object as it is read, with its managed fields."""
        metadata = {"annotations": {}, **self._group["metadata"], "managedFields": self._fields.managed()}
        return copy.deepcopy(self._group | {"metadata": metadata})
