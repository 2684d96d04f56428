"""One step for a LeaderWorkerSet: its groups, their pods, its Service, its leaders' StatefulSet and its status.

The leaders are treated as a StatefulSet of parallel pods would: what is missing is made, what is above the count goes,
and old ones are replaced one at a time from the highest ordinal down to the partition, each only when those above it
are ready. (A StatefulSet's own `maxUnavailable` would allow more at once; it is off by default up to Kubernetes 1.34.)
"""

from omeflow.kube.request import Object
from omeflow.local.lws import pods, wire
from omeflow.local.lws.groups import Group, groups_of
from omeflow.local.lws.revisions import Revisions, key_of
from omeflow.local.lws.rollout import ABSENT, Allowance, allowance
from omeflow.local.lws.spec import Policy, policy_of, revised, template_of
from omeflow.local.lws.status import is_rolled_out, status_writes
from omeflow.local.simulation.machine import Machine
from omeflow.local.simulation.objects import labels_of, name_of, namespace_of, owned_by, terminating
from omeflow.local.simulation.state import Key, Observed
from omeflow.local.simulation.writes import Apply, Create, Delete, Record, Step, Write


class LWSMachine(Machine):
    def step(self, obj: Object, *, now: float) -> Step:
        return reconcile(obj, self.observed, now=now)

    def mark(self, obj: Object, former: Object | None) -> None:
        if obj["kind"] == wire.KIND:
            if former is None or former["metadata"]["generation"] != obj["metadata"]["generation"]:
                self.make_due([Key.of(obj)])
        elif (name := labels_of(obj).get(wire.NAME)) is not None:
            self.make_due([Key(wire.KIND, namespace_of(obj), name)])


def reconcile(lws: Object, observed: Observed, *, now: float) -> Step:
    if terminating(lws):
        return Step()
    policy, wanted = policy_of(lws), revised(lws)
    revisions = Revisions(lws, wanted, observed.children(lws, "ControllerRevision"))
    groups = groups_of(lws, observed)
    states = {ordinal: group.state(revisions.update) for ordinal, group in groups.items()}
    by_ordinal = [states.get(ordinal, ABSENT) for ordinal in range(max(groups, default=-1) + 1)]
    old = any(key_of(group.leader) != revisions.update for group in groups.values())
    allowed = allowance(policy, by_ordinal, rolling=old or len(by_ordinal) > policy.replicas)

    writes: list[Write] = [*revisions.writes, Apply(_leaders_set(lws, revisions.update))]
    writes += _leaders(lws, groups, revisions, allowed)
    for group in groups.values():
        writes += _members(lws, group, revisions, policy, observed)
    if not template_of(wanted).subdomain_per_group:
        writes.append(Apply(_service(lws, name_of(lws), {wire.NAME: name_of(lws)}, lws)))
    writes += status_writes(lws, policy, states, now=now)
    if is_rolled_out(policy, states):
        writes += revisions.expired()
    return Step(writes)


def _leaders(lws: Object, groups: dict[int, Group], revisions: Revisions, allowed: Allowance) -> list[Write]:
    writes: list[Write] = []
    for ordinal in range(allowed.count):
        if ordinal not in groups:
            revision = revisions.former if ordinal < allowed.partition else revisions.update
            template = revisions.template(revision)
            assert template is not None
            writes.append(Create(pods.make_leader(lws, ordinal, revision, template)))
    for ordinal, group in groups.items():
        if (ordinal >= allowed.count or pods.is_over(group.leader)) and not terminating(group.leader):
            writes.append(Delete(group.leader))
    return writes + _replaced(groups, revisions, allowed)


def _replaced(groups: dict[int, Group], revisions: Revisions, allowed: Allowance) -> list[Write]:
    """The next old leader that may go; none while one above it is not ready."""
    for ordinal in range(allowed.count - 1, allowed.partition - 1, -1):
        group = groups.get(ordinal)
        if group is None:
            return []
        if key_of(group.leader) != revisions.update and not terminating(group.leader):
            return [Delete(group.leader)]
        if terminating(group.leader) or not pods.is_ready(group.leader):
            return []
    return []


def _members(lws: Object, group: Group, revisions: Revisions, policy: Policy, observed: Observed) -> list[Write]:
    """What a group needs besides its leader; or that it starts over."""
    leader = group.leader
    template = revisions.template(key_of(leader))
    restart_policy = template_of(revised(lws)).restart_policy
    annotated = wire.RECREATE_AFTER_START in (lws["metadata"].get("annotations") or {})
    if group.has_to_start_over(restart_policy, after_start_only=annotated):
        message = f"deleted leader pod {name_of(leader)} to recreate group {group.ordinal}"
        return [Delete(leader), Record(lws, "RecreateGroup", message, type="Normal")]
    if terminating(leader) or template is None:
        return []
    writes: list[Write] = [Delete(pod) for pod in group.workers if pods.is_over(pod) and not terminating(pod)]
    if template.subdomain_per_group:
        selected = {wire.NAME: name_of(lws), wire.GROUP_INDEX: str(group.ordinal)}
        writes.append(Apply(_service(lws, name_of(leader), selected, leader)))
    if policy.leader_ready_first and not group.workers and not pods.is_ready(leader):
        return writes
    for index in range(1, group.size):
        # A worker of a former leader keeps the place until the garbage collector has taken it.
        if observed.find("Pod", namespace_of(leader), pods.worker_name(leader, index)) is None:
            writes.append(Create(pods.make_worker(leader, index, template)))
    return writes


def _leaders_set(lws: Object, revision: str) -> Object:
    """What the real controller says by its leaders' StatefulSet: the newest revision. Nothing runs from it here."""
    labels = {f"{wire.PREFIX}simulated": name_of(lws)}
    container = {"name": "none", "image": "none"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name_of(lws),
            "namespace": namespace_of(lws),
            "labels": labels_of(lws) | {wire.NAME: name_of(lws), wire.REVISION: revision},
            "ownerReferences": [owned_by(lws)],
        },
        "spec": {
            "replicas": 0,
            "serviceName": name_of(lws),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _service(lws: Object, name: str, selected: dict[str, str], owner: Object) -> Object:
    """The headless Service that gives the pods their addresses."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace_of(lws),
            "labels": {wire.NAME: name_of(lws)},
            "ownerReferences": [owned_by(owner)],
        },
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selected},
    }
