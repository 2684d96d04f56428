"""Components, roles and backend objects of service `serving/chat`, to be varied by tests."""

from collections.abc import Sequence
from typing import Any

from omeflow.api.kinds import (
    COORDINATED_POLICY,
    POD,
    ROLE_BASED_GROUP,
    ROLE_INSTANCE,
    ROLE_INSTANCE_SET,
    SCALING_ADAPTER,
    Kind,
)
from omeflow.api.names import ATTEMPT, RBG_PREFIX, ROLE_NAME, role_attempt
from omeflow.components.types import ComponentConfig, DeploymentMode, Extension
from omeflow.rollout.roles import RoleState
from strategies.contract import DesiredRole, Live, Owner, RoleVersion
from strategies.digests import digest
from strategies.rbg.observe import role_states

Json = dict[str, Any]
OWNER = Owner("serving", "chat", "u1")
CONTAINER: Json = {"name": "main", "image": "img:1", "ports": [{"containerPort": 8080}]}
ENGINE: Json = {"name": "engine", "replicas": 2}
SET = "RoleInstanceSet serving/chat-engine"


def config(role: str = "engine", **changes: Any) -> ComponentConfig:
    """A component; the fields of ComponentConfig and of its Extension may be given."""
    extension = {name: changes.pop(name) for name in Extension.__dataclass_fields__ if name in changes}
    fields: Json = {
        "role": role,
        "name": f"chat-{role}",
        "namespace": "serving",
        "mode": DeploymentMode.RAW,
        "labels": {"component": role},
        "annotations": {},
        "pod_labels": {},
        "pod_spec": {"containers": [CONTAINER]},
        "worker_pod_spec": None,
        "worker_size": 0,
        "extension": Extension(**extension),
    }
    return ComponentConfig(**(fields | changes))


def desired(role: str, image: str = "img:1", *, minimum: int = 2, **body: Any) -> DesiredRole:
    full = {
        "name": role,
        "standalonePattern": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
        **body,
    }
    return DesiredRole(role=role, body=full, digest=digest(full), min_replicas=minimum, scaled=True)


def version(attempt: int, role: str, image: str = "img:1", *, minimum: int = 2) -> RoleVersion:
    return RoleVersion(attempt, desired(role, image, minimum=minimum))


def versions(*given: RoleVersion) -> dict[str, RoleVersion]:
    return {one.desired.role: one for one in given}


def group(*roles: Json, attempts: dict[str, int] | None = None, uid: str = "g1") -> Json:
    """A live RoleBasedGroup; every role has been given attempt 1 unless `attempts` says otherwise."""
    marks = {role["name"]: 1 for role in roles} if attempts is None else attempts
    return {
        "apiVersion": ROLE_BASED_GROUP.api_version,
        "kind": ROLE_BASED_GROUP.name,
        "metadata": {
            "name": "chat",
            "namespace": "serving",
            "uid": uid,
            "annotations": {role_attempt(role): str(number) for role, number in marks.items()},
        },
        "spec": {"roles": list(roles)},
    }


def workload(role: str = "engine", *, replicas: int = 2, attempt: int = 1, **status: Any) -> Json:
    """A RoleInstanceSet whose rollout is over."""
    name = f"chat-{role}"
    whole = {
        "observedGeneration": 3,
        "replicas": replicas,
        "readyReplicas": replicas,
        "updatedReadyReplicas": replicas,
        "currentRevision": f"{name}-new",
        "updateRevision": f"{name}-new",
    }
    return {
        "apiVersion": ROLE_INSTANCE_SET.api_version,
        "kind": ROLE_INSTANCE_SET.name,
        "metadata": {
            "name": name,
            "namespace": "serving",
            "generation": 3,
            "labels": {ROLE_NAME: role},
            "annotations": {ATTEMPT: str(attempt)},
        },
        "spec": {"replicas": replicas},
        "status": whole | status,
    }


def adapter(role: str = "engine", *, replicas: int = 2, **status: Any) -> Json:
    """A scaling adapter that is bound and tells the role's pods."""
    bound = {"phase": "Bound", "replicas": replicas, "selector": f"role={role}"}
    return {
        "apiVersion": SCALING_ADAPTER.api_version,
        "kind": SCALING_ADAPTER.name,
        "metadata": {"name": f"chat-{role}", "namespace": "serving"},
        "spec": {"replicas": replicas, "scaleTargetRef": {"name": "chat", "role": role}},
        "status": bound | status,
    }


def instance(ordinal: int, role: str = "engine", *, revision: str = "new", own: str = "aaa", **metadata: Any) -> Json:
    """A RoleInstance at a revision of its RoleInstanceSet, with a revision of its own."""
    name = f"chat-{role}-{ordinal}"
    return {
        "apiVersion": ROLE_INSTANCE.api_version,
        "kind": ROLE_INSTANCE.name,
        "metadata": {
            "name": name,
            "namespace": "serving",
            "labels": {ROLE_NAME: role, "controller-revision-hash": f"chat-{role}-{revision}"},
            **metadata,
        },
        "status": {"currentRevision": f"{name}-{own}", "updateRevision": f"{name}-{own}"},
    }


def pod(
    ordinal: int,
    role: str = "engine",
    *,
    member: int | None = None,
    size: int = 1,
    own: str = "aaa",
    ready: bool = True,
    status: Json | None = None,
    **metadata: Any,
) -> Json:
    """A pod of an instance; `member` is its place in a leader-worker instance of `size` pods."""
    of = f"chat-{role}-{ordinal}"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {
            "name": of if member is None else f"{of}-{member}",
            "namespace": "serving",
            "labels": {
                ROLE_NAME: role,
                "controller-revision-hash": own,
                f"{RBG_PREFIX}role-instance-name": of,
                f"{RBG_PREFIX}component-size": str(size),
            },
            **metadata,
        },
        "status": {"conditions": conditions, **(status or {})},
    }


def live(
    whole: Json | None = None,
    workloads: Sequence[Json] = (),
    instances: Sequence[Json] = (),
    pods: Sequence[Json] = (),
    adapters: Sequence[Json] = (),
    policies: Sequence[Json] = (),
) -> Live:
    objects: dict[Kind, Sequence[Json]] = {
        ROLE_BASED_GROUP: [whole] if whole else [],
        ROLE_INSTANCE_SET: workloads,
        ROLE_INSTANCE: instances,
        SCALING_ADAPTER: adapters,
        COORDINATED_POLICY: policies,
        POD: pods,
    }
    return Live(objects)


def converged(
    *,
    role: Json = ENGINE,
    workloads: list[Json] | None = None,
    instances: list[Json] | None = None,
    pods: list[Json] | None = None,
    adapters: list[Json] | None = None,
) -> Live:
    """Two instances of one pod at the new revision, unless something is replaced."""
    return live(
        group(role),
        [workload()] if workloads is None else workloads,
        [instance(0), instance(1)] if instances is None else instances,
        [pod(0), pod(1)] if pods is None else pods,
        adapters or [],
    )


def engine(state: Live) -> RoleState:
    """How role engine stands there."""
    return role_states("chat", state)["engine"]
