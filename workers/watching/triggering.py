"""Starting or signalling a service's run: once for each change, in its turn, and repairs at a pace."""

import asyncio
import logging
from dataclasses import dataclass, field

from omeflow.api.messages import REPAIR, Change
from omeflow.rollout.contest import Contest, Taken
from omeflow.rollout.trigger import Trigger, decide
from strategies.contract import Owner
from strategies.drift import Drift, drift
from strategies.recorded import serving_after
from workers.watching.queue import Queue, Service
from workers.watching.sight import Sight
from workers.watching.signals import Signals
from workers.watching.turns import Turns
from workers.watching.world import World

log = logging.getLogger("omeflow.watcher")

SETTLES = 2.0
"""Seconds that drift must last: caches of different kinds do not show the same moment."""
REPAIRS = 60.0
"""Seconds between two repairs of one service: whoever keeps changing our fields is not to be outpaced."""
AGAIN = 600.0
"""Seconds after which a service is looked at again whose attempt is open, or still to begin. Its run may be lost, or
may have seen nothing to do, because its worker asked an API server that was behind ours."""


@dataclass(slots=True)
class Triggered:
    """What one service's run was started or signalled for, so that it is not done twice.

    Attributes:
        held: why what is due does not begin yet; empty if nothing is, or nothing holds it.
        contested: what somebody takes back after every repair, in a sentence; empty if nobody does.
    """

    held: str = ""
    contested: str = ""
    _state: tuple[str, str] = ("", "")
    """Fingerprint of the inputs, and digest of the policy."""
    _told: bool = False
    _relisted_at: float = float("-inf")
    _drift_since: float | None = None
    _repaired_at: float = float("-inf")
    _contest: Contest = field(default_factory=Contest)
    _contest_of: tuple[str, int] = ("", 0)
    """Inputs and attempt that the contest is about: what comes after them settles it."""

    def saw(self, sight: Sight, *, now: float) -> bool:
        """Note what is seen. True: an open attempt's run is to be looked for again."""
        state = sight.fingerprint, sight.following.digest
        relisted = now - self._relisted_at >= AGAIN
        if relisted:
            self._relisted_at = now
        if relisted or state != self._state:
            self._state, self._told = state, False
        return relisted

    def weigh(self, sight: Sight, taken: list[Taken]) -> None:
        """Whether what somebody has taken is contested; an edit and a replay settle what was."""
        subject = (sight.fingerprint, sight.attempts[-1].spec.number if sight.attempts else 0)
        if self._contest_of != subject:
            self._contest_of = subject
            self._contest.settle()
        before, self.contested = self.contested, self._contest.decide(taken)
        if self.contested and not before:
            log.warning("%s/%s: contested: %s", sight.service.namespace, sight.service.name, self.contested)

    def due_in(self, trigger: Trigger | None, *, now: float) -> float | None:
        """Seconds until it is to be told: a change at once, a repair at a pace; None: not at all, or told already."""
        if trigger is None:
            self._drift_since = None
            return None
        if trigger.cause != REPAIR:
            return None if self._told else 0
        if self._drift_since is None:
            self._drift_since = now
        return max(0.0, max(self._drift_since + SETTLES, self._repaired_at + REPAIRS) - now)

    def told(self, trigger: Trigger, taken: list[Taken], *, now: float) -> None:
        """Temporal has taken it: what it did not take is due again at the next look."""
        self._told = True
        if trigger.cause == REPAIR:
            self._drift_since, self._repaired_at = None, now
            self._contest.repaired(taken, now=now)


class Triggering:
    """Decides, and tells Temporal.

    Args:
        queue: where a service goes that is to be looked at again.
    """

    def __init__(self, world: World, queue: Queue[Service], signals: Signals, turns: Turns) -> None:
        self._world = world
        self._queue = queue
        self._signals = signals
        self._turns = turns

    async def trigger(self, sight: Sight, triggered: Triggered) -> None:
        """Start or signal the service's run, if there is something that it was not told."""
        now = asyncio.get_running_loop().time()
        relisted = triggered.saw(sight, now=now)
        lost = self._drift(sight)
        taken = [Taken(one.what, one.by) for one in lost if one.by]
        triggered.weigh(sight, taken)
        trigger = decide(
            fingerprint=sight.following.fingerprint,
            generation=sight.generation,
            records=sight.attempts,
            changed=sight.changed,
            policy_edit=sight.following.edit,
            policy_mended=str(sight.following.policy or ""),
            lost_fields=[str(one) for one in lost],
            relisted=relisted,
            upstream=bool(sight.upstream),
            contested=bool(triggered.contested),
        )
        rest = triggered.due_in(trigger, now=now)
        if trigger is not None:
            self._queue.add_later(sight.service, seconds=rest or AGAIN)
        due = rest == 0
        admitted = self._turns.admits(sight.service, trigger, sight.attempts, due=due)
        triggered.held = "" if admitted or trigger is None else self._turns.line(trigger)
        if trigger is not None and due and admitted:
            await self._signals.changed(sight.service, _change(sight, trigger))
            triggered.told(trigger, taken, now=now)

    def _drift(self, sight: Sight) -> list[Drift]:
        """What somebody else did to the objects of an attempt that has converged."""
        if not sight.is_converged or not sight.attempts[-1].spec.objects:
            return []
        wanted, service = serving_after(sight.attempts), sight.service
        return drift(
            owner=Owner(service.namespace, service.name, sight.uid),
            strategy=sight.strategy,
            desired=wanted.desired,
            roles=wanted.roles,
            live=sight.live,
            shared=self._world.shared(service),
        )


def _change(sight: Sight, trigger: Trigger) -> Change:
    return Change(
        namespace=sight.service.namespace,
        name=sight.service.name,
        uid=sight.uid,
        generation=sight.generation,
        fingerprint=sight.following.fingerprint,
        cause=trigger.cause,
        detail=trigger.detail,
        held=bool(sight.following.held),
    )
