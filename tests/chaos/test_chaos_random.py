"""The main job, randomised, in bad weather: it ends as wanted, and nothing happened on the way that must not.

- OMEFLOW_CHAOS_RUNS: how many runs (6); OMEFLOW_CHAOS_TOGETHER: how many at a time (3).
- OMEFLOW_CHAOS_SEED: seed of the first run. A failure names its seed: give it here, and it is run alone. The seed says
  which request meets which fault, what is edited, and next to which of the worker's writes; how long the machine takes
  for each step, and what its watches miss meanwhile, it does not.
"""

import asyncio
import os
import sys
import time
import traceback
from random import Random, randrange

import pytest
from chaos_checks import check
from chaos_scenario import Scenario
from chaos_stand import WATCHER, WORKER, Stand
from chaos_weather import Climate, Weather

from omeflow.api import kinds

SEED = os.environ.get("OMEFLOW_CHAOS_SEED")
RUNS = int(os.environ.get("OMEFLOW_CHAOS_RUNS") or (1 if SEED else 6))
TOGETHER = int(os.environ.get("OMEFLOW_CHAOS_TOGETHER") or 3)
GUSTS = (6.0, 20.0)
"""Seconds between two faults that meet every watch."""
LULL = (2.0, 6.0)
"""Seconds for which watches are silent, or miss what happens."""


@pytest.mark.timeout(120 + 60 * RUNS)
async def test_randomised_runs_end_as_wanted_with_faults_at_random_points(stand: Stand) -> None:
    first = int(SEED) if SEED else randrange(10**6)
    climate = Climate(stand, elsewhere=Weather(f"{first}", stand, chance=0.05, left=RUNS * 5))
    blowing = asyncio.create_task(_blow(stand, Random(f"{first}: gusts")))
    seeds = list(range(first, first + RUNS))
    waiting, failures = list(reversed(seeds)), {}

    async def go() -> None:
        while waiting:
            seed = waiting.pop()
            began = time.monotonic()
            story = await _run(stand, climate, seed)
            if story:
                failures[seed] = story
            took = time.monotonic() - began
            print(f"seed {seed}: {'FAILED' if story else 'passed'}, {took:.0f} s", file=sys.__stderr__, flush=True)
            if story:
                print(story, file=sys.__stderr__, flush=True)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(TOGETHER, RUNS)):
                group.create_task(go())
    finally:
        blowing.cancel()
        for proxy in stand.proxies.values():
            proxy.choose = lambda verb, incoming: None
    stand.local.check()
    assert not failures, f"{len(failures)} of {RUNS} runs failed (OMEFLOW_CHAOS_SEED={next(iter(failures))}):\n" + (
        "\n\n".join(failures.values())
    )


async def _run(stand: Stand, climate: Climate, seed: int) -> str:
    """One run; what went wrong, told with all that was done, or nothing."""
    namespace = f"chaos-{seed}"
    weather = Weather(str(seed), stand)
    try:
        async with stand.platform(namespace) as platform:
            scenario = Scenario(platform, Random(f"{seed}: edits"))
            climate.over(namespace, weather)
            try:
                await scenario.run(weather)
                await check(scenario, await scenario.converged())
            except Exception:
                return await _told(seed, scenario, weather, traceback.format_exc(limit=-3))
            finally:
                climate.clear(namespace)
        return ""
    finally:
        await stand.cluster.delete(kinds.NAMESPACE, namespace)


async def _told(seed: int, scenario: Scenario, weather: Weather, failure: str) -> str:
    records = [
        f"{one.name} {one.status.phase} {one.spec.cause} {one.spec.fingerprint[:8]} key {one.spec.key[-12:]}:"
        f" {one.status.message}"
        for one in await scenario.records()
    ]
    journal = [f"{entry.at:6.1f} {entry.kind} {entry.role} {entry.value}" for entry in scenario.journal.entries]
    parts = {"done": scenario.log, "faults": weather.log, "attempts": records, "journal": journal}
    gone = scenario.platform.departures
    parts["departures"] = [f"replaced {dict(gone.replaced)}", f"deleted twice {dict(gone.twice)}"]
    listed = "\n".join(f"  {name}:\n" + "\n".join(f"    {line}" for line in lines) for name, lines in parts.items())
    return f"seed {seed}: {failure}\n{listed}"


async def _blow(stand: Stand, random: Random) -> None:
    """Faults that concern every watch of a process."""
    while True:
        await asyncio.sleep(random.uniform(*GUSTS))
        proxy = stand.proxies[random.choice((WORKER, WATCHER, WATCHER))]
        gust = random.choice(("break", "silence", "skip"))
        if gust == "break":
            proxy.break_watches()
            continue
        with proxy.silent_watches() if gust == "silence" else proxy.skipping_watches():
            await asyncio.sleep(random.uniform(*LULL))
