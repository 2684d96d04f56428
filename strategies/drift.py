"""What somebody else did to a service's objects: the question behind a repair (design section 3, step 1).

Values are never compared with the live object, which the server has defaulted and a scaler has changed; ownership is
(design rule 2). A field that omeflow applied and owns no more was written or removed by somebody.
"""

from collections.abc import Mapping

from omeflow.api.kinds import title
from omeflow.api.names import FIELD_MANAGER
from omeflow.api.ownership import lost_fields
from strategies.contract import Desired, Live, Manifest, Owner, RoleVersion, Strategy
from strategies.history import address

Address = tuple[str, str, str]


def drift(
    *,
    owner: Owner,
    strategy: Strategy,
    desired: Desired,
    roles: Mapping[str, RoleVersion],
    live: Live,
    shared: Mapping[Address, Manifest],
) -> list[str]:
    """Sentences that name what is gone or taken; none if every object is as omeflow left it.

    Args:
        desired: of the last attempt that converged.
        roles: the version that each role has since then.
        shared: live objects beside the workload, by address.
    """
    found = [sentence for manifest in desired.shared for sentence in _lost(manifest, shared.get(address(manifest)))]
    workloads = {address(obj): obj for objects in live.objects.values() for obj in objects if "spec" in obj}
    for apply in strategy.workload(owner, roles, live):
        if apply.manager == FIELD_MANAGER:
            found += _lost(apply.manifest, workloads.get(address(apply.manifest)))
    return found


def _lost(applied: Manifest, live: Manifest | None) -> list[str]:
    if live is None:
        return [f"{title(applied)} is gone"]
    return [
        f"{title(applied)}: {field} was changed by somebody else" for field in lost_fields(applied, live, FIELD_MANAGER)
    ]
