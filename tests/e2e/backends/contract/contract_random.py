"""The random stories of the tests in memory, on a real API server.

What is done is drawn from the seed, as in memory; when it meets what, the machine decides. So a seed tells the same
deeds again, and what they meet mostly.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from clusters.backends import Backend
from contract_story import Story
from omeflow_command import omeflow
from pods_seen import is_ready
from story_attempt import Order, order_with
from story_random import RandomStory
from story_service import HPA, SERVICE, Json, Spec, counted_name

from omeflow.api.errors import NotFound
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, INFERENCE_ROLLOUT, POD
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.cli.attempts import NOTHING
from omeflow.local.processes import ManagedProcess
from omeflow.local.simulation.objects import terminating, uid_of
from omeflow.local.stages import UNPULLABLE_TAG
from strategies.recorded import inputs_of

BROKEN = f"bad:{UNPULLABLE_TAG}"
QUIET = 2.0
"""Seconds without a write after which nothing is expected to happen by itself."""
LONGEST_OUTAGE = 6.0
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that is done: the name of a method of `Deeds`, its argument, and how a person would say it."""

    name: str
    argument: Any
    said: str


class Plot(RandomStory):
    """The deeds of a seed, drawn and not done.

    Attributes:
        deeds: in their order; the service is there when they begin.
    """

    def __init__(self, seed: int) -> None:
        self.deeds: list[Deed] = []
        super().__init__(seed)

    def end(self) -> None:
        pass

    def edit(self, spec: Spec, what: str) -> None:
        self.specs.append(spec)
        self._note("ask", spec, what)

    def scale(self, role: str, count: int) -> None:
        self._note("scale", (role, count), f"scale {role} to {count}")

    def stop_controllers(self, seconds: float) -> None:
        self._note("stop", min(seconds / 10, LONGEST_OUTAGE), "controllers are down")

    def give_order(self, order: Order) -> None:
        super().give_order(order)
        self._note_policy(f"order {order}")

    def give_ratio(self, ratio: Json | None) -> None:
        super().give_ratio(ratio)
        self._note_policy(f"ratio {ratio}")

    def keep_back(self, partitions: Json) -> None:
        super().keep_back(partitions)
        self._note_policy(f"keep back {partitions}")

    def pause(self, paused: bool) -> None:
        self.omeflow.paused = paused
        self._note("hold", paused, "pause" if paused else "resume")

    def advance(self, ticks: int) -> None:
        self._note("wait", ticks, f"{ticks} writes later")

    def settle(self) -> None:
        self._note("wait", None, "when all is quiet")

    def _kill(self, role: str) -> None:
        self._note("kill", self.random.random(), "a pod is killed")

    def _bad_image(self, role: str) -> None:
        self.give_image(role, BROKEN)

    def _note_policy(self, said: str) -> None:
        of = self.omeflow
        policy = {"order": order_with(of.ratio, of.order), "ratio": of.ratio, "roles": of.limits}
        self._note("follow", {field: value for field, value in policy.items() if value}, said)

    def _note(self, name: str, argument: Any, said: str) -> None:
        self.deeds.append(Deed(name, argument, said))


@dataclass
class Deeds:
    """Does them, and brings the story to its end."""

    story: Story
    controllers: list[Backend | ManagedProcess]
    _outage: asyncio.Task[None] | None = None
    _paused: bool = False
    _policy: Json = field(default_factory=dict)

    async def do(self, deeds: list[Deed]) -> None:
        scaling = asyncio.create_task(self._keep_bounds())
        try:
            for deed in deeds:
                await getattr(self, deed.name)(deed.argument)
            await self._end()
        finally:
            scaling.cancel()
            if self._outage:
                await self._outage
        await self.story.judged()

    async def ask(self, spec: Spec) -> None:
        await self.story.ask(spec)

    async def scale(self, what: tuple[str, int]) -> None:
        """As soon as there is something to scale, or not at all."""
        role, count = what
        kind, name = counted_name(self.story.spec, role)
        found = next((obj for (one, key), obj in self.story.stream.live.items() if (one.name, key) == (kind, name)), {})
        held = (found.get("spec") or {}).get("replicas")
        if held in (None, count) or (kind.startswith("Role") and (found.get("status") or {}).get("phase") != "Bound"):
            return
        with suppress(NotFound):
            await self.story.scale(role, count)

    async def kill(self, which: float) -> None:
        pods = [pod for pod in self.story.stream.of(POD) if is_ready(pod) and not terminating(pod)]
        if pods:
            pod = pods[int(which * len(pods))]
            self.story.killed.add(uid_of(pod))
            with suppress(NotFound):
                await self.story.cluster.delete(POD, pod["metadata"]["name"], self.story.namespace, uid=uid_of(pod))

    async def follow(self, policy: Json) -> None:
        self._policy = policy
        await self.story.follow(policy)

    async def hold(self, held: bool) -> None:
        """Pause, if a rollout is under way; resume, if something is paused."""
        if held:
            self._paused = await self._asked("pause") or self._paused
        elif self._paused:
            await self._asked("resume")
            self._paused = False

    async def _asked(self, verb: str) -> bool:
        """Whether there was something to do."""
        of = ("rollout", verb, SERVICE, "--namespace", self.story.namespace)
        code, said = await omeflow(self.story.settings, *of)
        assert code in (0, NOTHING), said
        return bool(code == 0)

    async def stop(self, seconds: float) -> None:
        if self._outage is None or self._outage.done():
            self._outage = asyncio.create_task(self._be_down(seconds))

    async def wait(self, writes: int | None) -> None:
        """Until so many things more are written, or nothing is any more."""
        seen, stream = self.story.stream.count, self.story.stream
        while writes is None or stream.count < seen + writes:
            before = stream.count
            with suppress(AssertionError):
                await stream.until(lambda before=before: stream.count > before, what="a write", seconds=QUIET)
            if stream.count == before:
                return

    async def _be_down(self, seconds: float) -> None:
        for controller in self.controllers:
            await controller.stop()
        await asyncio.sleep(seconds)
        for controller in self.controllers:
            await controller.start()

    async def _keep_bounds(self) -> None:
        """What HorizontalPodAutoscalers do: this cluster has no controller of theirs."""
        stream = self.story.stream
        while True:
            seen = stream.count
            for scaler in stream.of(HORIZONTAL_POD_AUTOSCALER) if self.story.spec.scaled_by == HPA else []:
                target, bounds = scaler["spec"]["scaleTargetRef"], scaler["spec"]
                role = target["name"].rpartition("-")[2]
                at = {(one.name, key): obj for (one, key), obj in stream.live.items()}
                count = (at.get((target["kind"], target["name"])) or {}).get("spec", {}).get("replicas")
                if count and role in self.story.spec.roles:
                    least, most = bounds["minReplicas"], bounds["maxReplicas"]
                    if not least <= count <= most:
                        await self.scale((role, min(max(count, least), most)))
            with suppress(AssertionError):
                await stream.until(lambda seen=seen: stream.count > seen, what="a write", seconds=PATIENCE)

    async def _end(self) -> None:
        """Every fault is mended; then it has to be as the user wanted it last."""
        story = self.story
        if self._outage:
            await self._outage
        await self.hold(False)
        await self.follow({part: said for part, said in self._policy.items() if part != "roles"})
        spec = story.spec
        for name, role in spec.roles.items():
            if role.image == BROKEN:
                spec = spec.edited(name, image="mended")
        await story.ask(spec)
        await story.stream.until(self._is_as_wanted, what="what the user wanted last", seconds=PATIENCE)
        await self.wait(None)
        assert self._is_as_wanted()

    def _is_as_wanted(self) -> bool:
        found = [InferenceRollout.model_validate(one) for one in self.story.stream.of(INFERENCE_ROLLOUT)]
        last = max(found, key=lambda one: one.spec.number)
        asked = inputs_of(last).service.spec == self.story.asked[-1][0]
        return asked and last.status.phase is Phase.SUCCEEDED and last.spec.plan is not None
