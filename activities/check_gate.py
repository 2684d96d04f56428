"""check-gate: whether an address answers, or a query's number is as it should be. One look; the run decides when to.

What cannot be asked does not hold, for a reason that is told: the rollout waits, and nothing fails.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from temporalio import activity

from omeflow.api.steps import CHECK_GATE, HTTP, PROMETHEUS, Gate, GateAnswer, GateRequest

PATIENCE = 10.0
"""Seconds that an answer may take."""
LONGEST_ANSWER = 1_000_000
"""Bytes of an answer that are read: one number is asked for."""
LONGEST_WORD = 80
"""Characters of somebody else's answer that are repeated."""
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class NoNumber(Exception):
    """What Prometheus answered is not one number; the message says what it is."""


@dataclass(frozen=True, slots=True)
class CheckGate:
    @activity.defn(name=CHECK_GATE.name)
    async def run(self, request: GateRequest) -> GateAnswer:
        gate = request.gate
        check = {HTTP: _http, PROMETHEUS: _prometheus}.get(gate.kind)
        if check is None:
            return GateAnswer(said=f"this version of omeflow knows no gate of kind {gate.kind}: upgrade its workers")
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
                return await check(session, gate)
        except TimeoutError:
            return GateAnswer(said=f"{gate.url} has not answered within {PATIENCE:.0f} s")
        except (aiohttp.InvalidURL, ValueError) as error:
            return GateAnswer(said=f"{gate.url} cannot be asked: it is no URL ({error})")
        except aiohttp.ClientError as error:
            return GateAnswer(said=f"{gate.url} cannot be asked: {error}")


async def _http(session: aiohttp.ClientSession, gate: Gate) -> GateAnswer:
    async with session.get(gate.url, allow_redirects=False) as response:
        return GateAnswer(holds=response.status < 400, said=f"{gate.url} answered {response.status}")


async def _prometheus(session: aiohttp.ClientSession, gate: Gate) -> GateAnswer:
    url = f"{gate.url.rstrip('/')}/api/v1/query"
    async with session.get(url, params={"query": gate.query}, allow_redirects=False) as response:
        body = await _read(response)
    compare = COMPARISONS.get(gate.comparison)
    if compare is None:
        return GateAnswer(said=f"{gate.name}: {gate.comparison!r} is none of {', '.join(COMPARISONS)}")
    try:
        number = number_of(response.status, body)
    except NoNumber as error:
        return GateAnswer(said=f"{gate.query} at {gate.url}: {error}")
    holds = compare(number, gate.threshold)
    verdict = f"which is {'' if holds else 'not '}{gate.comparison} {gate.threshold:g}"
    return GateAnswer(holds=holds, said=f"{gate.query} is {number:g}, {verdict}")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """All of an answer, up to what one number may take."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            break
    return bytes(body)


def number_of(status: int, body: bytes) -> float:
    """The one number in an answer of Prometheus to an instant query.

    Raises:
        NoNumber: it is an error, no series, several of them, or a value that is no number.
    """
    answer = _decoded(body)
    if answer.get("status") != "success":
        said = answer.get("error") or body[:LONGEST_WORD].decode(errors="replace") or "nothing"
        raise NoNumber(f"Prometheus answered {status}: {said}")
    data = answer.get("data")
    told: dict[str, Any] = data if isinstance(data, dict) else {}
    kind, result = told.get("resultType"), told.get("result")
    if kind == "vector" and isinstance(result, list) and len(result) != 1:
        raise NoNumber(f"{len(result) or 'no'} series match, and one number is needed: aggregate them")
    if kind not in ("vector", "scalar"):
        raise NoNumber(f"the answer is a {kind or 'text'}, not a number")
    try:
        sample: Any = result
        number = float(sample[0]["value"][1] if kind == "vector" else sample[1])
    except (TypeError, ValueError, IndexError, KeyError):
        raise NoNumber(f"the answer {str(result)[:LONGEST_WORD]} is no number") from None
    if math.isnan(number):
        raise NoNumber("the answer is NaN, which is no number")
    return number


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
