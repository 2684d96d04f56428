"""Which request meets which fault: random, and yet the same for the same seed.

The n-th request of a verb for a path draws from a generator of its own, so that the order in which concurrent requests
arrive decides nothing. A write can be made to stand still, so that an edit comes right before or after it on every
machine.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from aiohttp import web
from chaos_stand import WATCHER, WORKER, Stand
from faults import EXPIRED, Fault, FaultProxy, acted, events, refuse, reset, silence, slowly

NAMESPACE = re.compile(r"/namespaces/([^/]+)/")
PATIENT = 1.5
"""Seconds of a slow answer; the client waits for ten."""
LIVES = 1
"""How often one service's weather kills each process."""
WRITES = ("create", "patch", "delete")
STILL = 5.0
"""Seconds for which a write stands still at most; the client waits for ten."""


@dataclass
class Held:
    """A write of the worker that stands still before or after the server acts, once it is reached, until let go.

    Attributes:
        left: writes until then, this one included.
        acted: whether the server acts before.
    """

    left: int
    acted: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def fault(self, proxy: FaultProxy) -> Fault:
        async def fault(incoming: web.Request) -> web.StreamResponse:
            answer = await proxy.forward(incoming) if self.acted else None
            self.reached.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STILL):
                    await self.let_go.wait()
            return answer or await proxy.forward(incoming)

        return fault


@dataclass
class Weather:
    """Faults for the requests of one service, or (of the watcher) for those of no service in particular.

    Attributes:
        chance: that a request meets a fault.
        left: faults still to come; after them the sky is clear.
        log: what was done, for the one who has to understand a failing seed.
    """

    seed: str
    stand: Stand
    chance: float = 0.12
    left: int = 15
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._held: Held | None = None
        self._asked: Counter[str] = Counter()
        self._killed: Counter[str] = Counter()

    def hold(self, write: int, *, acted: bool) -> Held:
        """Let the worker's `write`-th write from now on stand still."""
        self._held = Held(write, acted)
        return self._held

    def choose(self, who: str, verb: str, incoming: web.Request) -> Fault | None:
        request = f"{who} {verb} {NAMESPACE.sub('/', incoming.path)}"
        self._asked[request] += 1
        if who == WORKER and verb in WRITES and (held := self._its_turn()):
            self.log.append(f"edited {'after' if held.acted else 'before'}: {request} no. {self._asked[request]}")
            return held.fault(self.stand.proxies[who])
        draw = Random(f"{self.seed}: {request} {self._asked[request]}")
        if not self.left or draw.random() > self.chance:
            return None
        faults = self._faults(who, verb)
        name = draw.choice([name for name, (weight, _) in faults.items() for _ in range(weight)])
        if "kill" in name:
            if self._killed[who] >= LIVES:
                return None
            self._killed[who] += 1
        self.left -= 1
        self.log.append(f"{name}: {request} no. {self._asked[request]}")
        return faults[name][1]

    def _its_turn(self) -> Held | None:
        held = self._held
        if held is None or held.let_go.is_set():
            return None
        held.left -= 1
        if held.left:
            return None
        self._held = None
        return held

    def _faults(self, who: str, verb: str) -> dict[str, tuple[int, Fault]]:
        """By name: weight and fault."""
        proxy = self.stand.proxies[who]
        if verb == "watch":
            return {"410": (1, events(EXPIRED)), "reset": (1, reset), "500": (1, refuse(500)), "end": (1, events())}
        faults = {
            "429": (2, refuse(429, headers={"Retry-After": "1"})),
            "500": (2, refuse(500)),
            "503": (1, refuse(503)),
            "503 and a pause": (1, refuse(503, headers={"Retry-After": "1"})),
            "reset": (2, reset),
            "slow": (2, slowly(proxy.forward, seconds=PATIENT)),
        }
        if verb == "list":
            return {**faults, "410": (2, refuse(410))}
        if verb == "get":
            return faults
        return {
            **faults,
            "409": (2, refuse(409)),
            "reset after it acted": (5, acted(proxy)),
            "500 after it acted": (2, acted(proxy, refuse(500))),
            "no answer after it acted": (1, acted(proxy, silence)),
            "kill before it acted": (1, self.stand.kill(who)),
            "kill after it acted": (3, acted(proxy, self.stand.kill(who))),
        }


class Climate:
    """The weather of every namespace, as the proxies ask for it."""

    def __init__(self, stand: Stand, *, elsewhere: Weather) -> None:
        self._elsewhere = elsewhere
        self._weather: dict[str, Weather] = {}
        for name in (WORKER, WATCHER):
            stand.proxies[name].choose = self._choosing(name)

    def over(self, namespace: str, weather: Weather) -> None:
        self._weather[namespace] = weather

    def clear(self, namespace: str) -> None:
        self._weather.pop(namespace, None)

    def _choosing(self, who: str) -> Callable[[str, web.Request], Fault | None]:
        def choose(verb: str, incoming: web.Request) -> Fault | None:
            found = NAMESPACE.search(incoming.path)
            weather = self._weather.get(found[1]) if found else self._elsewhere
            return weather.choose(who, verb, incoming) if weather else None

        return choose
