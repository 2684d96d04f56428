"""The story of a seed: a service, and what is done to it at which moment, all drawn from one integer."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from clusters.in_memory import NAMESPACE
from story import Story
from story_attempt import Order
from story_checks import ORDER
from story_service import BAD, DEPLOYMENT, HPA, LWS, NOBODY, RBG, SOMEBODY, Json, Role, Spec, counted_name, is_scaled

from omeflow.api.names import DECODER, ENGINE, ROUTER
from omeflow.local.simulation.objects import is_true, terminating
from omeflow.rollout.planner import DEFAULT_ORDER

ACTIONS = (2, 6)
"""Fewest and most."""
MOST = 4
"""Replicas."""
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


class RandomStory(Story):
    """One story, told to its end by `run`."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        whole = _some_service(random)
        names = random.choice(((ENGINE,), (ENGINE, DECODER), (ENGINE, ROUTER), ORDER))
        super().__init__(replace(whole, roles={name: whole.roles[name] for name in names}), random)
        self._shapes = whole.roles
        self._images = 1
        self.give_ratio(self._some_ratio())
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
            (3, lambda role: self.give_ratio(self._some_ratio())),
            (3, lambda role: self.keep_back(self._some_partitions())),
            (4, self._both),
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

    def _both(self, role: str) -> None:
        """What a ratio is for: an edit of both roles."""
        self._images += 1
        spec = self.spec
        for name in {ENGINE, DECODER} & spec.roles.keys():
            spec = spec.edited(name, image=f"v{self._images}")
        self.edit(spec, f"edit engine and decoder: image v{self._images}")

    def _some_ratio(self) -> Json | None:
        """None where the backend keeps none."""
        if any(self._shapes[role].nodes == 1 for role in (ENGINE, DECODER)) and self.spec.backend != RBG:
            return None
        weights = {DECODER: self.random.randint(1, 3), ENGINE: self.random.randint(1, 2)}
        return self.random.choice((None, {"roles": weights, "maxSkew": self.random.choice((1, 25, 50, 100))}))

    def _some_partitions(self) -> Json:
        """Of roles whose backend keeps one, and which are in no ratio."""
        kept = [role for role in self._shapes if self.spec.backend == RBG or self._shapes[role].nodes > 1]
        in_ratio = (self.omeflow.ratio or {}).get("roles", {})
        free = [role for role in kept if role not in in_ratio]
        return {role: self.random.choice((1, 2, "50%")) for role in free if self.random.random() < 0.5}

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
