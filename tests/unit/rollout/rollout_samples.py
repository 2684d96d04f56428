"""Attempt records and role states, as tests of the rollout core need them."""

from typing import Any

from omeflow.api.rollouts import InferenceRollout, Phase, Spec, Status
from omeflow.rollout.roles import RoleState


def record(number: int = 1, *, fingerprint: str = "f1", generation: int = 1, **status: Any) -> InferenceRollout:
    """An attempt of service chat; it has converged, unless `status` says otherwise."""
    return InferenceRollout(
        metadata={"name": f"chat-{number}", "namespace": "serving"},
        spec=Spec(service="chat", number=number, fingerprint=fingerprint, generation=generation),
        status=Status(**({"phase": Phase.SUCCEEDED} | status)),
    )


def serving(role: str, *, ready: int = 2, desired: int = 2, waits_for: str = "", attempt: int = 1) -> RoleState:
    return RoleState(
        role,
        attempt=attempt,
        desired=desired,
        updated=ready,
        ready=ready,
        revision=f"chat-{role}-abc",
        waits_for=waits_for,
        obj=f"RoleInstanceSet serving/chat-{role}",
    )
