"""Which groups of a LeaderWorkerSet have its newest template.

Its pods carry the revision of their template, and nothing that is found by the service says which revision is the
newest; its status says how many groups have it. That tells it, but for two revisions with as many groups each. Then it
is the one that is only where the partition lets it be, because groups are replaced from the highest down; and if
neither is, a former template has come back in the middle of a rollout, and its groups are the lower ones.
"""

from collections.abc import Mapping, Sequence

from strategies.contract import Manifest
from strategies.pods import is_terminating, labels
from strategies.single_component.serving_pods import WORKER_INDEX

REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"
_SIZE = "leaderworkerset.sigs.k8s.io/size"


def newest_groups(
    groups: Mapping[str, Sequence[Manifest]], *, replicas: int, updated: int, partition: int
) -> frozenset[int] | None:
    """The ordinals of the groups that have the newest template, complete or not.

    Args:
        groups: the pods of each group, by its ordinal.
        replicas, updated: groups, and those at the newest revision that have workers, as the status counts them.

    Returns:
        None if the pods are not those that the status has counted.
    """
    known: dict[str, set[int]] = {}
    begun: dict[str, set[int]] = {}
    leaders = {ordinal: leader for ordinal, members in groups.items() if (leader := _leader(members))}
    if len(leaders) != replicas:
        return None
    for ordinal, leader in leaders.items():
        if is_terminating(leader):
            continue
        revision = labels(leader).get(REVISION, "")
        known.setdefault(revision, set()).add(int(ordinal))
        alone = (leader["metadata"].get("annotations") or {}).get(_SIZE, "1") == "1"
        if alone or len(groups[ordinal]) > 1:
            begun.setdefault(revision, set()).add(int(ordinal))
    if updated == 0:
        return frozenset()
    candidates = sorted((found for found in begun.values() if len(found) == updated), key=min)
    if not candidates:
        return None
    fitting = [found for found in candidates if min(found) >= partition]
    newest = fitting[-1] if fitting else candidates[0]
    return frozenset(next(found for revision, found in known.items() if begun.get(revision) is newest))


def _leader(members: Sequence[Manifest]) -> Manifest | None:
    return next((pod for pod in members if labels(pod).get(WORKER_INDEX) == "0"), None)
