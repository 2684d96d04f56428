"""One service at one look: what the caches say of it, and what follows from that without a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omeflow.api.messages import TAKEOVER
from omeflow.api.names import UPSTREAM_FINALIZER, in_upstreams_hands
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.rollout.roles import RoleState
from omeflow.rollout.trigger import Changed
from strategies.contract import Live, Strategy
from strategies.render import on_a_cluster_without
from workers.watching.derived import Derived
from workers.watching.following import Following, follow
from workers.watching.queue import Service
from workers.watching.world import World

Manifest = dict[str, Any]
BOTH = (
    f"OME's controller works on the service, too: its finalizer {UPSTREAM_FINALIZER} is there; omeflow writes nothing"
    " more: stop that controller, then run `omeflow takeover`"
)


@dataclass(frozen=True, slots=True)
class Sight:
    """Attributes:
    attempts: its records, oldest first.
    inputs: that decide its outcome, now.
    fingerprint: of these.
    changed: what differs from the inputs of the last attempt; None if nothing does, or nobody knows those any more.
    """

    service: Service
    manifest: Manifest
    attempts: Sequence[InferenceRollout]
    inputs: Inputs
    fingerprint: str
    changed: Changed | None
    following: Following
    strategy: Strategy
    live: Live
    roles: dict[str, RoleState]

    @property
    def uid(self) -> str:
        return str(self.manifest["metadata"]["uid"])

    @property
    def generation(self) -> int:
        return int(self.manifest["metadata"]["generation"])

    @property
    def is_open(self) -> bool:
        """Whether its last attempt has no outcome yet."""
        return bool(self.attempts) and not self.attempts[-1].status.phase.closed

    @property
    def is_converged(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].status.phase is Phase.SUCCEEDED

    @property
    def upstream(self) -> str:
        """What OME's controller does to a service of ours; empty if nothing."""
        return BOTH if in_upstreams_hands(self.manifest) else ""


def belongs_to_upstream(manifest: Manifest, attempts: Sequence[InferenceRollout]) -> bool:
    """Whether the service is OME's until somebody takes it over."""
    return in_upstreams_hands(manifest) and (not attempts or _is_being_taken_over(attempts[-1]))


def see(
    world: World, service: Service, manifest: Manifest, attempts: Sequence[InferenceRollout], derived: Derived
) -> Sight:
    """Args: derived: what is known of the service from former looks."""
    inputs = _inputs(world, manifest, attempts, derived)
    seen = fingerprint(inputs)
    strategy = world.strategy(manifest, attempts)
    live = world.live(service, strategy)
    changed = derived.changed(attempts, inputs, seen)
    following = follow(
        world.policies,
        manifest,
        attempts,
        fingerprint=seen,
        changed=changed,
        derived=derived,
        roles=lambda: derived.roles(inputs, world.strategies),
    )
    return Sight(
        service=service,
        manifest=manifest,
        attempts=attempts,
        inputs=inputs,
        fingerprint=seen,
        changed=changed,
        following=following,
        strategy=strategy,
        live=live,
        roles=_roles(world, service, strategy, live),
    )


def _roles(world: World, service: Service, strategy: Strategy, live: Live) -> dict[str, RoleState]:
    """How the roles stand where they are placed, beside what another strategy has left to serve until they do."""
    placed = strategy.role_states(service.name, live)
    others = [one for one in world.strategies if one is not strategy]
    former = [one.role_states(service.name, world.live(service, one)) for one in others]
    left = {role: state for states in former for role, state in states.items()}
    return left | {
        role: state.beside([states[role] for states in former if role in states]) for role, state in placed.items()
    }


def _inputs(world: World, manifest: Manifest, attempts: Sequence[InferenceRollout], derived: Derived) -> Inputs:
    """What decides the service's outcome. What the cluster lacks counts only if an attempt is still to be made.

    Whoever has been carried out needed nothing that was lacking; so an idle service is never rendered here.
    """
    inputs = world.inputs(manifest, derived.remembered(manifest, attempts))
    if attempts and attempts[-1].spec.fingerprint == fingerprint(inputs):
        return inputs
    return on_a_cluster_without(inputs, world.unserved(derived.needs(inputs, world.strategies)))


def _is_being_taken_over(last: InferenceRollout) -> bool:
    return last.spec.cause == TAKEOVER and not last.status.phase.closed
