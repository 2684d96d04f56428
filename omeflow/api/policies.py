"""RolloutPolicy: how the changes of a service are rolled out (design section 7).

The typed form of the custom resource in `crds/rolloutpolicies.yaml`, which says what the fields mean. People write it;
whoever plans reads it; of it, only the watcher writes anything, its status. What is stored may be newer than this code:
a field that is unknown here is ignored, a value that is cannot be read.
"""

import hashlib
import re
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from omeflow.api.errors import PolicyRefused

DEFAULT = "default"
"""Name of the policy of all services of its namespace that name no other."""
LONGEST = 8760 * 3600
"""Seconds of the longest duration, a year."""
_GATES = ("approval", "soak", "http", "prometheus")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def seconds(text: Any) -> int:
    """Seconds of a duration such as `1h30m`.

    Raises:
        ValueError: it is none, or shorter than a second, or longer than a year.
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    hours, minutes, rest = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + rest
    if not 0 < total <= LONGEST:
        raise ValueError(f"{text!r} is no duration between 1s and 8760h")
    return total


Seconds = Annotated[int, BeforeValidator(seconds)]


class OnFailure(StrEnum):
    PAUSE = "Pause"
    ROLLBACK = "Rollback"


class RuntimeUpdates(StrEnum):
    AUTO = "Auto"
    MANUAL = "Manual"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Approval(_Part):
    pass


class Soak(_Part):
    duration: Seconds


class HttpCheck(_Part):
    url: str
    interval: Seconds = 30
    deadline: Seconds = 3600


class PrometheusCheck(HttpCheck):
    query: str
    comparison: Literal["<", "<=", ">", ">=", "==", "!="]
    threshold: float


class PolicyGate(_Part):
    """What has to hold behind the last stage that updates any of `after`: exactly one of the four."""

    after: list[str]
    approval: Approval | None = None
    soak: Soak | None = None
    http: HttpCheck | None = None
    prometheus: PrometheusCheck | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if len(self._kinds()) != 1:
            raise ValueError(f"one of {', '.join(_GATES)}, and nothing else")
        return self

    @property
    def kind(self) -> str:
        """approval, soak, http or prometheus."""
        return self._kinds()[0]

    def _kinds(self) -> list[str]:
        return [kind for kind in _GATES if getattr(self, kind) is not None]


class Ratio(_Part):
    """For so many pods of one role so many of another; `max_skew` in percent of a role's pods."""

    roles: dict[str, int]
    max_skew: int


class PolicySpec(_Part):
    """Without a value: what is built in. Durations are seconds here."""

    order: list[list[str]] | None = None
    gates: list[PolicyGate] = Field(default_factory=list)
    ratio: Ratio | None = None
    deadline: Seconds = 3600
    on_failure: OnFailure = OnFailure.PAUSE
    capacity_check: bool = False
    runtime_updates: RuntimeUpdates = RuntimeUpdates.AUTO


class Policy(BaseModel):
    """The policy that a service follows; without a name, the built-in one.

    Attributes:
        digest: of what the policy says; equal digests plan alike.
        said: the spec as its author wrote it, so that a later edit can be told field by field.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = ""
    uid: str = ""
    digest: str = ""
    said: dict[str, Any] = Field(default_factory=dict)

    @cached_property
    def spec(self) -> PolicySpec:
        return PolicySpec.model_validate(self.said)

    def __str__(self) -> str:
        return f"RolloutPolicy {self.name}" if self.name else "the built-in rollout policy"


BUILT_IN = Policy()


def policy_of(manifest: dict[str, Any]) -> Policy:
    """The policy that an object of the cluster is.

    Raises:
        PolicyRefused: this version of omeflow does not understand it.
    """
    metadata, said = manifest["metadata"], manifest.get("spec") or {}
    try:
        spec = PolicySpec.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(["spec", *(str(part) for part in first["loc"])])
        raise PolicyRefused(
            f"RolloutPolicy {metadata['namespace']}/{metadata['name']}: {field} is not understood ({first['msg']});"
            " correct it, or upgrade omeflow"
        ) from None
    told = orjson.dumps(spec.model_dump(mode="json", by_alias=True), option=orjson.OPT_SORT_KEYS)
    return Policy(
        name=metadata["name"], uid=metadata.get("uid", ""), digest=hashlib.sha256(told).hexdigest()[:16], said=said
    )
