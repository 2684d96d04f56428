"""check-gate against a server that answers: what holds, what does not, and what is said of it."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio.testing import ActivityEnvironment

from activities import check_gate
from activities.check_gate import CheckGate
from omeflow.api.steps import Gate, GateAnswer, GateRequest

QUERY = 'sum(rate(http_errors{service="chat"}[5m]))'


class Answers:
    """What the server says next, and what it was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.url = ""
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.path} {request.query.get('query', '')}".strip())
        response = web.StreamResponse(status=self.status, headers={"Location": "/elsewhere"})
        await response.prepare(request)
        for byte in self.body:  # as slowly as a server may
            await response.write(bytes([byte]))
        return response

    def says(self, result: Any, *, kind: str = "vector") -> None:
        self.body = orjson.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


@pytest_asyncio.fixture(loop_scope="session")
async def answers() -> AsyncIterator[Answers]:
    answers = Answers()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", answers.handle)
    async with TestServer(app) as server:
        answers.url = str(server.make_url("/")).rstrip("/")
        yield answers


async def asked(gate: Gate) -> GateAnswer:
    answer: GateAnswer = await ActivityEnvironment().run(CheckGate().run, GateRequest(gate=gate))
    return answer


async def queried(answers: Answers, comparison: str = "<", threshold: float = 0.5) -> GateAnswer:
    gate = Gate(kind="prometheus", name="errors", url=answers.url, query=QUERY, comparison=comparison)
    return await asked(gate.model_copy(update={"threshold": threshold}))


def series(*values: Any) -> list[dict[str, Any]]:
    return [{"metric": {"pod": str(number)}, "value": [1.0, value]} for number, value in enumerate(values)]


# ── http ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("status", "holds"), [(200, True), (204, True), (302, True), (400, False), (503, False)])
async def test_an_address_holds_that_answers_below_400(answers: Answers, status: int, holds: bool) -> None:
    answers.status = status
    url = f"{answers.url}/healthy"
    assert await asked(Gate(kind="http", url=url)) == GateAnswer(holds=holds, said=f"{url} answered {status}")
    assert answers.asked == ["/healthy"]


async def test_an_address_where_nobody_listens_is_named(answers: Answers, unused_tcp_port: int) -> None:
    answer = await asked(Gate(kind="http", url=f"http://127.0.0.1:{unused_tcp_port}/"))
    assert not answer.holds
    assert answer.said.startswith(f"http://127.0.0.1:{unused_tcp_port}/ cannot be asked: Cannot connect to host")


@pytest.mark.parametrize("kind", ["http", "prometheus"])
@pytest.mark.parametrize("url", ["no url", "", "http://", "ftp://checks"])
async def test_what_is_no_address_does_not_hold(url: str, kind: str) -> None:
    answer = await asked(Gate(kind=kind, url=url, comparison="<"))
    assert not answer.holds
    assert "cannot be asked" in answer.said


async def test_an_answer_that_does_not_come_is_named(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_gate, "PATIENCE", 1e-6)
    answer = await asked(Gate(kind="http", url=answers.url))
    assert (answer.holds, "has not answered within" in answer.said) == (False, True)


async def test_a_gate_of_a_later_version_does_not_hold_and_says_why() -> None:
    answer = await asked(Gate(kind="canary"))
    assert answer == GateAnswer(said="this version of omeflow knows no gate of kind canary: upgrade its workers")


# ── prometheus ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_query_is_sent_as_it_is(answers: Answers) -> None:
    answers.says(series("0.25"))
    assert await queried(answers) == GateAnswer(holds=True, said=f"{QUERY} is 0.25, which is < 0.5")
    assert answers.asked == [f"/api/v1/query {QUERY}"]


@pytest.mark.parametrize(
    ("value", "comparison", "holds"),
    [
        ("0.5", "<", False),
        ("0.5", "<=", True),
        ("0.6", ">", True),
        ("0.5", ">", False),
        ("0.5", ">=", True),
        ("0.5", "==", True),
        ("0.5", "!=", False),
        ("+Inf", ">", True),
    ],
)
async def test_a_number_is_compared(answers: Answers, value: str, comparison: str, holds: bool) -> None:
    answers.says([1.0, value], kind="scalar")
    answer = await queried(answers, comparison)
    assert answer.holds is holds
    assert answer.said.endswith(f"which is {'' if holds else 'not '}{comparison} 0.5")


@pytest.mark.parametrize(
    ("result", "kind", "said"),
    [
        ([], "vector", "no series match, and one number is needed: aggregate them"),
        (series("1", "2"), "vector", "2 series match, and one number is needed: aggregate them"),
        (series("NaN"), "vector", "the answer is NaN, which is no number"),
        (series("many"), "vector", "the answer [{'metric': {'pod': '0'}, 'value': [1.0, 'many']}] is no number"),
        ([{"metric": {}}], "vector", "the answer [{'metric': {}}] is no number"),
        (["odd"], "vector", "the answer ['odd'] is no number"),
        ([1.0, "words"], "string", "the answer is a string, not a number"),
        ([], "matrix", "the answer is a matrix, not a number"),
    ],
)
async def test_an_answer_that_is_no_number_is_said_by_name(answers: Answers, result: Any, kind: str, said: str) -> None:
    answers.says(result, kind=kind)
    assert await queried(answers) == GateAnswer(said=f"{QUERY} at {answers.url}: {said}")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"status":"error","error":"parse error: unexpected end"}', "400: parse error: unexpected end"),
        (502, b"<html>bad gateway</html>", "502: <html>bad gateway</html>"),
        (200, b"[1]", "200: [1]"),
        (200, b"", "200: nothing"),
    ],
)
async def test_an_error_of_prometheus_is_told(answers: Answers, status: int, body: bytes, said: str) -> None:
    answers.status, answers.body = status, body
    answer = await queried(answers)
    assert answer == GateAnswer(said=f"{QUERY} at {answers.url}: Prometheus answered {said}")


async def test_a_comparison_that_there_is_not_does_not_hold(answers: Answers) -> None:
    answers.says(series("0.25"))
    answer = await queried(answers, "=~")
    assert (answer.holds, answer.said) == (False, "errors: '=~' is none of <, <=, >, >=, ==, !=")
