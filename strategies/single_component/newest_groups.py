"""Which groups of a LeaderWorkerSet have its newest template.

Its pods carry the revision of their template, and nothing that is found by the service says which revision is the
newest; its status says how many groups have it. That tells it, but for two revisions with as many groups each. Then it
is the one that is only where the partition lets it be, because groups are replaced from the highest down; and if
neither is, a former template has come back in the middle of a rollout, and its groups are the lower ones.
"""

from collections.abc import Mapping, Sequence

from strategies.contract import Manifest
from strategies.pods import is_terminating, labels

_WORKER = "leaderworkerset.sigs.k8s.io/worker-index"
_REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"
_SIZE = "leaderworkerset.sigs.k8s.io/size"


def newest_groups(groups: Mapping[str, Sequence[Manifest]], counted: int, *, partition: int) -> frozenset[int] | None:
    """The ordinals of the groups that have the newest template, complete or not.

    Args:
        groups: the pods of each group, by its ordinal.
        counted: groups at the newest revision, as the status has them, which leaves those without workers out.

    Returns:
        None if no revision has as many groups: status and pods are not of the same moment.
    """
    known: dict[str, set[int]] = {}
    begun: dict[str, set[int]] = {}
    for ordinal, members in groups.items():
        leader = next((pod for pod in members if labels(pod).get(_WORKER) == "0" and not is_terminating(pod)), None)
        if leader is None:
            continue
        revision = labels(leader).get(_REVISION, "")
        known.setdefault(revision, set()).add(int(ordinal))
        alone = (leader["metadata"].get("annotations") or {}).get(_SIZE, "1") == "1"
        if alone or len(members) > 1:
            begun.setdefault(revision, set()).add(int(ordinal))
    if counted == 0:
        return frozenset()
    candidates = sorted((found for found in begun.values() if len(found) == counted), key=min)
    if not candidates:
        return None
    fitting = [found for found in candidates if min(found) >= partition]
    newest = fitting[-1] if fitting else candidates[0]
    return frozenset(next(found for revision, found in known.items() if begun.get(revision) is newest))
