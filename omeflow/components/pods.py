"""Pod specs: choosing the container, assembling it, and what the pod around it gets (ome.md 8.8, 8.10, 8.11, 9.1.1)."""

from collections.abc import Mapping

from omeflow.api.errors import Invalid
from omeflow.components.annotations import INJECT_FINE_TUNED_ADAPTER, INJECT_MODEL_INIT
from omeflow.components.merging import merge
from omeflow.components.models import Model
from omeflow.components.placeholders import Variables, expand
from omeflow.components.runtimes import Runtime
from omeflow.components.types import Json

OME_CONTAINER = "ome-container"
MODEL_EMPTY_DIR = "model-empty-dir"

_NOT_OF_THE_POD = frozenset(
    {"minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "containerConcurrency", "timeoutSeconds"}
    | {"canaryTrafficPercent", "labels", "annotations", "minAvailable", "maxUnavailable", "deploymentStrategy"}
    | {"kedaConfig", "runner", "leader", "worker", "size", "config", "acceleratorOverride"}
)
_POD_DEFAULTS = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER_DEFAULTS = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}


def assemble(part: Json, *, runner: Json | None, variables: Variables, field: str) -> Json:
    """The pod spec of a component or of its leader or worker, with its runner among the containers (ome.md 8.10).

    Args:
        part: the merged component, leader or worker, whose inline pod spec counts.
        runner: the runner with all that is added to it; None for pods of plain containers.
        field: where the part stands, for messages: `spec.engine.worker`.

    Raises:
        Invalid: there is no container, the runner has no name, or a template variable cannot be filled in.
    """
    pod = {name: value for name, value in part.items() if name not in _NOT_OF_THE_POD}
    containers: list[Json] = list(pod.get("containers") or [])
    chosen = _chosen(containers, runner, field=field)
    if runner is not None:
        base = containers[chosen] if chosen < len(containers) else {}
        containers[chosen : chosen + 1] = [_with_runner(base, runner, field=field)]
    try:
        containers[chosen] = expand(containers[chosen], variables=variables)
    except Invalid as error:
        raise Invalid(f"{field}: {error}") from None
    return pod | {"containers": containers}


def with_model_volumes(pod: Json, *, model: Model, annotations: Mapping[str, str]) -> Json:
    """The pod with the model's volume and, for injected containers, a scratch volume (ome.md 8.10, after assembly)."""
    volumes: list[Json] = list(pod.get("volumes") or [])
    names = {volume.get("name") for volume in volumes}
    if model.path and model.volume not in names:
        volumes.append({"name": model.volume, "hostPath": {"path": model.path}})
    injected = annotations.get(INJECT_MODEL_INIT) == "true" or annotations.get(INJECT_FINE_TUNED_ADAPTER)
    if injected and MODEL_EMPTY_DIR not in names:
        volumes.append({"name": MODEL_EMPTY_DIR, "emptyDir": {"medium": "Memory"}})
    return pod | ({"volumes": volumes} if volumes else {})


def with_node_selector(pod: Json, *, model: Model, runtime: Runtime, wanted: Mapping[str, str]) -> Json:
    """The pod on nodes that have the model (ome.md 8.8).

    Args:
        wanted: the service's own selector of the component, which wins.
    """
    selector = {model.node_label: "Ready"} | (pod.get("nodeSelector") or {})
    return pod | {"nodeSelector": selector | runtime.legacy_node_selector | dict(wanted)}


def with_pod_defaults(pod: Json, *, probe: bool) -> Json:
    """The pod with the defaults that OME sets itself (ome.md 9.1.1 and 9.2).

    Args:
        probe: whether ome-container gets a readiness probe if it has none: in RawDeployment only.
    """
    containers = [_with_container_defaults(container, probe=probe) for container in pod["containers"]]
    return _POD_DEFAULTS | pod | {"containers": containers}


def _chosen(containers: list[Json], runner: Json | None, *, field: str) -> int:
    """Index of the container that serves: the runner's namesake or the end of the list; without runner the first."""
    if runner is None:
        if not containers:
            raise Invalid(f"{field} has neither runner nor containers: set {field}.runner here or in the runtime")
        return 0
    if not runner.get("name"):
        raise Invalid(f"{field}.runner has no name, neither here nor in the runtime: set it to {OME_CONTAINER}")
    names = [container.get("name") for container in containers]
    return names.index(runner["name"]) if runner["name"] in names else len(containers)


def _with_runner(base: Json, runner: Json, *, field: str) -> Json:
    """The container with the runner merged in; arguments are joined, not replaced."""
    args = [*(base.get("args") or []), *(runner.get("args") or [])]
    merged = merge(base, runner, parent="containers", path=f"{field}.runner")
    return merged | ({"args": args} if args else {})


def _with_container_defaults(container: Json, *, probe: bool) -> Json:
    defaulted = _CONTAINER_DEFAULTS | container
    if not probe or container.get("name") != OME_CONTAINER or "readinessProbe" in container:
        return defaulted
    ports = container.get("ports") or [{}]
    return defaulted | {
        "readinessProbe": {
            "tcpSocket": {"port": ports[0].get("containerPort", 8080)},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        }
    }
