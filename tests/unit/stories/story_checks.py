"""What must hold in a story, looked at after every single write.

- A count is only ever what the role's scaler, or its minReplicas, said, in that order.
- A role gets no template but those that its user gave it, in that order; none before its turn.
- Pods of a role that is done go only when there are more than wanted.
- A role that was available stays within its budget of unavailable instances, unless pods were killed.
- Of roles in proportion none is further ahead of the others than its policy lets it, but for what a scaler adds.
- A stage is done when all its pods run the template and are ready, and no others are left.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from story_cluster import StoryCluster
from story_omeflow import Attempt
from story_parts import COUNTED, FOLLOWERS, available_of, instance_of, instances_of, parts_of, role_of, templates_of
from story_service import RBG, SERVICE, Role, Spec, Template, is_scaled, template_of
from story_skew import Skew

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.api.steps import Stage
from omeflow.kube.request import Object
from omeflow.local.simulation.objects import name_of, scaled, terminating, uid_of
from strategies.limits import held_roles

ORDER = (ENGINE, DECODER, ROUTER)


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Sequenced:
    """What somebody has set, in order; what is seen may leave some of it out."""

    wanted: list[object]
    seen: int = 0

    def then(self, value: object) -> None:
        if self.wanted[-1] != value:
            self.wanted.append(value)

    def see(self, value: object) -> bool:
        """Whether it may be seen now."""
        for index in range(self.seen, len(self.wanted)):
            if self.wanted[index] == value:
                self.seen = index
                return True
        return False


@dataclass
class Standing:
    """A role, as the checks know it.

    Attributes:
        template: what its workload has been given, `digest`: all of it.
        edits: what its user has asked for.
        counts: by object that holds a count.
        established: instances that were available at once, and that may be relied on; `allowance`: how many of them may
            be away.
        clean: it is done, and its template has not changed since.
        killed: instances that the story has broken.
        leaving: UIDs of pods whose instance was one too many: once its first pod goes, the others follow.
        minimums: every minReplicas that it had.
    """

    shape: Role
    edits: Sequenced
    minimums: list[int]
    template: Template | None = None
    digest: str = ""
    counts: dict[str, Sequenced] = field(default_factory=dict)
    established: int | None = None
    allowance: int = 0
    clean: bool = False
    was_done: bool = False
    killed: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)


class Checks:
    """The invariants of one story; raises Broken at the write that breaks one."""

    def __init__(self, cluster: StoryCluster, spec: Spec) -> None:
        self.cluster = cluster
        self.spec = spec
        self.roles: dict[str, Standing] = {}
        self.pods: dict[str, dict[str, Object]] = defaultdict(dict)
        self._attempt: Attempt | None = None
        self._stage: Sequence[str] = ()
        self._unsettled: set[str] = set()
        self._skew: Skew | None = None
        self.edited(spec)
        cluster.watchers.append(self.wrote)

    # What is told.

    def edited(self, spec: Spec) -> None:
        for name, role in spec.roles.items():
            if name not in self.roles:
                self.roles[name] = Standing(role, Sequenced([role.template]), [role.minimum])
            standing = self.roles[name]
            standing.edits.then(role.template)
            if standing.minimums[-1] != role.minimum:
                standing.minimums.append(role.minimum)
                if not is_scaled(spec, role):
                    self.counted(name, role.minimum)
        self.spec = spec

    def stuck(self, obj: Object) -> None:
        """An instance, a pod or a scaling adapter is deleted, so that its backend makes it anew."""
        if self._skew and obj["kind"] == "RoleInstance":
            name, _, ordinal = name_of(obj).rpartition("-")
            self._skew.is_mended(name.rpartition("-")[2], int(ordinal))

    def counted(self, role: str, count: int) -> None:
        """A scaler, or an edit of minReplicas where nobody scales, says how many."""
        for sequence in self.roles[role].counts.values():
            sequence.then(count)

    def killed(self, pod: Object) -> None:
        standing = self.roles[role_of(pod)]
        standing.established = None
        standing.killed.add(instance_of(pod))

    def planned(self, attempt: Attempt) -> None:
        stages = attempt.planned.plan.stages
        self._unsettled = {role for stage in stages for role in stage.roles if "settled" in stage.reason}

    def begins(self, attempt: Attempt, stage: Stage) -> None:
        if self._attempt is not attempt or self._stage != stage.roles:
            self._skew = Skew(stage.ratio) if stage.ratio else None
            for role in stage.ratio.weights if stage.ratio else ():
                template = self.roles[role].template
                if self._skew and template and template == attempt.spec.roles[role].template:
                    self._skew.begins_with(role, template, self._templates(role), self._wanted(role))
        self._attempt, self._stage = attempt, stage.roles

    def done(self, attempt: Attempt, roles: Sequence[str]) -> None:
        for name in roles:
            standing = self.roles[name]
            counts = standing.counts  # omeflow judges by the group's count, which its adapter may be about to change
            wanted = _present(counts.get("RoleBasedGroup") or next(iter(counts.values())))
            if standing.template != attempt.spec.roles[name].template:
                raise Broken(f"{name} is declared done at {standing.template}")
            self._all_run_it(name, wanted)
            standing.clean = standing.was_done = True
            standing.killed.clear()

    # What is seen.

    def wrote(self, former: Object | None, present: Object | None) -> None:
        obj = present or former
        assert obj is not None
        if obj["kind"] == "Pod":
            self._pod(former, present)
        elif obj["kind"] in COUNTED:
            self._workload(former, present)

    def _workload(self, former: Object | None, present: Object | None) -> None:
        obj = present or former
        assert obj is not None
        if former is not None and present is not None and former["spec"] == present["spec"]:
            return
        before, after = parts_of(former), parts_of(present)
        if self._skew and present and obj["kind"] == "RoleInstanceSet":
            self._taken_up(self._skew, present)
        for role in before.keys() - after.keys():
            standing = self.roles[role]
            standing.counts.pop(obj["kind"], None)
            if obj["kind"] not in FOLLOWERS:
                standing.template, standing.established, standing.digest = None, None, ""
                standing.clean = standing.was_done = False
        for role, part in after.items():
            if part.count is not None:
                self._count(role, obj["kind"], before[role].count if role in before else None, part.count)
            if part.template is not None and part.digest != self.roles[role].digest:
                self._template(role, part.template)
                self.roles[role].digest = part.digest

    def _count(self, role: str, kind: str, before: int | None, count: int) -> None:
        standing = self.roles[role]
        if kind not in standing.counts:
            self._begin_to_count(role, kind, count)
        if not standing.counts[kind].see(count):
            sequence = standing.counts[kind]
            raise Broken(f"{role}: count {before} became {count}, set were {sequence.wanted[sequence.seen :]} ({kind})")
        self._rely(role, before)

    def _begin_to_count(self, role: str, kind: str, count: int) -> None:
        standing = self.roles[role]
        known = [value for one in standing.counts.values() for value in one.wanted[one.seen :]]
        if kind in FOLLOWERS and known:
            standing.counts[kind] = Sequenced(list(known))
            return
        assert self._attempt is not None
        if count != self._attempt.desired.roles[role].min_replicas:
            raise Broken(f"{role} is created with {count} replicas")
        if not is_scaled(self.spec, standing.shape):
            last = len(standing.minimums) - 1 - standing.minimums[::-1].index(count)
            known = [*standing.minimums[last + 1 :], *known]
        for follower in standing.counts.values():
            follower.then(count)
        # An adapter that outlives its role for a while gives its count to the next one of that name.
        standing.counts[kind] = Sequenced([count, *known])

    def _template(self, role: str, template: Template) -> None:
        standing = self.roles[role]
        if not standing.edits.see(template):
            left = standing.edits.wanted[standing.edits.seen :]
            raise Broken(f"{role} goes from {standing.template} to {template}; its user asked for {left}")
        if template != standing.template or not self._is_settled(role):  # else a limit goes, which moves nothing
            if role not in self._stage:
                raise Broken(f"{role} gets {template} in the stage of {', '.join(self._stage)}")
            self._in_order(role)
        if standing.established and not standing.clean:
            # A newer edit moves spare instances first, also those that stand in for others: RBG's controller counts
            # them as free (rbg.md 5.1), and a LeaderWorkerSet has them at the top, where it begins.
            standing.allowance += self._spare(standing)
        if self._skew and role in self._skew.ratio.weights:
            settled = self._is_settled(role)
            self._skew.given(role, template, self._templates(role), self._wanted(role), settled=settled)
            if self.spec.backend != RBG:
                self._skew.taken_up(role)
        standing.template, standing.clean = template, False

    def _in_order(self, role: str) -> None:
        assert self._attempt is not None
        kept_back = held_roles(self._attempt.planned.plan)
        rank = {one: index for index, stage in enumerate(self._attempt.order) for one in stage}
        for other in ORDER:
            standing, wanted = self.roles.get(other), self._attempt.spec.roles.get(other)
            if standing is None or wanted is None or other in self._stage or not standing.was_done:
                continue
            halted = other in kept_back and standing.template == wanted.template
            if not self._is_settled(other) and not halted and not self._unsettled.issuperset((role, other)):
                raise Broken(f"{role} changes while {other} is not through with {standing.template}")
            earlier = rank[other] < rank[role]
            first = role not in self._unsettled or other in self._unsettled
            if earlier and first and standing.template != wanted.template:
                raise Broken(f"{role} changes before {other}, whose turn comes first")

    def _pod(self, former: Object | None, present: Object | None) -> None:
        pod = present or former
        assert pod is not None
        role = role_of(pod)
        if former is None:
            self.pods[role][name_of(pod)] = pod
        elif present is None or (terminating(present) and not terminating(former)):
            if present is None:
                self.pods[role].pop(name_of(pod))
            else:
                self.pods[role][name_of(pod)] = present
            if not terminating(former):
                self._departs(role, former)
        else:
            self.pods[role][name_of(pod)] = present
            if former["spec"]["containers"] != present["spec"]["containers"] and self.roles[role].clean:
                raise Broken(f"pod {name_of(pod)} of {role}, which is unchanged, gets another container")
        self._rely(role, None)
        if self._skew and role in self._skew.roles:
            wrong = self._skew.see(role, self._templates(role), self._wanted(role))
            if wrong:
                raise Broken(wrong)

    def _departs(self, role: str, pod: Object) -> None:
        standing, instance = self.roles[role], instance_of(pod)
        if not standing.clean or instance in standing.killed:
            return
        if uid_of(pod) in standing.leaving:
            return
        if len(self._instances(role) | standing.killed | {instance}) <= self._wanted(role):
            raise Broken(f"pod {name_of(pod)} of {role}, which is unchanged, goes; {self._wanted(role)} are wanted")
        standing.leaving |= {uid_of(one) for one in self.pods[role].values() if instance_of(one) == instance}

    def _rely(self, role: str, before: int | None) -> None:
        """Whether enough instances are available."""
        standing, wanted = self.roles[role], self._wanted(role)
        if standing.template is None:
            return
        available = self.available(role)
        if standing.established is not None and wanted < standing.established:
            missing = standing.established - available
            standing.established = wanted
            standing.allowance = max(self._budget(role, wanted), min(wanted, missing))
        if wanted and available == wanted == len(self._instances(role)) and self._is_settled(role):
            standing.established, standing.allowance = wanted, self._budget(role, wanted)
            # One that comes back under its name is away until then; others are replaced, and never come back.
            by_ordinal = self.spec.backend == RBG or standing.shape.nodes > 1
            standing.killed = standing.killed - self._instances(role) if by_ordinal else set()
        elif standing.established is not None and standing.established - available > standing.allowance:
            raise Broken(f"{role}: {available} of {standing.established} available, {standing.allowance} may be away")

    # What there is.

    def _wanted(self, role: str) -> int:
        """The lowest count that any object has: the backend is on its way there."""
        return min(map(_present, self.roles[role].counts.values()), default=0)

    def available(self, role: str) -> int:
        return available_of(self.pods[role].values(), size=self.roles[role].shape.nodes)

    def _instances(self, role: str) -> set[str]:
        return instances_of(self.pods[role].values())

    def _taken_up(self, skew: Skew, workload: Object) -> None:
        """Whether the set has its role's step, which RBG's controller hands over to it in its own time."""
        role = name_of(workload).rpartition("-")[2]
        group = self.cluster.find("RoleBasedGroup", SERVICE)
        asked = next((one for one in group["spec"]["roles"] if one["name"] == role), None) if group else None
        partition = workload["spec"]["updateStrategy"].get("partition", 0)
        if asked and asked["rolloutStrategy"]["rollingUpdate"].get("partition", 0) == partition:
            skew.taken_up(role)

    def _templates(self, role: str) -> dict[int, Template | None]:
        return templates_of(role, self.pods[role].values())

    def _spare(self, standing: Standing) -> int:
        """How many instances above the count a rollout may use, if they are told from others by their ordinals."""
        shape = standing.shape
        if self.spec.backend == RBG:
            return scaled((shape.bounds or (1, 0))[1], standing.established or 0, up=True)
        return 1 if shape.nodes > 1 else 0

    def _budget(self, role: str, count: int) -> int:
        """How many instances may be away, as the backend reads its own fields."""
        shape, group = self.roles[role].shape, self.spec.backend == RBG
        if shape.bounds is None and (group or shape.nodes > 1):
            return 1
        down, surge = shape.bounds or (0, 1)
        spare = scaled(surge, count, up=True)
        return scaled(down, count, up=group and not spare) or (0 if spare else 1)

    def _is_settled(self, role: str) -> bool:
        """Whether all pods that there are run what its workload has been given."""
        template = self.roles[role].template
        return all(template_of(role, pod) == template for pod in self.pods[role].values() if not terminating(pod))

    def _all_run_it(self, role: str, wanted: int) -> None:
        template = self.roles[role].template
        for pod in self.pods[role].values():
            if template_of(role, pod) != template:
                raise Broken(f"{role} is declared done, but {name_of(pod)} runs {template_of(role, pod)}")
            if terminating(pod):
                raise Broken(f"{role} is declared done, but {name_of(pod)} is still going away")
        if self.available(role) != wanted or len(self.pods[role]) != wanted * self.roles[role].shape.nodes:
            raise Broken(f"{role} is declared done with {self.available(role)} of {wanted} available")


def _present(counts: Sequenced) -> int:
    return int(str(counts.wanted[counts.seen]))
