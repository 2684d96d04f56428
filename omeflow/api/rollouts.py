"""InferenceRollout: the record of one attempt to change a service (design section 6).

The typed form of the custom resource in `crds/inferencerollouts.yaml`. The run writes it, the watcher derives the
service's status from it, people read it with kubectl, and it outlives Temporal's retention.
"""

import base64
import gzip
from collections.abc import Sequence
from enum import StrEnum
from importlib.resources import files
from typing import Any

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE
from omeflow.api.messages import SKIP, Action
from omeflow.api.names import ISVC_LABEL
from omeflow.api.policies import BUILT_IN, Policy
from omeflow.api.steps import Attempt, Stage

MOST_ACTORS = 64
"""Of one attempt that its record keeps: the last ones."""
LONGEST_MESSAGE = 8_000
"""Characters; the CRD allows 8,192."""


class Phase(StrEnum):
    PLANNING = "Planning"
    PROGRESSING = "Progressing"
    BLOCKED = "Blocked"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"

    @property
    def closed(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.SUPERSEDED)

    @property
    def said(self) -> str:
        """For a sentence about an attempt: `is blocked`, `has failed`."""
        return f"{'has' if self in (Phase.SUCCEEDED, Phase.FAILED) else 'is'} {self.lower()}"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def manifest(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class RolloutPlan(_Part):
    """What build-configs decided, complete enough for every later step."""

    stages: list[Stage] = Field(default_factory=list)
    changed_roles: list[str] = Field(default_factory=list)
    removed_roles: list[str] = Field(default_factory=list)
    serving: dict[str, int] = Field(default_factory=dict)
    """Attempt whose template each role has when this one begins."""
    moving: list[str] = Field(default_factory=list)
    """Roles that objects of another strategy serve when this one begins."""
    counted: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Of roles that come up beside the workloads that serve them: the object whose count they come up with."""
    pending: dict[str, str] = Field(default_factory=dict)
    """Roles that only the renderer would change, with the reason (design rule 11)."""
    prune: list[dict[str, str]] = Field(default_factory=list)
    """Objects of former attempts that are wanted no more: apiVersion, kind, name."""
    switched: list[dict[str, str]] = Field(default_factory=list)
    """Objects that would lead traffic, or a scaler, to workloads which do not serve yet, or that name roles which are
    not there yet: applied after all waits."""
    peak: dict[str, str] = Field(default_factory=dict)
    """The most that it takes beyond what ran before, by resource; `pods` are one."""
    summary: str = ""
    policy: Policy = BUILT_IN
    """What the service followed when this was planned."""


class Spec(_Part):
    service: str = ""
    service_uid: str = Field(default="", alias="serviceUID")
    number: int = 0
    key: str = ""
    cause: str = ""
    detail: str | None = None
    generation: int = 0
    fingerprint: str = ""
    renderer: str = ""
    strategy: str | None = None
    modes: dict[str, str] | None = None
    choices: list[str] | None = None
    inputs: str | None = None
    objects: str | None = None
    plan: str | None = None


class Wait(_Part):
    """Why the attempt does not go on by itself right now. Times are RFC 3339."""

    name: str = ""
    reason: str = ""
    object: str | None = None
    deadline: str | None = None


class StageTiming(_Part):
    name: str = ""
    roles: list[str] = Field(default_factory=list)
    note: str | None = None
    """What was out of the ordinary."""
    started_at: str | None = None
    finished_at: str | None = None


class Actor(_Part):
    """Somebody who has done something to the attempt: `verb` as `omeflow rollout` has it, `at` RFC 3339."""

    verb: str = ""
    by: str = ""
    at: str = ""
    what: str | None = None


class Status(_Part):
    phase: Phase = Phase.PLANNING
    stage: str | None = None
    reason: str | None = None
    message: str | None = None
    run_id: str | None = Field(default=None, alias="runID")
    started_at: str | None = None
    finished_at: str | None = None
    wait: Wait | None = None
    retrying: str | None = None
    """Which step is tried again, and why its last try was not taken; in a sentence."""
    stages: list[StageTiming] = Field(default_factory=list)
    actors: list[Actor] = Field(default_factory=list)

    def awaited(self, seen: str = "") -> str:
        """What the attempt waits for, in a sentence; empty if nothing.

        Args:
            seen: what its roles wait for, where somebody looks at them; truer than what was written down.
        """
        if self.wait is None:
            return self.retrying or ""
        return f"{self.wait.name}: {self.retrying or seen or self.wait.reason}"

    def with_actions(self, actions: Sequence[Action]) -> "Status":
        """The same, with what people have done since; what is known already is there once."""
        new = [Actor(verb=one.verb, by=one.by, at=one.at, what=one.what or None) for one in actions]
        known = [*self.actors, *(one for one in new if one not in self.actors)]
        return self.model_copy(update={"actors": known[-MOST_ACTORS:]})


class InferenceRollout(BaseModel):
    """A record as read from the cluster, or about to be written."""

    model_config = ConfigDict(extra="ignore")

    metadata: dict[str, Any] = Field(default_factory=dict)
    spec: Spec = Field(default_factory=Spec)
    status: Status = Field(default_factory=Status)

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def skipped(self) -> list[str]:
        """Stages and gates that somebody has skipped."""
        return [actor.what or "" for actor in self.status.actors if actor.verb == SKIP]

    @property
    def converged(self) -> bool:
        """Whether all of its roles have been seen at what it wanted."""
        unseen = any(what.startswith("stage ") for what in self.skipped)
        return self.status.phase is Phase.SUCCEEDED and not unseen

    @property
    def attempt(self) -> Attempt:
        return Attempt(
            namespace=self.metadata["namespace"],
            service=self.spec.service,
            uid=self.spec.service_uid,
            number=self.spec.number,
            key=self.spec.key,
        )

    def manifest(self) -> dict[str, Any]:
        """The object without its status, as server-side apply wants it."""
        metadata = {
            "name": f"{self.spec.service}-{self.spec.number}",
            "namespace": self.metadata["namespace"],
            "labels": {ISVC_LABEL: self.spec.service},
            "ownerReferences": [owner_reference(self.spec.service, self.spec.service_uid)],
        }
        return {**_TYPE, "metadata": metadata, "spec": self.spec.manifest()}

    def status_manifest(self) -> dict[str, Any]:
        metadata = {"name": self.name, "namespace": self.metadata["namespace"]}
        return {**_TYPE, "metadata": metadata, "status": self.status.manifest()}


_TYPE = {"apiVersion": INFERENCE_ROLLOUT.api_version, "kind": INFERENCE_ROLLOUT.name}


def owner_reference(service: str, uid: str) -> dict[str, Any]:
    """What ties every object of omeflow to its service (ome.md, conventions)."""
    return {
        "apiVersion": INFERENCE_SERVICE.api_version,
        "kind": INFERENCE_SERVICE.name,
        "name": service,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pack(value: Any) -> str:
    """JSON, compressed and in base64. Deterministic: equal values give equal text."""
    raw = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return base64.b64encode(gzip.compress(raw, compresslevel=6, mtime=0)).decode()


def unpack(text: str) -> Any:
    return orjson.loads(gzip.decompress(base64.b64decode(text)))


def custom_resource_definitions() -> list[dict[str, Any]]:
    """The CRDs that `omeflow install-crds` installs."""
    folder = files("omeflow.api") / "crds"
    return [yaml.safe_load(entry.read_text()) for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
