"""Pod specs: choosing the container, assembling it, and what the pod around it gets (ome.md 8.8, 8.10, 8.11, 9.1.1)."""

from collections.abc import Mapping

from omeflow.api.errors import Invalid
from omeflow.components.acceleration import Acceleration
from omeflow.components.annotations import INJECT_FINE_TUNED_ADAPTER, INJECT_MODEL_INIT
from omeflow.components.fine_tuned import MODEL_EMPTY_DIR
from omeflow.components.merging import merge
from omeflow.components.models import Model
from omeflow.components.placeholders import Variables, expand
from omeflow.components.runtimes import Runtime
from omeflow.components.types import DeploymentMode, Json

OME_CONTAINER = "ome-container"

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


def base_container(part: Json, runner: Json) -> Json:
    """The container of a part's own pod spec that its runner is merged into; empty if there is none."""
    containers = part.get("containers") or []
    return next((one for one in containers if one.get("name") == runner.get("name")), {})


def assemble(part: Json, *, runner: Json | None, variables: Variables, field: str) -> tuple[Json, str]:
    """The pod spec of a component or of its leader or worker, with its runner among the containers (ome.md 8.10).

    Args:
        part: the merged component, leader or worker, whose inline pod spec counts.
        runner: the runner with all that is added to it; None for pods of plain containers.
        field: where the part stands, for messages: `spec.engine.worker`.

    Returns:
        the pod spec, and the name of the container that serves: the runner's, else the first.

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
    return pod | {"containers": containers}, containers[chosen].get("name") or ""


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


def with_node_selector(
    pod: Json,
    *,
    model: Model,
    runtime: Runtime,
    merged_weights: bool,
    acceleration: Acceleration,
    wanted: Mapping[str, str],
) -> Json:
    """The pod on nodes that have the model and the accelerator (ome.md 8.8).

    Args:
        merged_weights: the pod loads a model of its own, so that any node will do; upstream forgets the accelerator
            then (ome.md 16.60).
        wanted: the service's own selector of the component, which wins.
    """
    selector = pod.get("nodeSelector") or {}
    if not merged_weights:
        selector = {model.node_label: "Ready"} | selector | runtime.legacy_node_selector
    selector = selector | dict(acceleration.node_selector) | dict(wanted)
    return pod | ({"nodeSelector": selector} if selector else {})


def with_affinity(pod: Json, *, acceleration: Acceleration, wanted: bool) -> Json:
    """The pod near what the accelerator class says, instead of what the runtime says (ome.md 8.9).

    Args:
        wanted: the service states an affinity of its own, which stays.
    """
    return pod if wanted or acceleration.affinity is None else pod | {"affinity": acceleration.affinity}


def with_pod_defaults(pod: Json, mode: DeploymentMode) -> Json:
    """The pod with the defaults that OME sets itself (ome.md 9.1.1 and 9.2), none for Knative and Ray.

    Only a Deployment's ome-container gets a readiness probe if it has none. What is sent to other kinds than built-in
    ones is stored as Go writes it, with `resources` in every container (ome.md 9).
    """
    if mode is DeploymentMode.RAW:
        containers = [_with_probe(_CONTAINER_DEFAULTS | container) for container in pod["containers"]]
        return _POD_DEFAULTS | pod | {"containers": containers}
    if mode is DeploymentMode.MULTI_NODE:
        pod = _POD_DEFAULTS | pod | {"containers": [_CONTAINER_DEFAULTS | one for one in pod["containers"]]}
    lists = {field: pod[field] for field in ("initContainers", "containers") if field in pod}
    return pod | {field: [{"resources": {}} | one for one in given] for field, given in lists.items()}


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


def _with_probe(container: Json) -> Json:
    if container.get("name") != OME_CONTAINER or "readinessProbe" in container:
        return container
    ports = container.get("ports") or [{}]
    return container | {
        "readinessProbe": {
            "tcpSocket": {"port": ports[0].get("containerPort", 8080)},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        }
    }
