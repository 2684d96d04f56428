"""One randomised run of the main job: a prefill/decode/router service comes up and is edited, in any weather.

What is done is drawn before it begins, and when: right before or after one of the next writes of the worker, after as
many more events, or when all has converged. So edits meet rollouts at every point.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

from chaos_stand import ChaosPlatform
from chaos_weather import Weather
from platform_under_test import example
from temporalio.client import WorkflowExecutionStatus

from activities.reading import read_inputs
from omeflow.api import kinds
from omeflow.api.errors import Conflict
from omeflow.api.kinds import INFERENCE_ROLLOUT
from omeflow.api.names import DECODER, ENGINE, GROUP_NAME, ROLE_NAME, ROUTER
from omeflow.api.rollouts import InferenceRollout
from omeflow.cli.journal import Journal
from omeflow.components.inputs import Inputs, fingerprint
from strategies.manager import default_manager
from strategies.pods import is_ready, is_terminating

Manifest = dict[str, Any]
SERVICE = "chat"
ROLES = (ENGINE, DECODER, ROUTER)
CONTAINER = {ENGINE: "ome-container", DECODER: "ome-container", ROUTER: "router"}
EDITS = (3, 5)
"""Fewest and most."""
WRITES = 20
"""About as many as the worker makes to create a service; an edit takes half of them."""
PATIENCE = 600.0
"""Seconds until everything has to have converged: a lost signal costs half a minute, a dead worker ten seconds, and a
machine that others use as well several times that."""
LOOK = 1.0
MANAGER = default_manager()


class NotConverged(AssertionError):
    pass


@dataclass
class Scenario:
    """A run, and what it did, for the checks.

    Attributes:
        counts: per role, every count that may be seen, in order.
        templates: roles whose template was edited; recreated: those whose pods the edit replaces.
        pods: per role, pods that were asked for, and one for each that was killed.
        log: what was done.
    """

    platform: ChaosPlatform
    random: Random
    counts: dict[str, list[int]] = field(default_factory=dict)
    templates: set[str] = field(default_factory=set)
    recreated: set[str] = field(default_factory=set)
    pods: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        return self.platform.journals[SERVICE]

    async def run(self, weather: Weather) -> None:
        """Create and edit the service; returns when all has converged.

        Args:
            weather: makes a write of the worker stand still while something is done.

        Raises:
            NotConverged: it has not; says what is missing.
        """
        self._editable = sorted(self.random.sample(ROLES, k=2))  # pods of the third one must live through it all
        actions: list[Callable[[], Awaitable[str]]] = [self._image, self._image, self._environment, self._revert]
        actions += [self._bounds_edit, self._scale, self._kill_pod]
        script = self.random.choices(actions, k=self.random.randint(*EDITS))
        await self.create()
        for action in script:
            async with self._moment(weather):
                self.log.append(await action())
        await self.converged()

    async def create(self) -> None:
        manifest = example("prefill-decode-router")
        self._bounds = {role: [manifest["spec"][role][f"{end}Replicas"] for end in ("min", "max")] for role in ROLES}
        self.counts = {role: [self._bounds[role][0]] for role in ROLES}
        self.pods = {role: self._bounds[role][0] for role in ROLES}
        self._runners: list[dict[str, Manifest]] = [{}]
        await self.platform.create(manifest)

    async def give_image(self, roles: list[str], image: str) -> str:
        return await self._give(roles, lambda runner: {**runner, "image": image}, what=image)

    async def converged(self) -> Inputs:
        """Wait until the last attempt has succeeded with the present inputs, no run is open, and the service says so.

        Returns:
            the inputs that it has converged on.
        """
        missing: Exception = NotConverged("a look")
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        return await self._look()
                    except NotConverged as error:
                        missing = error
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            raise missing from None

    async def _look(self) -> Inputs:
        """One look, which asks for more only as long as all is as it should be.

        Raises:
            NotConverged: says what is missing.
        """
        service = await self.platform.service(SERVICE)
        status = service.get("status") or {}
        if status.get("observedGeneration") != service["metadata"]["generation"]:
            raise NotConverged(f"observedGeneration {service['metadata']['generation']}, not {status}")
        conditions = {one["type"]: one for one in status.get("conditions") or []}
        for kind in ("Ready", "RolledOut"):
            if conditions.get(kind, {}).get("status") != "True":
                raise NotConverged(f"{kind} in the status: {conditions.get(kind)}")
        records = await self.records()
        last = records[-1]
        if still := [f"{one.name} {one.status.phase}" for one in records if not one.status.phase.closed]:
            raise NotConverged(f"the end of {', '.join(still)}")
        if last.status.phase != "Succeeded":
            raise NotConverged(f"success; {last.name} is {last.status.phase}: {last.status.message}")
        inputs = await read_inputs(self.platform.cluster, MANAGER, service)
        if last.spec.fingerprint != fingerprint(inputs):
            raise NotConverged(f"an attempt with the present inputs, after {last.name}")
        if await self.platform.run_status(SERVICE) is WorkflowExecutionStatus.RUNNING:
            raise NotConverged("the end of the run")
        stored, there, ready = await self._counts()
        for role, counts in self.counts.items():
            if not stored.get(role) == there[role] == ready[role] == counts[-1]:
                found = f"{stored.get(role)} are asked for, {there[role]} are there, {ready[role]} are ready"
                raise NotConverged(f"{counts[-1]} pods of {role}: {found}")
        return inputs

    async def _counts(self) -> tuple[dict[str, int], Counter[str], Counter[str]]:
        """By role: the count that the group has, the pods that are there, and those that are ready and stay."""
        group = await self.platform.group(SERVICE)
        pods = await self.live_pods()
        there = Counter(pod["metadata"]["labels"][ROLE_NAME] for pod in pods)
        ready = Counter(
            pod["metadata"]["labels"][ROLE_NAME] for pod in pods if is_ready(pod) and not is_terminating(pod)
        )
        return {role["name"]: role["replicas"] for role in group["spec"]["roles"]}, there, ready

    async def live_pods(self) -> list[Manifest]:
        return await self.platform.cluster.list(
            kinds.POD, self.platform.namespace, label_selector=f"{GROUP_NAME}={SERVICE}"
        )

    async def records(self) -> list[InferenceRollout]:
        found = await self.platform.cluster.list(INFERENCE_ROLLOUT, self.platform.namespace)
        records = [InferenceRollout.model_validate(manifest) for manifest in found]
        return sorted(records, key=lambda record: record.spec.number)

    # ── what may be done ────────────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _moment(self, weather: Weather) -> AsyncIterator[None]:
        """The moment at which the next thing is done: anywhere between nothing at all and everything."""
        draw = self.random.random()
        if draw < 0.5:
            held = weather.hold(self.random.randint(1, WRITES), acted=self.random.random() < 0.5)
            await _first_of(held.reached.wait(), self.converged())
            try:
                yield
            finally:
                held.let_go.set()
            return
        await (self.converged() if draw < 0.7 else self._some_more_events())
        yield

    async def _some_more_events(self) -> None:
        wanted = len(self.journal.entries) + self.random.randint(0, 12)

        def enough() -> bool:
            return len(self.journal.entries) >= wanted or self._calm()

        await self.journal.until(enough, what="anything to happen", seconds=PATIENCE)

    def _calm(self) -> bool:
        """Whether nothing more is going to be shown: the last attempt known has its end."""
        phases = self.journal.of("phase")
        return bool(phases) and phases[-1].value in ("Succeeded", "Failed")

    async def _image(self) -> str:
        image = f"registry.example/sglang:0.5.{self.random.randint(0, 99)}"
        return await self.give_image(self._some(), image)

    async def _environment(self) -> str:
        level = [{"name": "LOG_LEVEL", "value": self.random.choice(["debug", "info", "error"])}]
        roles = self._some()
        self.recreated |= set(roles)
        return await self._give(roles, lambda runner: {**runner, "env": level}, what=str(level))

    async def _revert(self) -> str:
        """Back to any runners that the service had before."""
        return await self._set(deepcopy(self.random.choice(self._runners)), what="reverted to former runners")

    async def _bounds_edit(self) -> str:
        """Another maximum, or a minimum above the count, which the scaler then follows."""
        role = self.random.choice(self._editable)
        bounds = self._bounds[role]
        if self.random.random() < 0.5:
            bounds[1] += 1
            await self.platform.edit(SERVICE, {"spec": {role: {"maxReplicas": bounds[1]}}})
            return f"{role}: maxReplicas {bounds[1]}"
        bounds[0] = min(bounds[0] + 1, bounds[1])
        await self.platform.edit(SERVICE, {"spec": {role: {"minReplicas": bounds[0]}}})
        if self.counts[role][-1] < bounds[0]:
            await self._write_count(role, bounds[0])
        return f"{role}: minReplicas {bounds[0]}"

    async def _scale(self) -> str:
        role = self.random.choice(self._editable)
        count = self.random.randint(*self._bounds[role])
        await self._write_count(role, count)
        return f"{role}: scaled to {count}"

    async def _write_count(self, role: str, count: int) -> None:
        """As an autoscaler does, once there is something to scale."""
        adapter = f"{SERVICE}-{role}"
        async with asyncio.timeout(PATIENCE):
            await self._observed(adapter)
        self.pods[role] += max(0, count - self.counts[role][-1])
        self.counts[role].append(count)
        await self.platform.cluster.scale(
            kinds.SCALING_ADAPTER, adapter, self.platform.namespace, count, manager="scaler"
        )

    async def _observed(self, adapter: str) -> None:
        while True:
            found = await self.platform.cluster.find(kinds.SCALING_ADAPTER, adapter, self.platform.namespace)
            if found and found.get("status"):
                return
            await asyncio.sleep(LOOK)

    async def _kill_pod(self) -> str:
        role = self.random.choice(self._editable)
        pods = {pod["metadata"]["name"]: pod for pod in await self.live_pods() if _is_alive(pod, role)}
        if not pods:
            return f"{role} had no pod to kill"
        name = self.random.choice(sorted(pods))
        uid = pods[name]["metadata"]["uid"]
        self.platform.departures.killed.add(uid)
        self.pods[role] += 1
        try:
            await self.platform.cluster.delete(kinds.POD, name, self.platform.namespace, uid=uid)
        except Conflict:
            return f"pod {name} was replaced before it could be killed"
        return f"killed pod {name}"

    def _some(self) -> list[str]:
        return self.random.sample(self._editable, k=self.random.randint(1, len(self._editable)))

    async def _give(self, roles: list[str], runner: Callable[[Manifest], Manifest], *, what: str) -> str:
        runners = deepcopy(self._runners[-1])
        for role in roles:
            runners[role] = runner(runners.get(role, {}))
        return await self._set(runners, what=f"{', '.join(roles)}: {what}")

    async def _set(self, runners: dict[str, Manifest], *, what: str) -> str:
        former = self._runners[-1]
        touched = [role for role in ROLES if runners.get(role) != former.get(role)]
        self.templates |= set(touched)
        self.recreated |= {r for r in touched if (runners.get(r) or {}).get("env") != (former.get(r) or {}).get("env")}
        patch = {role: {"runner": _runner(role, runners.get(role))} for role in touched}
        self._runners.append(runners)
        await self.platform.edit(SERVICE, {"spec": patch})
        return what


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of them is over; what it raises is raised, the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def _is_alive(pod: Manifest, role: str) -> bool:
    return pod["metadata"]["labels"][ROLE_NAME] == role and not is_terminating(pod)


def _runner(role: str, wanted: Manifest | None) -> Manifest | None:
    """The runner as a merge patch; None takes it out."""
    return {"name": CONTAINER[role], "image": None, "env": None, **wanted} if wanted else None
