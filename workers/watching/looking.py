"""One look at one service: start or signal its run, tell how its roles stand, write its status.

A look is idempotent and starts from what the caches say, so a restart, a second watcher or a lost event cost a look and
nothing else.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from omeflow.api.names import ROLES, UPSTREAM_FINALIZER, in_upstreams_hands
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.api.steps import REPAIR, TAKEOVER, Change, RoleNumbers
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.migration import with_engine
from omeflow.kube.client import Cluster
from omeflow.rollout.contest import Contest, Taken
from omeflow.rollout.roles import RoleState
from omeflow.rollout.status import CONTESTED, Facts
from omeflow.rollout.trigger import Changed, Trigger, decide
from omeflow.rollout.urls import ServiceUrls
from strategies.contract import Owner
from strategies.drift import Drift, drift
from strategies.exposure.standing import way_in
from strategies.recorded import serving_after
from strategies.render import on_a_cluster_without
from workers.watching.derived import Derived
from workers.watching.following import Following, follow
from workers.watching.queue import Queue, Service
from workers.watching.signals import Signals
from workers.watching.statuses import Written, write_status
from workers.watching.turns import COUNTED, Turns
from workers.watching.world import World

log = logging.getLogger("omeflow.watcher")

PACE = 0.5
"""Seconds between two signals about roles that move and are not done; a role that is done is told at once."""
DRIFT = 2.0
"""Seconds that drift must last: caches of different kinds do not show the same moment."""
REPAIRS = 60.0
"""Seconds between two repairs of one service: whoever keeps changing our fields is not to be outpaced."""
AGAIN = 600.0
"""Seconds after which an open attempt is looked at again: its run may have been lost."""
BOTH = (
    f"OME's controller works on the service, too: its finalizer {UPSTREAM_FINALIZER} is there; omeflow writes nothing"
    " more: stop that controller, then run `omeflow takeover`"
)


@dataclass(slots=True)
class _Memory:
    """What has been told about one service, so that it is not told twice."""

    fingerprint: str = ""
    policy: str = ""
    """Digest of the policy that it follows."""
    derived: Derived = field(default_factory=Derived)
    held: str = ""
    """Why what is due does not begin yet."""
    triggered: bool = False
    relisted_at: float = float("-inf")
    roles: tuple[RoleNumbers, ...] = ()
    told_at: float = 0.0
    drift_since: float | None = None
    repaired_at: float = float("-inf")
    contest: Contest = field(default_factory=Contest)
    contested: str = ""
    stood_back: bool = False
    contest_of: tuple[str, int] = ("", 0)
    """Inputs and attempt that the contest is about: what comes after them settles it."""
    written: Written = field(default_factory=Written)


class Looker:
    """Looks at services, and remembers what it has told, so that it is not told twice.

    Args:
        world: the caches.
        queue: where a service goes that is to be looked at again.
        limit: runs that a dependency caused and that may be open at a time.
    """

    def __init__(self, cluster: Cluster, world: World, queue: Queue[Service], signals: Signals, *, limit: int) -> None:
        self._cluster = cluster
        self._world = world
        self._queue = queue
        self._signals = signals
        self._memory: dict[Service, _Memory] = {}
        self._turns = Turns(queue, limit=limit, opened=world.carried_out(COUNTED))

    async def look(self, service: Service) -> None:
        """Compare what the caches say of a service with what has been told and written, and do what is missing.

        Raises:
            OmeflowError, RPCError: the API server or Temporal did not take it; to be looked at again.
        """
        if service in self._world.deleted:
            await self._signals.gone(service, self._world.deleted[service])
            self._world.deleted.pop(service, None)
            self._memory.pop(service, None)
        manifest = self._world.service(service)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            self._turns.leave(service)
            return
        memory = self._memory.setdefault(service, _Memory())
        attempts = self._world.attempts(manifest)
        if in_upstreams_hands(manifest) and (not attempts or _is_being_taken_over(attempts[-1])):
            self._stand_back(service, memory)
            return
        inputs = self._inputs(manifest, memory, attempts)
        seen = fingerprint(inputs)
        strategy = self._world.strategy(manifest, attempts)
        roles = strategy.role_states(service.name, self._world.live(service, strategy))
        changed, policies = memory.derived.changed(attempts, inputs, seen), self._world.policies
        following = follow(policies, manifest, attempts, fingerprint=seen, changed=changed, derived=memory.derived)
        if (memory.fingerprint, memory.policy) != (seen, following.digest):
            memory.fingerprint, memory.policy, memory.triggered = seen, following.digest, False
        await self._trigger(service, manifest, memory, attempts, changed, following)
        if attempts and not attempts[-1].status.phase.closed:
            await self._tell_roles(service, memory, roles)
            self._queue.add_later(service, seconds=AGAIN)
        facts = self._facts(service, manifest, memory, attempts, roles, inputs, following)
        if in_upstreams_hands(manifest) and _shows(manifest, CONTESTED):
            return  # told once: OME's controller writes the status, too
        if rest := await write_status(self._cluster, service, manifest, facts, memory.written):
            self._queue.add_later(service, seconds=rest)

    def _facts(
        self,
        service: Service,
        manifest: dict[str, Any],
        memory: _Memory,
        attempts: list[InferenceRollout],
        roles: dict[str, RoleState],
        inputs: Inputs,
        following: Following,
    ) -> Facts:
        plan = memory.derived.planned(attempts)
        going_on = bool(attempts) and not attempts[-1].status.phase.closed
        urls = plan.desired.urls if plan else ServiceUrls()
        return Facts(
            generation=manifest["metadata"]["generation"],
            fingerprint=following.fingerprint,
            records=attempts,
            roles=roles,
            urls=urls.with_live({role: state.url for role, state in roles.items() if state.url}),
            expected=[role for role in ROLES if with_engine(manifest["spec"]).get(role) is not None],
            virtual=plan is not None and not plan.desired.roles,
            way_in=way_in(plan.desired.exposure, self._world.shared(service), going_on=going_on) if plan else None,
            accelerators=plan.accelerators if plan else {},
            pending=memory.derived.pending(attempts, inputs, memory.fingerprint, self._world.strategies),
            available=following.available(service.namespace, service.name),
            held=memory.held,
            contested=BOTH if in_upstreams_hands(manifest) else memory.contested,
        )

    def _stand_back(self, service: Service, memory: _Memory) -> None:
        """The service is OME's until somebody takes it over; its status is OME's as well, so the log says so."""
        self._turns.leave(service)
        if not memory.stood_back:
            memory.stood_back = True
            name = f"omeflow takeover {service.name} -n {service.namespace}"
            log.info("%s/%s: made by OME's controller, left alone; `%s`", service.namespace, service.name, name)

    def _inputs(self, manifest: dict[str, Any], memory: _Memory, attempts: list[InferenceRollout]) -> Inputs:
        """What decides the service's outcome. What the cluster lacks counts only if an attempt is still to be made.

        Whoever has been carried out needed nothing that was lacking; so an idle service is never rendered here.
        """
        inputs = self._world.inputs(manifest, memory.derived.remembered(manifest, attempts))
        if attempts and attempts[-1].spec.fingerprint == fingerprint(inputs):
            return inputs
        return on_a_cluster_without(inputs, self._world.unserved(memory.derived.needs(inputs, self._world.strategies)))

    async def _trigger(
        self,
        service: Service,
        manifest: dict[str, Any],
        memory: _Memory,
        attempts: list[InferenceRollout],
        changed: Changed | None,
        following: Following,
    ) -> None:
        metadata = manifest["metadata"]
        clock = asyncio.get_running_loop().time()
        relisted = clock - memory.relisted_at >= AGAIN
        if relisted:
            memory.relisted_at, memory.triggered = clock, False
        lost = self._drift(service, manifest, attempts)
        taken = [Taken(one.what, one.by) for one in lost if one.by]
        self._weigh(service, memory, attempts, taken)
        trigger = decide(
            fingerprint=following.fingerprint,
            generation=metadata["generation"],
            records=attempts,
            changed=changed,
            policy_edit=following.edit,
            policy_mended=str(following.policy or ""),
            lost_fields=[str(one) for one in lost],
            relisted=relisted,
            upstream=in_upstreams_hands(manifest),
            contested=bool(memory.contested),
        )
        if trigger is None:
            memory.drift_since = None
        due = trigger is not None and self._is_due(service, memory, trigger)
        admitted = self._turns.admits(service, trigger, attempts, due=due)
        memory.held = "" if admitted or trigger is None else self._turns.line(trigger)
        if trigger is None or not due or not admitted:
            return
        change = Change(
            namespace=service.namespace,
            name=service.name,
            uid=metadata["uid"],
            generation=metadata["generation"],
            fingerprint=following.fingerprint,
            cause=trigger.cause,
            detail=trigger.detail,
            held=bool(following.held),
        )
        await self._signals.changed(service, change)
        memory.triggered = True
        if trigger.cause == REPAIR:
            memory.contest.repaired(taken, now=clock)

    def _weigh(self, service: Service, memory: _Memory, attempts: list[InferenceRollout], taken: list[Taken]) -> None:
        """Whether what somebody has taken is contested; an edit and a replay settle what was."""
        subject = (memory.fingerprint, attempts[-1].spec.number if attempts else 0)
        if memory.contest_of != subject:
            memory.contest_of = subject
            memory.contest.settle()
        before, memory.contested = memory.contested, memory.contest.decide(taken)
        if memory.contested and not before:
            log.warning("%s/%s: contested: %s", service.namespace, service.name, memory.contested)

    def _is_due(self, service: Service, memory: _Memory, trigger: Trigger) -> bool:
        """Whether to tell it now: a change once, a repair at a pace."""
        if trigger.cause != REPAIR:
            return not memory.triggered
        clock = asyncio.get_running_loop().time()
        if memory.drift_since is None:
            memory.drift_since = clock
        if (rest := max(memory.drift_since + DRIFT, memory.repaired_at + REPAIRS) - clock) > 0:
            self._queue.add_later(service, seconds=rest)
            return False
        memory.drift_since, memory.repaired_at = None, clock
        return True

    def _drift(self, service: Service, manifest: dict[str, Any], attempts: list[InferenceRollout]) -> list[Drift]:
        """What somebody else did to the objects of an attempt that has converged."""
        last = attempts[-1] if attempts else None
        if last is None or last.status.phase is not Phase.SUCCEEDED or not last.spec.objects:
            return []
        strategy = self._world.strategy(manifest, attempts)
        live = self._world.live(service, strategy)
        wanted = serving_after(attempts)
        return drift(
            owner=Owner(service.namespace, service.name, manifest["metadata"]["uid"]),
            strategy=strategy,
            desired=wanted.desired,
            roles=wanted.roles,
            live=live,
            shared=self._world.shared(service),
        )

    async def _tell_roles(self, service: Service, memory: _Memory, states: dict[str, RoleState]) -> None:
        """Tell the run how its roles stand, when that has changed: progress at a pace, ends and stalls at once."""
        roles = tuple(state.numbers(state.attempt) for state in states.values())
        if roles == memory.roles:
            return
        clock = asyncio.get_running_loop().time()
        edges = {n.role for n in roles if n.done or n.stuck} - {n.role for n in memory.roles if n.done or n.stuck}
        if not edges and (rest := memory.told_at + PACE - clock) > 0:
            self._queue.add_later(service, seconds=rest)
            return
        await self._signals.roles_moved(service, roles)
        memory.roles, memory.told_at = roles, clock


def _is_being_taken_over(last: InferenceRollout) -> bool:
    return last.spec.cause == TAKEOVER and not last.status.phase.closed


def _shows(manifest: dict[str, Any], kind: str) -> bool:
    """Whether the service's status has a condition of that type."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return any(condition["type"] == kind for condition in conditions)
