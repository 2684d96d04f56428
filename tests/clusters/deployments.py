"""The Deployment and ReplicaSet controllers, in memory: a pure machine, as those of the simulated backends are.

As kube-controller-manager does it: a rolling update by maxSurge and maxUnavailable that takes unhealthy old pods first,
proportional scaling in the midst of one, revisions that a revert moves to the top, and a deadline for progress that
stops nothing.
"""

from collections.abc import Iterator

from omeflow.kube.request import Object
from omeflow.local.simulation.machine import Machine
from omeflow.local.simulation.objects import (
    condition,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    scaled,
    seconds,
    short_hash,
    status_of,
    terminating,
    timestamp,
)
from omeflow.local.simulation.state import Key
from omeflow.local.simulation.writes import Create, Delete, Patch, Step, Write

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"


class DeploymentMachine(Machine):
    def __init__(self, names: Iterator[int]) -> None:
        """Args: names: endings of the names of pods, none of them twice."""
        super().__init__()
        self._names = names

    def step(self, obj: Object, *, now: float) -> Step:
        if terminating(obj):
            return Step()
        if obj["kind"] == "Deployment":
            return _Rollout(obj, self.observed.children(obj, "ReplicaSet")).step(now=now)
        return self._replica_set(obj)

    def mark(self, obj: Object, former: Object | None) -> None:
        kind = obj["kind"]
        if kind == "Deployment":
            if former is None or former["metadata"]["generation"] != obj["metadata"]["generation"]:
                self.make_due([Key.of(obj)])
        elif kind == "ReplicaSet":
            self.make_due([Key.of(obj)])
            self.make_owner_due(obj, "Deployment")
        elif kind == "Pod":
            self.make_owner_due(obj, "ReplicaSet")

    def _replica_set(self, obj: Object) -> Step:
        pods = [pod for pod in self.observed.children(obj, "Pod") if not terminating(pod)]
        missing = obj["spec"]["replicas"] - len(pods)
        writes: list[Write] = [Create(self._pod(obj)) for _ in range(missing)]
        if missing < 0:
            # Those that are not ready go first, then the youngest.
            ranked = sorted(pods, key=lambda pod: (is_true(pod, "Ready"), -int(name_of(pod).rpartition("-")[2])))
            writes += [Delete(pod) for pod in ranked[:-missing]]
            pods = ranked[-missing:]
        ready = sum(is_true(pod, "Ready") for pod in pods)
        status = {
            "replicas": len(pods) + max(0, missing),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": obj["metadata"]["generation"],
        }
        if status != status_of(obj):
            writes.append(Patch(obj, {"status": status}, subresource="status"))
        return Step(writes)

    def _pod(self, obj: Object) -> Object:
        template = obj["spec"]["template"]
        metadata = {
            "name": f"{name_of(obj)}-{next(self._names)}",
            "namespace": namespace_of(obj),
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owned_by(obj)],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


class _Rollout:
    """One step of a Deployment: at most one ReplicaSet, or all of them in proportion, gets another count."""

    def __init__(self, deployment: Object, sets: list[Object]) -> None:
        self.deployment = deployment
        self.sets = sorted(sets, key=_revision)
        self.hash = short_hash(deployment["spec"]["template"])
        self.new = next((one for one in sets if labels_of(one)[HASH] == self.hash), None)
        self.old = [one for one in self.sets if one is not self.new]
        self.desired = int(deployment["spec"]["replicas"])
        strategy = deployment["spec"].get("strategy") or {}
        self.recreate = strategy.get("type") == "Recreate"
        bounds = strategy.get("rollingUpdate") or {}
        self.surge = scaled(bounds.get("maxSurge", "25%"), self.desired, up=True)
        unavailable = scaled(bounds.get("maxUnavailable", "25%"), self.desired, up=False)
        self.unavailable = min(self.desired, unavailable if unavailable or self.surge else 1)

    def step(self, *, now: float) -> Step:
        writes = self._scaled() or self._top() or self._rolled()
        done = not writes and self._complete
        if done:
            kept = self.deployment["spec"].get("revisionHistoryLimit", 10)
            idle = [one for one in self.old if not _count(one) and not status_of(one).get("replicas")]
            writes += [Delete(one) for one in idle[: max(0, len(idle) - kept)]]
        return self._with_status(writes, now=now)

    @property
    def _complete(self) -> bool:
        status = status_of(self.new) if self.new else {}
        return (
            self.new is not None
            and _count(self.new) == status.get("replicas") == status.get("availableReplicas") == self.desired
            and not any(status_of(one).get("replicas") for one in self.old)
        )

    def _scaled(self) -> list[Write]:
        """A new count in the midst of a rollout is shared out in proportion; the newest ReplicaSet gets the rest."""
        active = [one for one in self.sets if _count(one)]
        if not any(_noted(one) != self.desired for one in active):
            return []
        if len(active) == 1:
            return self._give(active[0], self.desired)
        total = sum(map(_count, active))
        missing = (self.desired + self.surge if self.desired else 0) - total
        shares = {name_of(one): int(_count(one) * missing / total) for one in active}
        largest = max(active, key=lambda one: (_count(one), _revision(one)))
        shares[name_of(largest)] += missing - sum(shares.values())
        return [write for one in active for write in self._give(one, max(0, _count(one) + shares[name_of(one)]))]

    def _top(self) -> list[Write]:
        """The template's ReplicaSet exists, and has the highest revision."""
        newest = max(map(_revision, self.sets), default=0)
        if self.new is not None and _revision(self.new) == newest:
            return []
        if self.new is not None:
            return [Patch(self.new, {"metadata": {"annotations": {REVISION: str(newest + 1)}}})]
        if self.recreate and any(_count(one) or status_of(one).get("replicas") for one in self.old):
            return [write for one in self.old if _count(one) for write in self._give(one, 0)]
        return [Create(self._replica_set(newest + 1))]

    def _rolled(self) -> list[Write]:
        assert self.new is not None
        if self.recreate:
            if going := [write for one in self.old if _count(one) for write in self._give(one, 0)]:
                return going
            return self._give(self.new, self.desired)
        wanted = self._room(_count(self.new))
        return self._give(self.new, wanted) or self._old_down()

    def _room(self, count: int) -> int:
        """How many new pods there may be."""
        if count >= self.desired:
            return self.desired
        room = self.desired + self.surge - sum(map(_count, self.sets))
        return min(self.desired, count + max(0, room))

    def _old_down(self) -> list[Write]:
        assert self.new is not None
        least = self.desired - self.unavailable
        unavailable_new = _count(self.new) - _available(self.new)
        spare = sum(map(_count, self.sets)) - least - unavailable_new
        if spare <= 0:
            return []
        counts = {name_of(one): _count(one) for one in self.old}
        for one in self.old:  # what is not available serves nobody
            gone = max(0, min(spare, counts[name_of(one)] - _available(one)))
            counts[name_of(one)] -= gone
            spare -= gone
        room = sum(map(_available, self.sets)) - least
        for one in self.old:
            gone = max(0, min(room, counts[name_of(one)]))
            counts[name_of(one)] -= gone
            room -= gone
        return [
            w for one in self.old if counts[name_of(one)] != _count(one) for w in self._give(one, counts[name_of(one)])
        ]

    def _give(self, one: Object, count: int) -> list[Write]:
        if _count(one) == count and _noted(one) == self.desired:
            return []
        noted = {"annotations": {DESIRED: str(self.desired)}}
        return [Patch(one, {"metadata": noted, "spec": {"replicas": count}})]

    def _replica_set(self, revision: int) -> Object:
        spec = self.deployment["spec"]
        template = spec["template"]
        labels = template["metadata"]["labels"] | {HASH: self.hash}
        metadata = {
            "name": f"{name_of(self.deployment)}-{self.hash}",
            "namespace": namespace_of(self.deployment),
            "labels": labels,
            "annotations": {REVISION: str(revision), DESIRED: str(self.desired)},
            "ownerReferences": [owned_by(self.deployment)],
        }
        made = {
            "replicas": self.desired if self.recreate else self._room(0),
            "selector": {"matchLabels": spec["selector"]["matchLabels"] | {HASH: self.hash}},
            "template": template | {"metadata": template["metadata"] | {"labels": labels}},
        }
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": made}

    def _with_status(self, writes: list[Write], *, now: float) -> Step:
        held, new = status_of(self.deployment), status_of(self.new) if self.new else {}
        counts = {
            "observedGeneration": self.deployment["metadata"]["generation"],
            "replicas": sum(status_of(one).get("replicas", 0) for one in self.sets),
            "updatedReplicas": new.get("replicas", 0),
            "readyReplicas": sum(status_of(one).get("readyReplicas", 0) for one in self.sets),
            "availableReplicas": sum(map(_available, self.sets)),
        }
        said, after = self._progress(moved=any(held.get(key) != value for key, value in counts.items()), now=now)
        status = counts | {"conditions": [said]}
        if status != held:
            writes = [*writes, Patch(self.deployment, {"status": status}, subresource="status")]
        return Step(writes, after=after)

    def _progress(self, *, moved: bool, now: float) -> tuple[Object, float | None]:
        former = condition(self.deployment, "Progressing")
        deadline = self.deployment["spec"].get("progressDeadlineSeconds", 600)
        since = timestamp(now) if former is None or moved else former["lastUpdateTime"]
        left = seconds(since) + deadline - now
        said = {"type": "Progressing", "status": "True", "lastUpdateTime": since, "reason": "ReplicaSetUpdated"}
        if self._complete:
            return said | {"reason": "NewReplicaSetAvailable"}, None
        if left <= 0:
            return said | {"status": "False", "reason": "ProgressDeadlineExceeded"}, None
        return said, left


def _count(of_set: Object) -> int:
    return int(of_set["spec"]["replicas"])


def _available(of_set: Object) -> int:
    return int(status_of(of_set).get("availableReplicas", 0))


def _revision(of_set: Object) -> int:
    return int(of_set["metadata"]["annotations"][REVISION])


def _noted(of_set: Object) -> int:
    """The Deployment's count when this ReplicaSet was given its own."""
    return int(of_set["metadata"]["annotations"][DESIRED])
