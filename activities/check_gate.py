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
        body = await response.content.read(LONGEST_ANSWER)
        try:
            number = number_of(response.status, body)
        except NoNumber as error:
            return GateAnswer(said=f"{gate.query} at {gate.url}: {error}")
    holds = COMPARISONS[gate.comparison](number, gate.threshold)
    is_or_not = "is" if holds else "is not"
    return GateAnswer(
        holds=holds, said=f"{gate.query} is {number:g}, which {is_or_not} {gate.comparison} {gate.threshold:g}"
    )


def number_of(status: int, body: bytes) -> float:
    """The one number in an answer of Prometheus to an instant query.

    Raises:
        NoNumber: it is an error, no series, several of them, or a value that is no number.
    """
    answer = _decoded(body)
    if answer.get("status") != "success":
        said = answer.get("error") or body[:LONGEST_WORD].decode(errors="replace") or "nothing"
        raise NoNumber(f"Prometheus answered {status}: {said}")
    data: dict[str, Any] = answer.get("data") or {}
    kind: Any = data.get("resultType")
    result: Any = data.get("result")
    if kind == "vector" and isinstance(result, list):
        if len(result) != 1:
            raise NoNumber(f"{len(result) or 'no'} series match, and one number is needed: aggregate them")
        result = result[0].get("value")
    elif kind != "scalar":
        raise NoNumber(f"the answer is a {kind}, not a number")
    try:
        number = float(result[1])
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
