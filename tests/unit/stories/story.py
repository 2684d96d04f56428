"""A story of a service: what can be done to it, how time goes on meanwhile, and how it has to end.

Omeflow, controllers, kubelets and a scaler take turns in any order; between them the user edits, scales and pauses, and
pods and controllers fail. In the end every fault is mended, and all has to be as the user wanted it last.
"""

from random import Random

from clusters.in_memory import NAMESPACE
from story_attempt import Order
from story_checks import Broken, Checks
from story_cluster import StoryCluster
from story_omeflow import Omeflow
from story_service import BAD, HPA, Json, Spec, counted_name, rendered
from story_steps import Steps

from omeflow.local.simulation.state import Key
from strategies.contract import reference_to

PATIENCE = 4 * 3600.0
"""Simulated seconds in which everything has to converge once nobody does anything any more."""


class Story:
    """One story.

    Attributes:
        log: what happened, one line each, with simulated seconds.
    """

    def __init__(self, spec: Spec, random: Random) -> None:
        self.random = random
        self.log: list[str] = []
        self.cluster = StoryCluster()
        self.cluster.unpullable.add(BAD)
        self.began = self.cluster.now
        self.specs = [spec]
        self.checks = Checks(self.cluster, spec)
        self.omeflow = Omeflow(
            Steps(self.cluster, self.tell, on_stuck=self.checks.stuck),
            spec,
            on_plan=self.checks.planned,
            on_stage=self.checks.begins,
            on_done=self.checks.done,
        )
        self.controllers_down = 0.0
        self.tell(f"create {spec}")

    @property
    def spec(self) -> Spec:
        return self.specs[-1]

    def tell(self, line: str) -> None:
        self.log.append(f"{self.cluster.now - self.began:7.1f}s {line}")

    # What users, scalers and faults do.

    def edit(self, spec: Spec, what: str) -> None:
        self.tell(what)
        self.specs.append(spec)
        self.checks.edited(spec)
        self.omeflow.spec = spec

    def give_image(self, role: str, image: str) -> None:
        self.edit(self.spec.edited(role, image=image), f"edit {role}: image {image}")

    def give_level(self, role: str, level: str) -> None:
        self.edit(self.spec.edited(role, level=level), f"edit {role}: level {level}")

    def give_minimum(self, role: str, minimum: int) -> None:
        self.edit(self.spec.edited(role, minimum=minimum), f"edit {role}: minReplicas {minimum}")

    def scale(self, role: str, count: int) -> None:
        """What an autoscaler does, once there is something to scale."""
        key = Key(*self._count_of(role))
        found = self.cluster.objects.get(key)
        if found is None or found["spec"].get("replicas") in (None, count):
            return
        if key.kind == "RoleBasedGroupScalingAdapter" and (found.get("status") or {}).get("phase") != "Bound":
            return
        self.tell(f"scale {role} to {count}")
        self.checks.counted(role, count)
        self.cluster.scale(key, count)

    def kill(self, name: str) -> None:
        self.tell(f"pod {name} is killed")
        pod = self.cluster.pods()[name]
        self.checks.killed(pod)
        self.cluster.delete(Key("Pod", NAMESPACE, name))

    def stop_controllers(self, seconds: float) -> None:
        self.tell(f"controllers are down for {seconds:.0f} s")
        self.controllers_down = self.cluster.now + seconds

    def give_order(self, order: Order) -> None:
        """An edit of the rollout policy."""
        self.tell(f"order {', then '.join(' and '.join(stage) for stage in order)}")
        self.omeflow.order = order

    def give_ratio(self, ratio: Json | None) -> None:
        """An edit of the rollout policy."""
        self.tell(f"ratio {ratio}")
        self.omeflow.ratio = ratio
        if ratio:  # which leaves its roles no partition of their own
            self.omeflow.limits = {
                role: limits for role, limits in self.omeflow.limits.items() if role not in ratio["roles"]
            }

    def keep_back(self, partitions: Json) -> None:
        """An edit of the rollout policy: by role, how many instances keep their former template."""
        self.tell(f"keep back {partitions}")
        self.omeflow.limits = {role: {"partition": kept} for role, kept in partitions.items()}

    def pause(self, paused: bool) -> None:
        self.tell("pause" if paused else "resume")
        self.omeflow.paused = paused

    # How time goes on.

    def advance(self, ticks: int) -> None:
        for _ in range(ticks):
            draw = self.random.random()
            if draw < 0.4:
                self.work(self.random.randint(1, 6))
            elif draw < 0.7:
                self.cluster.run_some_pods(self.random, self.random.randint(1, 3))
            elif draw < 0.93:
                if not self.omeflow.waits:
                    self.omeflow.turn()
            elif draw < 0.96:
                self.follow_bounds()
            else:
                self.pass_time(self.random.uniform(0.0, 12.0))

    def work(self, steps: int) -> None:
        """Steps of the controllers, if they are up."""
        if self.controllers_down:
            if self.cluster.now < self.controllers_down:
                return
            self.controllers_down = 0.0
            self.tell("controllers are up again")
            self.cluster.restart_controllers()
        for _ in range(steps):
            if not self.cluster.step():
                return

    def pass_time(self, seconds: float) -> None:
        self.cluster.now += seconds

    def follow_bounds(self) -> None:
        """A turn of omeflow's HorizontalPodAutoscalers: within their bounds, they leave counts alone."""
        for scaler in self.cluster.of_kind("HorizontalPodAutoscaler"):
            role = scaler["metadata"]["name"].rpartition("-")[2]
            found = self.cluster.objects.get(Key(*self._count_of(role))) if role in self.checks.roles else None
            count = found["spec"].get("replicas") if found else None
            bounds = scaler["spec"]
            if count and self.spec.scaled_by == HPA and not bounds["minReplicas"] <= count <= bounds["maxReplicas"]:
                self.scale(role, min(max(count, bounds["minReplicas"]), bounds["maxReplicas"]))

    def settle(self) -> None:
        """Everybody works until nothing is left to do, not even by waiting."""
        until = self.cluster.now + PATIENCE
        while self.cluster.now < until:
            before = self.cluster.changes, len(self.log)
            self.work(10_000)
            self.cluster.run_stirred_pods()
            self.follow_bounds()
            while not self.omeflow.waits and self.omeflow.turn():
                pass
            if (self.cluster.changes, len(self.log)) != before:
                continue
            wait = self.cluster.machine.wait(now=self.cluster.now)
            if self.controllers_down:
                wait = self.controllers_down - self.cluster.now
            if wait is None:
                return
            self.pass_time(max(wait, 0.1))
        raise Broken("something goes on for ever")

    # How it ends.

    def end(self) -> None:
        """Faults are mended, everybody finishes; then it must be as wanted.

        Raises:
            Broken: it is not.
        """
        if self.omeflow.paused:
            self.pause(False)
        for name, role in self.spec.roles.items():
            if role.image == BAD:
                self.give_image(name, "mended")
        self.keep_back({})
        self.settle()
        last = self.omeflow.last
        if last.phase != "Succeeded" or last.spec != self.spec:
            raise Broken(f"attempt {last.number} is {last.phase} and waits: {last.waits_for}")
        self._exactly_the_wanted_objects_are_left()
        self.checks.done(last, list(self.spec.roles))
        for name, standing in self.checks.roles.items():
            if name not in self.spec.roles and (standing.pods or standing.template):
                raise Broken(f"something is left of {name}")
            for kind, counts in standing.counts.items() if name in self.spec.roles else ():
                if counts.present != counts.wanted[-1]:
                    raise Broken(f"{name} has {counts.present} of {counts.wanted[-1]} replicas ({kind})")

    def _exactly_the_wanted_objects_are_left(self) -> None:
        _, desired = rendered(self.spec)
        live = {(kind, name) for _, kind, name in self.omeflow.steps.owned()}
        wanted = {(one["kind"], one["name"]) for one in desired.objects}
        if live != wanted:
            raise Broken(f"missing: {sorted(wanted - live)}, unwanted: {sorted(live - wanted)}")
        for manifest in desired.shared:
            reference = reference_to(manifest)
            found = self.cluster.find(reference["kind"], reference["name"])
            if found is None or any(
                found.get(part) != content for part, content in manifest.items() if part != "metadata"
            ):
                raise Broken(f"{reference['kind']} {reference['name']} is not as wanted")
        for name, role in self.spec.roles.items():
            if self.checks.roles[name].template != role.template:
                raise Broken(f"{name} has {self.checks.roles[name].template}")

    def _count_of(self, role: str) -> tuple[str, str, str]:
        shapes = {name: standing.shape for name, standing in self.checks.roles.items()}
        kind, name = counted_name(self.spec.with_role(role, shapes[role]), role)
        return kind, NAMESPACE, name
