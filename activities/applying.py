"""The writes of a workload, each made on what it was decided from.

Temporal gives a step to another worker when the first one falls silent. The first may wake up, or its request arrive,
when newer attempts have been applied: so a write carries the version of the object that was read or written last, and
is refused if somebody has written in between (design rule 10).
"""

from collections.abc import Sequence

from omeflow.api.errors import Conflict, FieldOwned
from omeflow.api.names import FIELD_MANAGER
from omeflow.kube.client import Cluster
from strategies.contract import Apply, Live
from strategies.history import address


async def apply_in_order(cluster: Cluster, applies: Sequence[Apply], live: Live) -> None:
    """Make the applies of a strategy.

    Seeds behind omeflow's last write carry no version: the backend is busy with the object by then, and a seed, which
    is not forced, cannot change a count.

    Args:
        live: what the strategy decided from.

    Raises:
        Conflict: somebody has written in between; read again, and decide anew.
    """
    versions = {
        address(obj): obj["metadata"]["resourceVersion"] for objects in live.objects.values() for obj in objects
    }
    uids = {address(obj): obj["metadata"]["uid"] for objects in live.objects.values() for obj in objects}
    own = [index for index, apply in enumerate(applies) if apply.manager == FIELD_MANAGER]
    for index, apply in enumerate(applies):
        manifest, key = apply.manifest, address(apply.manifest)
        if key in versions and own and index <= own[-1]:
            manifest = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": versions[key]}}
        if key in uids:  # what has been deleted meanwhile is not made anew, as a stub that nobody owns
            manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": uids[key]}}
        try:
            stored = await cluster.apply(manifest, manager=apply.manager, force=apply.force)
        except FieldOwned as error:
            raise Conflict(f"a scaler or another manager wrote in between: {error}") from error
        uids[key] = stored["metadata"]["uid"]
        if key in versions:
            versions[key] = stored["metadata"]["resourceVersion"]
