"""The service of a story: what its user can edit, and what omeflow makes of it.

A spec is a small value that can be compared and shown; inputs and objects follow from it, and are kept, because
rendering is most of what a story costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from omeflow.api.names import ROLES, component_name
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from strategies.contract import Desired, Manifest, Owner, Strategy
from strategies.manager import default_manager
from strategies.render import render

Json = dict[str, Any]
Template = tuple[str, str]
"""Image and level of a role."""
SERVICE = "chat"
OWNER = Owner("serving", SERVICE, "u1")
MANAGER = default_manager()
RBG, DEPLOYMENT, LWS = "RoleBasedGroup", "Deployment", "LeaderWorkerSet"
BACKENDS = (RBG, DEPLOYMENT, LWS)
HPA, NOBODY, SOMEBODY = "hpa", "nobody", "somebody"
"""Who scales the roles: omeflow's HorizontalPodAutoscaler, nobody, or an autoscaler that the user made."""
CONTAINER = {"engine": "ome-container", "decoder": "ome-container", "router": "router"}
BAD = "bad"
"""In the name of an image that cannot be pulled."""

_MODEL: Json = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.43.0"},
    "storage": {"path": "/raid/llama", "storageUri": "hf://meta-llama/x"},
}
_RUNTIME: Json = {
    "supportedModelFormats": [
        {"name": "safetensors", **{key: _MODEL[key] for key in ("modelFormat", "modelFramework")}}
    ],
    "engineConfig": {"runner": {"name": "ome-container", "image": "runtime:1"}},
    "decoderConfig": {"runner": {"name": "ome-container", "image": "runtime:1"}},
    "routerConfig": {"runner": {"name": "router", "image": "router:1"}},
}


@dataclass(frozen=True, slots=True)
class Role:
    """What a user says about a role.

    Attributes:
        level: value of an environment variable: an edit of it makes pods anew, where one of the image may not.
        minimum: minReplicas.
        nodes: pods per instance; more than one makes it a leader with workers.
        bounds: maxUnavailable and maxSurge; None: the backend's.
    """

    image: str = "v1"
    level: str = "info"
    minimum: int = 1
    nodes: int = 1
    bounds: tuple[int | str, int | str] | None = None

    def __str__(self) -> str:
        shape = f"×{self.nodes}" if self.nodes > 1 else ""
        bounds = f" down {self.bounds[0]} surge {self.bounds[1]}" if self.bounds else ""
        return f"{self.image}/{self.level} min {self.minimum}{shape}{bounds}"

    @property
    def template(self) -> Template:
        return self.image, self.level


@dataclass(frozen=True)
class Spec:
    backend: str
    roles: Mapping[str, Role] = field(hash=False)
    scaled_by: str = HPA

    def __hash__(self) -> int:
        return hash((self.backend, tuple(self.roles.items()), self.scaled_by))

    def __str__(self) -> str:
        roles = "; ".join(f"{name} {role}" for name, role in self.roles.items())
        return f"{self.backend}, scaled by {self.scaled_by}: {roles}"

    def edited(self, name: str, **changes: Any) -> "Spec":
        return replace(self, roles={**self.roles, name: replace(self.roles[name], **changes)})

    def without(self, name: str) -> "Spec":
        return replace(self, roles={one: role for one, role in self.roles.items() if one != name})

    def with_role(self, name: str, role: Role) -> "Spec":
        roles = {**self.roles, name: role}
        return replace(self, roles={one: roles[one] for one in ROLES if one in roles})


@lru_cache(maxsize=50_000)
def inputs_of(spec: Spec) -> Inputs:
    annotations = {"ome.io/deploymentMode": RBG if spec.backend == RBG else "RawDeployment"}
    if spec.backend == LWS:
        annotations = {}
    if spec.scaled_by != HPA:
        annotations["ome.io/autoscalerClass"] = "external"
    wanted: Json = {"model": {"name": "llama"}, "runtime": {"name": "srt"}}
    wanted |= {name: _component(name, role) for name, role in spec.roles.items()}
    return Inputs(
        ServiceValues(OWNER.name, OWNER.namespace, OWNER.uid, {}, annotations, wanted),
        ObjectValues("ClusterBaseModel", "llama", None, {}, _MODEL),
        ObjectValues("ClusterServingRuntime", "srt", None, {}, _RUNTIME),
    )


@lru_cache(maxsize=50_000)
def rendered(spec: Spec) -> tuple[Strategy, Desired]:
    inputs = inputs_of(spec)
    chosen, desired = render(inputs, MANAGER)
    _RENDERED[id(inputs)] = desired
    return chosen.strategy, desired


_RENDERED: dict[int, Desired] = {}


def render_again(inputs: Inputs) -> Desired:
    """The present renderer, for recorded inputs."""
    return _RENDERED.get(id(inputs)) or render(inputs, MANAGER)[1]


def template_of(role: str, body: Manifest) -> Template | None:
    """The template in anything that holds a pod template of the role; None if it holds none."""
    if "containers" in body:
        for container in body["containers"]:
            if container["name"] == CONTAINER[role]:
                levels = {one["name"]: one.get("value", "") for one in container.get("env") or []}
                return container["image"], levels.get("LEVEL", "")
        return None
    for key, value in body.items():
        if key != "metadata" and isinstance(value, dict) and (found := template_of(role, value)):
            return found
    return None


def is_scaled(spec: Spec, role: Role) -> bool:
    """Whether somebody scales the role; omeflow makes no autoscaler for a LeaderWorkerSet."""
    alone = spec.scaled_by == NOBODY or (spec.scaled_by == HPA and spec.backend != RBG and role.nodes > 1)
    return not alone


def counted_name(spec: Spec, role: str) -> tuple[str, str]:
    """Kind and name of the object whose `spec.replicas` is the role's count."""
    name = component_name(SERVICE, role)
    if spec.backend == RBG:
        return "RoleBasedGroupScalingAdapter", name
    return ("LeaderWorkerSet", f"lws-{name}") if spec.roles[role].nodes > 1 else ("Deployment", name)


def _component(name: str, role: Role) -> Json:
    env = [{"name": "LEVEL", "value": role.level}]
    runner = {"name": CONTAINER[name], "image": role.image, "env": env}
    made: Json = {"minReplicas": role.minimum, "maxReplicas": 9}
    if role.bounds:
        down, surge = role.bounds
        made["deploymentStrategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": down, "maxSurge": surge},
        }
    if role.nodes > 1:
        return made | {"leader": {"runner": runner}, "worker": {"size": role.nodes - 1, "runner": runner}}
    return made | {"runner": runner}
