"""The kind of an error decides what the caller does about it (design rule 9)."""

from typing import Any

import pytest

from omeflow.api import errors
from omeflow.api.errors import OmeflowError, Retryable, Terminal, Waiting, from_response

CONFLICT = {"reason": "FieldManagerConflict", "message": 'conflict with "hpa" using autoscaling/v2', "field": ".spec.a"}


def refused(status: int, message: str | None = "no", causes: list[dict[str, str]] | None = None) -> OmeflowError:
    body: dict[str, Any] = {"message": message} if message else {}
    if causes is not None:
        body["details"] = {"causes": causes}
    return from_response(status, body, request="apply", subject="RoleBasedGroup serving/chat", retry_after=3)


@pytest.mark.parametrize(
    ("status", "message", "expected", "kind"),
    [
        (400, "bad", errors.Invalid, Terminal),
        (422, "spec.x: Required value", errors.Invalid, Terminal),
        (405, "method not allowed", errors.Invalid, Terminal),
        (413, "too large", errors.Invalid, Terminal),
        (415, "unsupported media type", errors.Invalid, Terminal),
        (401, "Unauthorized", errors.Forbidden, Terminal),
        (403, "may not patch", errors.Forbidden, Terminal),
        (403, 'pods "a" is forbidden: exceeded quota: gpus', Waiting, Waiting),
        (404, "not found", errors.NotFound, Terminal),
        (409, "the object has been modified", errors.Conflict, Retryable),
        (409, "already exists", errors.Conflict, Retryable),
        (408, "timeout", errors.Unavailable, Retryable),
        (410, "too old", errors.Expired, Retryable),
        (429, "slow down", errors.Throttled, Retryable),
        (500, "leader changed", errors.Unavailable, Retryable),
        (500, "failed to create typed patch object: .spec.dta: field not declared", errors.Invalid, Terminal),
        (500, "failed to create typed live object: expected string", errors.Invalid, Terminal),
        (502, None, errors.Unavailable, Retryable),
        (503, "unavailable", errors.Unavailable, Retryable),
        (504, "gateway", errors.Unavailable, Retryable),
    ],
)
def test_what_a_status_means(
    status: int, message: str | None, expected: type[OmeflowError], kind: type[OmeflowError]
) -> None:
    error = refused(status, message)
    assert type(error) is expected
    assert isinstance(error, kind)
    assert str(error).startswith(f"apply RoleBasedGroup serving/chat: {message or f'HTTP {status}'}")


@pytest.mark.parametrize("status", [408, 410, 429, 500, 503])
def test_a_server_that_says_when_to_come_back_is_heard(status: int) -> None:
    error = refused(status)
    assert isinstance(error, Retryable)
    assert error.retry_after == 3


def test_a_conflict_names_every_owner_with_its_fields() -> None:
    causes = [
        CONFLICT,
        {**CONFLICT, "field": ".spec.b"},
        {**CONFLICT, "message": 'conflict with "kubectl-edit"', "field": ".spec.c"},
        {"reason": "SomethingElse", "field": ".spec.d"},
    ]
    error = refused(409, causes=causes)
    assert isinstance(error, errors.FieldOwned)
    assert error.fields == {"hpa": [".spec.a", ".spec.b"], "kubectl-edit": [".spec.c"]}


def test_an_owner_that_cannot_be_read_is_quoted() -> None:
    error = refused(409, causes=[{"reason": "FieldManagerConflict", "message": "conflict", "field": ".spec.a"}])
    assert isinstance(error, errors.FieldOwned)
    assert error.fields == {"conflict": [".spec.a"]}


def test_a_missing_permission_comes_with_its_remedy() -> None:
    assert str(refused(403, "may not patch")).endswith("grant omeflow's ServiceAccount that verb")


@pytest.mark.parametrize("body", [{}, {"details": None}, {"details": {"causes": None}}])
def test_a_body_without_details_is_no_obstacle(body: dict[str, Any]) -> None:
    assert type(from_response(409, body, request="apply", subject="x")) is errors.Conflict


def test_every_error_has_exactly_one_of_the_three_kinds() -> None:
    leaves = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, OmeflowError)]
    for error in leaves:
        kinds = [kind for kind in (Retryable, Terminal, Waiting) if issubclass(error, kind)]
        assert error is OmeflowError or len(kinds) == 1, error
