"""Everything that can go wrong, sorted by what the caller may do about it (design rule 9).

OmeflowError
├── Retryable            the cluster may recover: try again
│   ├── Conflict         somebody else wrote in between (409)
│   │   └── FieldOwned   another field manager owns a field that we apply without force (409)
│   ├── Throttled        429; carries the server's Retry-After
│   └── Unavailable      5xx, time-out, connection lost
│       └── Expired      a resourceVersion or a page's token is too old (410): list again
├── Terminal             the input must change: names object, field, and what to do
│   ├── Invalid          the object's content is refused (400, 422), or cannot be rendered
│   │   ├── BaseModelNotReady     the model is disabled
│   │   ├── NoSupportingRuntime   no runtime, or not the one that is named, supports the model
│   │   ├── RuntimeDisabled       the runtime is disabled
│   │   └── PolicyRefused         the rollout policy asks for what the backend cannot keep
│   ├── NotFound         a named object does not exist (404)
│   │   ├── BaseModelNotFound     there is no model of that name
│   │   ├── RuntimeNotRecognized  there is no runtime of that name
│   │   └── PolicyNotFound        the service names a rollout policy that there is not
│   ├── Forbidden        omeflow may not do that (401, 403)
│   ├── NotServed        the cluster does not serve a kind
│   ├── ForeignObject    an object of that name belongs to somebody else
│   ├── ServiceGone      the InferenceService has been deleted; nothing is left to do
│   └── Outdated         a newer attempt has taken over; nothing is left to do
└── Waiting              nothing is wrong yet: quota, capacity, approval, another controller

`type(error).__name__` is the failure type that Temporal, the attempt record and status show. Those of models and
runtimes have the names that OME's `status.modelStatus.lastFailureInfo.reason` allows (ome.md 1.1).
"""

import re
from typing import Any

_OWNER = re.compile(r'conflict with "([^"]*)"')
_NOT_DECLARED = re.compile(r"failed to create typed (patch|live) object")
"""What server-side apply answers, with status 500, to a field that the schema does not have, or a wrong type."""


class OmeflowError(Exception):
    """Base of all. The message is one sentence that names the object, the field and the remedy."""


class Retryable(OmeflowError):
    """The cluster may recover.

    Attributes:
        retry_after: seconds that the server asks to wait; None if it does not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(Retryable):
    pass


class FieldOwned(Conflict):
    """Attributes: fields, as the server writes them (`.spec.roles[name="engine"].replicas`), by owning manager."""

    def __init__(self, message: str, *, fields: dict[str, list[str]]) -> None:
        super().__init__(message)
        self.fields = fields


class Throttled(Retryable):
    pass


class Unavailable(Retryable):
    pass


class Expired(Unavailable):
    pass


class Terminal(OmeflowError):
    pass


class Invalid(Terminal):
    pass


class BaseModelNotReady(Invalid):
    pass


class NoSupportingRuntime(Invalid):
    pass


class RuntimeDisabled(Invalid):
    pass


class PolicyRefused(Invalid):
    pass


class NotFound(Terminal):
    pass


class BaseModelNotFound(NotFound):
    pass


class RuntimeNotRecognized(NotFound):
    pass


class PolicyNotFound(NotFound):
    pass


class Forbidden(Terminal):
    pass


class NotServed(Terminal):
    pass


class ForeignObject(Terminal):
    pass


class ServiceGone(Terminal):
    pass


class Outdated(Terminal):
    pass


class Waiting(OmeflowError):
    pass


def from_response(
    status: int, body: dict[str, Any], *, request: str, subject: str, retry_after: float | None = None
) -> OmeflowError:
    """The error of a response of the API server.

    Args:
        status: HTTP status, 400 or above.
        body: the decoded `Status` object, or `{}`.
        request: what was asked, for messages: `apply`.
        subject: what it was asked of, as `kinds.title` writes it.
        retry_after: the Retry-After header in seconds.
    """
    details = body.get("details") or {}
    causes = details.get("causes") or []
    said = body.get("message") or f"HTTP {status}"
    message = f"{request} {subject}: {said}"
    if status == 409:
        fields: dict[str, list[str]] = {}
        for cause in causes:
            if cause.get("reason") == "FieldManagerConflict":
                said_of = cause.get("message", "")  # conflict with "kubectl" using apps/v1
                owner = _OWNER.search(said_of)
                fields.setdefault(owner[1] if owner else said_of, []).append(cause.get("field", ""))
        return FieldOwned(message, fields=fields) if fields else Conflict(message)
    if status == 429:
        return Throttled(message, retry_after=retry_after)
    if status == 410:
        return Expired(message, retry_after=retry_after)
    if status == 500 and _NOT_DECLARED.search(said):
        return Invalid(message)
    if status == 408 or status >= 500:
        return Unavailable(message, retry_after=retry_after)
    if status == 404:
        return NotFound(message)
    if status == 403 and "exceeded quota" in said:
        return Waiting(message)
    if status in (401, 403):
        return Forbidden(f"{message}; grant omeflow's ServiceAccount that verb")
    return Invalid(message)
