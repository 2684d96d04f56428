"""What is added to the runner, the container that serves: the model, its weight, resources, parallelism (ome.md 8.6).

Pods of plain containers have no runner and get none of this (ome.md 16.65).
"""

from collections.abc import Mapping

from omeflow.api.quantities import whole_number
from omeflow.components import environment, fine_tuned
from omeflow.components.acceleration import Acceleration
from omeflow.components.annotations import INJECT_MODEL_INIT, MERGED_WEIGHTS
from omeflow.components.fine_tuned import Weight
from omeflow.components.models import Model
from omeflow.components.parallelism import PARALLELISM_SIZE, refers_to_parallelism
from omeflow.components.runtimes import Runtime
from omeflow.components.types import Json

GPU = "nvidia.com/gpu"
MODEL_PATH = "MODEL_PATH"


def serving_runner(
    runner: Json,
    *,
    base: Json,
    model: Model,
    runtime: Runtime,
    weight: Weight | None,
    acceleration: Acceleration,
    annotations: Mapping[str, str],
    user_resources: bool,
    nodes: int,
) -> Json:
    """The runner of an engine or decoder pod with all that OME adds, in OME's order.

    Args:
        base: the container of the pod spec that the runner will be merged into; empty if there is none.
        annotations: of the component.
        user_resources: whether the service itself states the runner's resources, so that nothing is filled in.
        nodes: pods of a group that share the model, which multiply its parallelism.
    """
    brought_otherwise = "true" in (annotations.get(INJECT_MODEL_INIT), annotations.get(MERGED_WEIGHTS))
    path = None if brought_otherwise else model.path
    env, mounts = runner.get("env") or [], runner.get("volumeMounts") or []
    if weight is not None:
        env = fine_tuned.with_environment(env, weight, model)
    elif path:
        env = environment.with_default(env, MODEL_PATH, path)
    env = acceleration.with_environment(env)
    if path and all(mount.get("mountPath") != path for mount in mounts):  # upstream mounts it twice (ome.md 16.67)
        mounts = [*mounts, {"name": model.volume, "mountPath": path, "readOnly": True}]
    if weight is not None:
        mounts = fine_tuned.with_mounts(mounts, weight, model)
    runner = _with_field(_with_field(runner, "env", env), "volumeMounts", mounts)
    if not user_resources:
        resources = acceleration.with_resources(_with_legacy_resources(runner, runtime))
        runner = _with_field(runner, "resources", resources)
    runner = acceleration.with_arguments(runner)
    return _with_parallelism(runner, base=base, accelerated=acceleration.accelerator is not None, nodes=nodes)


def router_runner(runner: Json, config: Mapping[str, str]) -> Json:
    """The runner of a router: its configuration as environment (ome.md 8.6).

    Sorted, where upstream's random order restarts the router again and again (ome.md 16.10).
    """
    env = runner.get("env") or []
    for name in sorted(config):
        env = environment.with_variable(env, name, config[name])
    return _with_field(runner, "env", env)


def states_resources(part: Json) -> bool:
    """Whether the service's component, leader or worker states resources of its runner (ome.md 8.7)."""
    resources = (part.get("runner") or {}).get("resources") or {}
    return any(resources.get(field) for field in ("limits", "requests", "claims"))


def gpu_count(container: Json) -> int:
    """GPUs of a container: its limit, else its request."""
    resources = container.get("resources") or {}
    given = [(resources.get(field) or {}).get(GPU) for field in ("limits", "requests")]
    return next((whole_number(quantity) for quantity in given if quantity is not None), 0)


def _with_parallelism(runner: Json, *, base: Json, accelerated: bool, nodes: int) -> Json:
    """The runner with the number of GPUs that share the model.

    An accelerator class comes with flags of its own, so OME leaves the variable out. Here it is set all the same where
    the server refers to it, because nothing else would fill it in (ome.md 16.72).
    """
    gpus, env = gpu_count(runner), runner.get("env") or []
    if not gpus:
        return runner
    size = str(gpus * nodes)
    if not accelerated:
        return runner | {"env": environment.with_variable(env, PARALLELISM_SIZE, size)}
    stated = environment.has_variable(base.get("env") or [], PARALLELISM_SIZE)
    if stated or not refers_to_parallelism(runner, base):
        return runner
    return runner | {"env": environment.with_default(env, PARALLELISM_SIZE, size)}


def _with_legacy_resources(runner: Json, runtime: Runtime) -> Json:
    """The resources, with requests and limits that only the runtime's legacy container of the same name has."""
    legacy = next((one for one in runtime.legacy_containers if one.get("name") == runner.get("name")), {})
    resources: Json = runner.get("resources") or {}
    for field in ("requests", "limits"):
        if filled := ((legacy.get("resources") or {}).get(field) or {}) | (resources.get(field) or {}):
            resources = resources | {field: filled}
    return resources


def _with_field(runner: Json, field: str, value: list[Json] | Json) -> Json:
    return runner | ({field: value} if value else {})
