"""What is added to the runner, the container that serves: the model, its resources, its parallelism (ome.md 8.6, 8.7).

Pods of plain containers have no runner and get none of this (ome.md 16.65).
"""

from collections.abc import Mapping

from omeflow.components.annotations import INJECT_MODEL_INIT, MERGED_WEIGHTS
from omeflow.components.models import Model
from omeflow.components.quantities import whole_number
from omeflow.components.runtimes import Runtime
from omeflow.components.types import Json

GPU = "nvidia.com/gpu"
MODEL_PATH = "MODEL_PATH"
PARALLELISM_SIZE = "PARALLELISM_SIZE"


def serving_runner(
    runner: Json,
    *,
    model: Model,
    runtime: Runtime,
    annotations: Mapping[str, str],
    user_resources: bool,
    nodes: int,
) -> Json:
    """The runner of an engine or decoder pod with all that OME adds.

    Args:
        annotations: of the component.
        user_resources: whether the service itself states the runner's resources, so that nothing is filled in.
        nodes: pods of a group that share the model, which multiply its parallelism.
    """
    if not user_resources:
        runner = _with_legacy_resources(runner, runtime)
    brought_otherwise = "true" in (annotations.get(INJECT_MODEL_INIT), annotations.get(MERGED_WEIGHTS))
    if model.path and not brought_otherwise:
        runner = _with_model(runner, model)
    if gpus := gpu_count(runner):
        runner = runner | {"env": set_env(runner.get("env") or [], PARALLELISM_SIZE, str(gpus * nodes))}
    return runner


def router_runner(runner: Json, config: Mapping[str, str]) -> Json:
    """The runner of a router: its configuration as environment (ome.md 8.6).

    Sorted, where upstream's random order restarts the router again and again (ome.md 16.10).
    """
    env = runner.get("env") or []
    for name in sorted(config):
        env = set_env(env, name, config[name])
    return runner | ({"env": env} if env else {})


def states_resources(component: Json) -> bool:
    """Whether the service's component states resources of its runner (ome.md 8.7)."""
    resources = (component.get("runner") or {}).get("resources") or {}
    return any(resources.get(field) for field in ("limits", "requests", "claims"))


def gpu_count(container: Json) -> int:
    """GPUs of a container: its limit, else its request."""
    resources = container.get("resources") or {}
    given = [(resources.get(field) or {}).get(GPU) for field in ("limits", "requests")]
    return next((whole_number(quantity) for quantity in given if quantity is not None), 0)


def set_env(env: list[Json], name: str, value: str) -> list[Json]:
    """The variables with one set in place, or appended. It takes the place of a valueFrom (ome.md 16.67)."""
    wanted = {"name": name, "value": value} if value else {"name": name}
    if any(entry.get("name") == name for entry in env):
        return [wanted if entry.get("name") == name else entry for entry in env]
    return [*env, wanted]


def _with_model(runner: Json, model: Model) -> Json:
    """The model's mount and path, unless the runner has its own (ome.md 16.67)."""
    env, mounts = runner.get("env") or [], runner.get("volumeMounts") or []
    if all(entry.get("name") != MODEL_PATH for entry in env):
        env = [*env, {"name": MODEL_PATH, "value": model.path}]
    if all(mount.get("mountPath") != model.path for mount in mounts):
        mounts = [*mounts, {"name": model.volume, "mountPath": model.path, "readOnly": True}]
    return runner | {"env": env, "volumeMounts": mounts}


def _with_legacy_resources(runner: Json, runtime: Runtime) -> Json:
    """Requests and limits that the runtime's legacy container of the same name has and the runner lacks."""
    legacy = next((one for one in runtime.legacy_containers if one.get("name") == runner.get("name")), {})
    resources = runner.get("resources") or {}
    for field in ("requests", "limits"):
        if filled := ((legacy.get("resources") or {}).get(field) or {}) | (resources.get(field) or {}):
            resources = resources | {field: filled}
    return runner | {"resources": resources} if resources else runner
