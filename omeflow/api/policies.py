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
NOTHING: tuple[int | str, ...] = (0, "0%")
"""Bounds of no instance at all."""
_LATER = ("roles", "onNoCapacity")
"""Fields that policies of the first release could not have."""
_GATES = ("approval", "soak", "http", "prometheus")
_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")
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


class OnNoCapacity(StrEnum):
    WAIT = "Wait"
    NO_SURGE = "NoSurge"


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


def _bound(value: Any) -> int | str:
    """A number of instances, or a share of them: `25%`.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is neither a number of instances nor a percentage such as 25%")


_Bound = Annotated[int | str, BeforeValidator(_bound)]


class RoleLimits(_Part):
    """How far the rolling update of one role may go at a time; None: as the service says.

    Attributes:
        partition: instances that keep their former template until the policy says less; one at least moves on.
    """

    max_unavailable: _Bound | None = None
    max_surge: _Bound | None = None
    partition: _Bound | None = None

    @model_validator(mode="after")
    def _lets_one_be_replaced(self) -> Self:
        if all(one in NOTHING for one in (self.max_unavailable, self.max_surge)):
            raise ValueError("maxUnavailable 0 and maxSurge 0 let no instance be replaced")
        return self


class Ratio(_Part):
    """For so many pods of one role so many of another; `max_skew` in percent of a role's pods."""

    roles: dict[str, int]
    max_skew: int


class PolicySpec(_Part):
    """Without a value: what is built in. Durations are seconds here."""

    order: list[list[str]] | None = None
    gates: list[PolicyGate] = Field(default_factory=list)
    ratio: Ratio | None = None
    roles: dict[str, RoleLimits] = Field(default_factory=dict)
    deadline: Seconds = 3600
    on_failure: OnFailure = OnFailure.PAUSE
    capacity_check: bool = False
    on_no_capacity: OnNoCapacity = OnNoCapacity.WAIT
    runtime_updates: RuntimeUpdates = RuntimeUpdates.AUTO

    @property
    def speaks_of_roles(self) -> bool:
        """Whether it depends on what single roles run as that it can be kept."""
        return bool(self.roles or self.ratio)

    @model_validator(mode="after")
    def _moves_each_role_in_one_way(self) -> Self:
        stepwise: dict[str, int] = self.ratio.roles if self.ratio else {}
        if both := [role for role, limits in self.roles.items() if role in stepwise and limits.partition is not None]:
            raise ValueError(f"{both[0]} is updated in proportion, and has no partition of its own")
        apart = [stage for stage in self.order or [] if not stepwise.keys().isdisjoint(stage)]
        if len(apart) > 1:
            raise ValueError("roles of the ratio are updated together, and order puts them into different stages")
        return self


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
    return Policy(name=metadata["name"], uid=metadata.get("uid", ""), digest=_digest(spec), said=said)


def _digest(spec: PolicySpec) -> str:
    """Of what is in force. A field of a later release does not count before somebody uses it: an upgrade is no edit."""
    told = spec.model_dump(mode="json", by_alias=True)
    built_in = BUILT_IN.spec.model_dump(mode="json", by_alias=True)
    told = {field: value for field, value in told.items() if field not in _LATER or value != built_in[field]}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
