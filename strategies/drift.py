"""What somebody else did to a service's objects: the question behind a repair (design section 3, step 1).

Values are never compared with the live object, which the server has defaulted and a scaler has changed; ownership is
(design rule 2). A field that omeflow applied and owns no more was written or removed by somebody.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omeflow.api.kinds import title
from omeflow.api.names import FIELD_MANAGER
from omeflow.api.ownership import lost
from strategies.contract import Desired, Live, Manifest, Owner, RoleVersion, Strategy
from strategies.history import address

Address = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Drift:
    """An object that is gone, or a field of it that somebody took: `by` whom, as far as anybody owns it now."""

    what: str
    gone: bool = False
    by: tuple[str, ...] = ()

    def __str__(self) -> str:
        who = ", ".join(self.by) or "somebody else"
        return f"{self.what} is gone" if self.gone else f"{self.what} was changed by {who}"


def drift(
    *,
    owner: Owner,
    strategy: Strategy,
    desired: Desired,
    roles: Mapping[str, RoleVersion],
    live: Live,
    shared: Mapping[Address, Manifest],
) -> list[Drift]:
    """What is gone or taken; nothing if every object is as omeflow left it.

    Args:
        desired: of the last attempt that converged.
        roles: the version that each role has since then.
        shared: live objects beside the workload, by address.
    """
    found = [one for manifest in desired.shared for one in _lost(manifest, shared.get(address(manifest)))]
    workloads = {address(obj): obj for objects in live.objects.values() for obj in objects if "spec" in obj}
    for apply in strategy.workload(owner, roles, live):
        if apply.manager == FIELD_MANAGER:
            found += _lost(apply.manifest, workloads.get(address(apply.manifest)))
    return found


def _lost(applied: Manifest, live: Manifest | None) -> Iterator[Drift]:
    if live is None:
        yield Drift(title(applied), gone=True)
        return
    for one in lost(applied, live, FIELD_MANAGER):
        yield Drift(f"{title(applied)}: {one}", by=one.by)
