"""What must hold in a story, looked at after every single write.

- A count is only ever what the role's scaler, or its minReplicas, said, in that order.
- A role gets no template but those that its user gave it, in that order; none before its turn.
- Pods of a role that is done go only when there are more than wanted.
- A role that was available stays within its budget of unavailable instances, unless pods were killed.
- Of roles in proportion none is further ahead of the others than its policy lets it, but for what a scaler adds.
- A stage is done when all its pods run the template and are ready, and no others are left.
"""

from collections.abc import Sequence

from story_attempt import Attempt
from story_cluster import StoryCluster
from story_parts import COUNTED, FOLLOWERS, instance_of, parts_of, role_of
from story_service import RBG, SERVICE, Spec, Template, is_scaled, template_of
from story_skew import Skew
from story_standing import Sequenced, Standing

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.api.steps import Stage
from omeflow.kube.request import Object
from omeflow.local.simulation.objects import name_of, terminating, uid_of
from strategies.limits import held_roles

ORDER = (ENGINE, DECODER, ROUTER)


class Broken(AssertionError):
    """An invariant does not hold."""


class Checks:
    """The invariants of one story; raises Broken at the write that breaks one."""

    def __init__(self, cluster: StoryCluster, spec: Spec) -> None:
        self.cluster = cluster
        self.spec = spec
        self.roles: dict[str, Standing] = {}
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
                edits = Sequenced([role.template])
                self.roles[name] = Standing(name, spec.backend, role, edits, [role.minimum])
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
                standing = self.roles[role]
                if self._skew and standing.template and standing.template == attempt.spec.roles[role].template:
                    self._skew.begins_with(role, standing.template, standing.templates, standing.wanted)
        self._attempt, self._stage = attempt, stage.roles

    def done(self, attempt: Attempt, roles: Sequence[str]) -> None:
        for name in roles:
            standing = self.roles[name]
            counts = standing.counts  # omeflow judges by the group's count, which its adapter may be about to change
            wanted = (counts.get("RoleBasedGroup") or next(iter(counts.values()))).present
            if standing.template != attempt.spec.roles[name].template:
                raise Broken(f"{name} is declared done at {standing.template}")
            _all_run_it(standing, wanted)
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
                standing.loses_workload()
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
            left = standing.counts[kind].left
            raise Broken(f"{role}: count {before} became {count}, set were {left} ({kind})")
        self._rely(standing)

    def _begin_to_count(self, role: str, kind: str, count: int) -> None:
        standing = self.roles[role]
        known = [value for one in standing.counts.values() for value in one.left]
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
            left = standing.edits.left
            raise Broken(f"{role} goes from {standing.template} to {template}; its user asked for {left}")
        if template != standing.template or not standing.settled:  # else a limit goes, which moves nothing
            if role not in self._stage:
                raise Broken(f"{role} gets {template} in the stage of {', '.join(self._stage)}")
            self._in_order(role)
        if standing.established and not standing.clean:
            # A newer edit moves spare instances first, also those that stand in for others: RBG's controller counts
            # them as free (rbg.md 5.1), and a LeaderWorkerSet has them at the top, where it begins.
            standing.allowance += standing.spare
        if self._skew and role in self._skew.ratio.weights:
            self._skew.given(role, template, standing.templates, standing.wanted, settled=standing.settled)
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
            if not standing.settled and not halted and not self._unsettled.issuperset((role, other)):
                raise Broken(f"{role} changes while {other} is not through with {standing.template}")
            earlier = rank[other] < rank[role]
            first = role not in self._unsettled or other in self._unsettled
            if earlier and first and standing.template != wanted.template:
                raise Broken(f"{role} changes before {other}, whose turn comes first")

    def _pod(self, former: Object | None, present: Object | None) -> None:
        pod = present or former
        assert pod is not None
        role = role_of(pod)
        standing = self.roles[role]
        if former is None:
            standing.pods[name_of(pod)] = pod
        elif present is None or (terminating(present) and not terminating(former)):
            if present is None:
                standing.pods.pop(name_of(pod))
            else:
                standing.pods[name_of(pod)] = present
            if not terminating(former):
                self._departs(standing, former)
        else:
            standing.pods[name_of(pod)] = present
            if former["spec"]["containers"] != present["spec"]["containers"] and standing.clean:
                raise Broken(f"pod {name_of(pod)} of {role}, which is unchanged, gets another container")
        self._rely(standing)
        if self._skew and role in self._skew.roles:
            wrong = self._skew.see(role, standing.templates, standing.wanted)
            if wrong:
                raise Broken(wrong)

    def _departs(self, standing: Standing, pod: Object) -> None:
        instance = instance_of(pod)
        if not standing.clean or instance in standing.killed:
            return
        if uid_of(pod) in standing.leaving:
            return
        if len(standing.instances | standing.killed | {instance}) <= standing.wanted:
            raise Broken(
                f"pod {name_of(pod)} of {standing.name}, which is unchanged, goes; {standing.wanted} are wanted"
            )
        standing.leaving |= {uid_of(one) for one in standing.pods.values() if instance_of(one) == instance}

    def _rely(self, standing: Standing) -> None:
        """Whether enough instances are available."""
        if standing.template is None:
            return
        wanted, available = standing.wanted, standing.available
        if standing.established is not None and wanted < standing.established:
            missing = standing.established - available
            standing.established = wanted
            standing.allowance = max(standing.budget(wanted), min(wanted, missing))
        if wanted and available == wanted and standing.complete and standing.settled:
            standing.established, standing.allowance = wanted, standing.budget(wanted)
            # One that comes back under its name is away until then.
            standing.killed = standing.killed - standing.instances if standing.keeps_names else set()
        elif standing.established is not None and standing.established - available > standing.allowance:
            relied = f"{available} of {standing.established} available, {standing.allowance} may be away"
            raise Broken(f"{standing.name}: {relied}")

    def _taken_up(self, skew: Skew, workload: Object) -> None:
        """Whether the set has its role's step, which RBG's controller hands over to it in its own time."""
        role = name_of(workload).rpartition("-")[2]
        group = self.cluster.find("RoleBasedGroup", SERVICE)
        asked = next((one for one in group["spec"]["roles"] if one["name"] == role), None) if group else None
        partition = workload["spec"]["updateStrategy"].get("partition", 0)
        if asked and asked["rolloutStrategy"]["rollingUpdate"].get("partition", 0) == partition:
            skew.taken_up(role)


def _all_run_it(standing: Standing, wanted: int) -> None:
    role, template = standing.name, standing.template
    for pod in standing.pods.values():
        if template_of(role, pod) != template:
            raise Broken(f"{role} is declared done, but {name_of(pod)} runs {template_of(role, pod)}")
        if terminating(pod):
            raise Broken(f"{role} is declared done, but {name_of(pod)} is still going away")
    if standing.available != wanted or len(standing.pods) != wanted * standing.shape.nodes:
        raise Broken(f"{role} is declared done with {standing.available} of {wanted} available")
