"""A random story of a service: who does what and when follows from one integer.

Omeflow, controllers, kubelets and a scaler take turns in any order; between them the user edits, reverts, scales,
removes, pauses, and pods and controllers fail. In the end every fault is mended, and the story has to end well.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from clusters.in_memory import NAMESPACE
from story_checks import ORDER, Broken, Checks
from story_cluster import StoryCluster
from story_omeflow import Omeflow, Order
from story_service import (
    BAD,
    DEPLOYMENT,
    HPA,
    LWS,
    NOBODY,
    RBG,
    SOMEBODY,
    Role,
    Spec,
    counted_name,
    is_scaled,
    rendered,
)

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.local.simulation.objects import is_true, terminating
from omeflow.local.simulation.state import Key
from omeflow.rollout.planner import DEFAULT_ORDER
from strategies.contract import reference_to

ACTIONS = (2, 6)
"""Fewest and most."""
MOST = 4
"""Replicas."""
PATIENCE = 4 * 3600.0
"""Simulated seconds in which everything has to converge once nobody does anything any more."""
ORDERS: tuple[Order, ...] = (
    DEFAULT_ORDER,
    ((ROUTER,), (DECODER,), (ENGINE,)),
    ((ENGINE, DECODER), (ROUTER,)),
    ((ENGINE, DECODER, ROUTER),),
)
"""Of stages, as rollout policies say it."""
BOUNDS = {
    RBG: (None, None, (1, 0), (2, 0), ("50%", 0), (1, 1), (0, 1)),
    DEPLOYMENT: (None, None, (1, 0), (1, 1), ("25%", "25%"), ("50%", 0)),
}


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
            self.cluster,
            spec,
            self.tell,
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
        self.settle()
        last = self.omeflow.last
        if last.phase != "Succeeded" or last.spec != self.spec:
            raise Broken(f"attempt {last.number} is {last.phase} and waits: {last.waits_for}")
        self._exactly_the_wanted_objects_are_left()
        self.checks.done(last, list(self.spec.roles))
        for name, standing in self.checks.roles.items():
            if name not in self.spec.roles and (self.checks.pods[name] or standing.template):
                raise Broken(f"something is left of {name}")
            for kind, counts in standing.counts.items() if name in self.spec.roles else ():
                if counts.wanted[counts.seen] != counts.wanted[-1]:
                    raise Broken(f"{name} has {counts.wanted[counts.seen]} of {counts.wanted[-1]} replicas ({kind})")

    def _exactly_the_wanted_objects_are_left(self) -> None:
        _, desired = rendered(self.spec)
        live = {(kind, name) for _, kind, name in self.omeflow.owned()}
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


class RandomStory(Story):
    """The story of a seed."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        whole = _some_service(random)
        names = random.choice(((ENGINE,), (ENGINE, DECODER), (ENGINE, ROUTER), ORDER))
        super().__init__(replace(whole, roles={name: whole.roles[name] for name in names}), random)
        self._shapes = whole.roles
        self._images = 1
        if self.spec.scaled_by == SOMEBODY:
            for role in ORDER:
                self._scaler_of_the_user(role)

    def run(self) -> None:
        """Raises Broken."""
        for _ in range(self.random.randint(*ACTIONS)):
            self._let_time_pass()
            self._act()
        self._let_time_pass()
        self.end()

    def _let_time_pass(self) -> None:
        draw = self.random.random()
        if draw < 0.25:
            self.settle()
        elif draw < 0.9:
            self.advance(self.random.choice((3, 10, 30, 80)))

    def _act(self) -> None:
        role = self.random.choice(list(self.spec.roles))
        actions: list[tuple[int, Callable[[str], None]]] = [
            (6, self._new_image),
            (2, self._bad_image),
            (3, self._new_level),
            (3, self._revert),
            (2, self._two_at_once),
            (4, self._scale),
            (3, self._minimum),
            (2, self._kill),
            (2, self._remove_or_add),
            (2, lambda role: self.give_order(self.random.choice(ORDERS))),
            (1, lambda role: self.pause(not self.omeflow.paused)),
            (1, lambda role: self.stop_controllers(self.random.uniform(5, 90))),
        ]
        self.random.choices([act for _, act in actions], [weight for weight, _ in actions])[0](role)

    def _new_image(self, role: str) -> None:
        self._images += 1
        self.give_image(role, f"v{self._images}")

    def _bad_image(self, role: str) -> None:
        self.give_image(role, BAD)

    def _new_level(self, role: str) -> None:
        self.give_level(role, self.random.choice(("debug", "info", "error")))

    def _revert(self, role: str) -> None:
        former = self.random.choice(self.specs)
        spec = self.spec
        for name in spec.roles.keys() & former.roles.keys():
            spec = spec.edited(name, image=former.roles[name].image, level=former.roles[name].level)
        self.edit(spec, f"revert to {former}")

    def _two_at_once(self, role: str) -> None:
        self._images += 1
        image, minimum = f"v{self._images}", self.random.randint(1, MOST)
        spec = self.spec.edited(role, image=image, minimum=minimum)
        other = self.random.choice(list(spec.roles))
        spec = spec.edited(other, image=image)
        self.edit(spec, f"edit {role}: image {image}, minReplicas {minimum}; {other}: image {image}")

    def _scale(self, role: str) -> None:
        if not is_scaled(self.spec, self.spec.roles[role]):
            return self._minimum(role)
        least = self.spec.roles[role].minimum if self.spec.scaled_by == HPA else 1
        return self.scale(role, self.random.randint(least, max(least, MOST)))

    def _minimum(self, role: str) -> None:
        self.give_minimum(role, self.random.randint(1, MOST))

    def _kill(self, role: str) -> None:
        pods = [name for name, pod in self.cluster.pods().items() if not terminating(pod) and is_true(pod, "Ready")]
        if pods:
            self.kill(self.random.choice(pods))

    def _remove_or_add(self, role: str) -> None:
        if absent := [name for name in (DECODER, ROUTER) if name not in self.spec.roles]:
            name = self.random.choice(absent)
            self.edit(self.spec.with_role(name, self._shapes[name]), f"add {name}: {self._shapes[name]}")
        elif role != ENGINE:
            self.edit(self.spec.without(role), f"remove {role}")

    def _scaler_of_the_user(self, role: str) -> None:
        kind, name = counted_name(self.spec.with_role(role, self._shapes[role]), role)
        self.cluster.write(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": f"my-{role}", "namespace": NAMESPACE},
                "spec": {"scaleTargetRef": {"kind": kind, "name": name}},
            }
        )


def _some_service(random: Random) -> Spec:
    backend = random.choice((RBG, RBG, DEPLOYMENT, LWS))
    return Spec(
        backend,
        {name: _some_role(random, backend, name) for name in ORDER},
        random.choice((HPA, HPA, NOBODY, SOMEBODY)),
    )


def _some_role(random: Random, backend: str, name: str) -> Role:
    spread = name != ROUTER and (backend == LWS or (backend == RBG and random.random() < 0.2))
    bounds = None if backend == LWS and spread else random.choice(BOUNDS.get(backend, (None,)))
    return Role(minimum=random.randint(1, 3), nodes=2 if spread else 1, bounds=bounds)


def failure_of(seed: int) -> str:
    """How the story of a seed broke an invariant, with all that happened; empty if it ended well."""
    story = RandomStory(seed)
    try:
        story.run()
    except Exception as error:  # whatever breaks in a story belongs to its seed
        told = "\n".join(f"  {line}" for line in story.log)
        return f"seed {seed}: {type(error).__name__}: {error}\n{told}"
    return ""
