"""How the roles of a service stand, from the workload objects that carry their marks.

A role may have objects of two modes at a time: after a change of mode the former ones serve until the new ones do, and
are pruned then. The newest mark says where the role is going; what the former objects serve still counts as ready.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from omeflow.api.kinds import DEPLOYMENT, INFERENCE_SERVICE, KNATIVE_SERVICE, LEADER_WORKER_SET, RAY_CLUSTER, Kind
from omeflow.api.names import component_name
from omeflow.rollout.roles import RoleState
from strategies.contract import Live, Manifest
from strategies.single_component.conditions import knative_state, ray_state
from strategies.single_component.deployment_state import deployment_state
from strategies.single_component.leader_worker_set_state import leader_worker_set_state
from strategies.single_component.writing import attempt_of

Objects = Sequence[Manifest]
_STATES: Mapping[Kind, Callable[[str, Objects, Live], RoleState]] = {
    DEPLOYMENT: deployment_state,
    LEADER_WORKER_SET: leader_worker_set_state,
    RAY_CLUSTER: ray_state,
    KNATIVE_SERVICE: knative_state,
}
"""By the kind that a mode is known by."""


def served_attempts(service: str, live: Live) -> dict[str, int]:
    """The attempt whose template each role has; a role without our mark is left out."""
    return {
        role: max(attempt_of(obj, role) for objects in modes.values() for obj in objects)
        for role, modes in _by_role(service, live).items()
    }


def role_states(service: str, live: Live) -> dict[str, RoleState]:
    return {role: _role_state(role, modes, live) for role, modes in _by_role(service, live).items()}


def _role_state(role: str, modes: Mapping[Kind, Objects], live: Live) -> RoleState:
    newest = {kind: max(attempt_of(obj, role) for obj in objects) for kind, objects in modes.items()}
    current = max(newest, key=lambda kind: newest[kind])
    state, *former = (
        _STATES[kind](role, modes[kind], live) for kind in sorted(modes, key=lambda kind: kind != current)
    )
    return replace(
        state.beside(former),
        attempt=newest[current],
        settled=state.settled and all(attempt_of(obj, role) == newest[current] for obj in modes[current]),
    )


def _by_role(service: str, live: Live) -> dict[str, dict[Kind, list[Manifest]]]:
    """The marked objects of the service, by role and mode."""
    found: dict[str, dict[Kind, list[Manifest]]] = {}
    for kind in _STATES:
        for obj in live.of(kind):
            role = (obj["metadata"].get("labels") or {}).get("component", "")
            if attempt_of(obj, role) and _is_of(service, obj):
                prober = kind is DEPLOYMENT and obj["metadata"]["name"] != component_name(service, role)
                found.setdefault(role, {}).setdefault(RAY_CLUSTER if prober else kind, []).append(obj)
    return found


def _is_of(service: str, obj: Manifest) -> bool:
    """Whether the service owns it: a copy that somebody made has its labels and annotations too."""
    references = obj["metadata"].get("ownerReferences") or []
    return any((one["kind"], one["name"]) == (INFERENCE_SERVICE.name, service) for one in references)
