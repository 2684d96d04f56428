"""The pipeline against recordings of OME's own controller: the same pods for the same inputs (design rule 5).

Judged is every write to a service, also in cases in which omeflow deliberately does something else, unless that is
about the pods: then the table below says what. Recordings hold what the API server stored, so a field that only the
recording has must be one of the server's defaults.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import recorded_cases
from recorded_cases import Step

from omeflow.api.errors import Terminal
from omeflow.api.names import dns_label
from omeflow.components.build import build_components
from omeflow.components.resolution import resolve_inputs
from omeflow.components.types import ComponentConfig, Components, DeploymentMode

Json = dict[str, Any]

MODELS_JSON = "models.json"
DEPLOYMENT, LEADER_WORKER_SET = "apps/v1", "leaderworkerset.x-k8s.io/v1"
RAY, KNATIVE = "ray.io/v1", "serving.knative.dev/v1"
WORKLOADS = (DEPLOYMENT, LEADER_WORKER_SET, RAY, KNATIVE)
SERVER_DEFAULTS: dict[str, Any] = {
    "apiVersion": "v1",
    "creationTimestamp": None,
    "defaultMode": 420,
    "failureThreshold": 3,
    "imagePullPolicy": "IfNotPresent",
    "periodSeconds": 10,
    "resources": {},
    "scheme": "HTTP",
    "service": "",
    "successThreshold": 1,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "timeoutSeconds": 1,
    "type": "",
}
REFUSED_BY_THE_SERVER = {("raw/legacy-container-resources", 0): ["decoder"]}
"""Components whose workload the API server refused, so that it was not recorded."""
SCRAPING = ("prometheus.io/path", "prometheus.io/port", "prometheus.io/scrape")


DESCRIBES_ANOTHER_MODEL = ("model-and-runtime/namespaced-model-hides-cluster-model",)
"""Cases whose recorded model config is about a model that is not deployed (ome.md 16.50)."""

OTHER_PODS: dict[str, tuple[str, Callable[[Components], Any], Any]] = {
    "accelerators/class-quantity-against-runtime:0": (
        "the runtime's GPUs stay (ome.md 16.61)",
        lambda components: engine(components)["resources"]["limits"]["nvidia.com/gpu"],
        "4",
    ),
    "accelerators/policy-with-a-missing-class:0": (
        "the policy chooses among the classes that exist (ome.md 16.58)",
        lambda components: components.configs["engine"].accelerator,
        "mcd-h100",
    ),
    "merging/literal-braces-in-args:0": (
        "braces that refer to nothing stay (ome.md 16.69)",
        lambda components: engine(components)["args"][-1],
        "--chat-template={% for m in messages %}{{ m.content }}{% endfor %}",
    ),
    "merging/runner-without-name:0": (
        "the runner has the runtime's name (ome.md 16.62)",
        lambda components: components.configs["engine"].container,
        "ome-container",
    ),
    "merging/volume-source-replaced:0": (
        "the service's volume source takes the place of the runtime's (ome.md 16.63)",
        lambda components: components.configs["engine"].pod_spec["volumes"][1],
        {"name": "jit-cache", "hostPath": {"path": "/mnt/nvme/jit", "type": "DirectoryOrCreate"}},
    ),
    "model-and-runtime/auto-select-range-against-no-range:0": (
        "a range that fits is better than none (ome.md 16.51)",
        lambda components: components.runtime,
        "asur-a-fitted",
    ),
    "model-and-runtime/namespaced-model-without-kind:0": (
        "the namespace's model is found (ome.md 16.50)",
        lambda components: components.choices[0].split(" is ")[1],
        "BaseModel demo/nmwk-ticket-triage-4b",
    ),
}
"""Steps whose pods deliberately differ: why, and what omeflow does instead."""


def engine(components: Components) -> Json:
    config = components.configs["engine"]
    container: Json = next(one for one in config.pod_spec["containers"] if one["name"] == config.container)
    return container


def is_judged(step: Step) -> bool:
    return (
        step.service is not None
        and step.edited
        and step.service["metadata"]["namespace"] == recorded_cases.NAMESPACE
        and str(step) not in OTHER_PODS
    )


STEPS = list(recorded_cases.steps()) if recorded_cases.DIRECTORY.is_dir() else []
JUDGED = [step for step in STEPS if is_judged(step)]
OTHER = [step for step in STEPS if step.service is not None and step not in JUDGED]

needs_cases = pytest.mark.skipif(
    not STEPS, reason=f"no recorded cases in {recorded_cases.DIRECTORY}: set OMEFLOW_CONFORMANCE_CASES"
)


def build(step: Step) -> Components | Terminal:
    assert step.service is not None
    try:
        return build_components(resolve_inputs(step.service, step.found))
    except Terminal as refusal:
        return refusal


@needs_cases
@pytest.mark.parametrize("step", JUDGED, ids=str)
def test_the_same_pods_as_recorded(step: Step) -> None:
    components = build(step)
    recorded = workloads(step)
    if isinstance(components, Terminal) or lacks_knative(components, step):
        assert not recorded or unchanged(step), f"refused, but recorded: {components}"
        return
    refused = REFUSED_BY_THE_SERVER.get((step.case, step.number), [])
    configs = [config for role, config in components.configs.items() if role not in refused]
    roles = {obj["metadata"]["labels"]["component"] for obj in recorded.values()}
    assert {config.role for config in configs} == (roles if components.configs else set())
    for config in configs:
        _COMPARISONS[config.mode](config, recorded, step)


@needs_cases
@pytest.mark.parametrize("step", [step for step in STEPS if str(step) in OTHER_PODS], ids=str)
def test_what_omeflow_does_instead(step: Step) -> None:
    why, read, expected = OTHER_PODS[str(step)]
    components = build(step)
    assert isinstance(components, Components), f"{components}, but {why}"
    assert read(components) == expected, why


@needs_cases
@pytest.mark.parametrize("step", JUDGED, ids=str)
def test_the_same_model_config_as_recorded(step: Step) -> None:
    components = build(step)
    recorded = [obj["data"][MODELS_JSON] for obj in step.recorded["objects"] if MODELS_JSON in obj.get("data", {})]
    if isinstance(components, Components) and components.mode is not DeploymentMode.VIRTUAL and recorded:
        assert (components.model_config in recorded) is (step.case not in DESCRIBES_ANOTHER_MODEL)


@needs_cases
@pytest.mark.parametrize("step", OTHER, ids=str)
def test_other_cases_are_built_or_refused_in_a_sentence(step: Step) -> None:
    components = build(step)
    assert isinstance(components, Components) or str(components).startswith("InferenceService demo/")


def workloads(step: Step) -> dict[tuple[str, str], Json]:
    objects = step.recorded["objects"]
    return {(obj["apiVersion"], obj["metadata"]["name"]): obj for obj in objects if obj["apiVersion"] in WORKLOADS}


def unchanged(step: Step) -> bool:
    """Whether upstream's children stayed as the step before left them, which is what a refusal amounts to."""
    before = [one for one in STEPS if one.case == step.case and one.number == step.number - 1]
    return bool(before) and before[0].recorded["objects"] == step.recorded["objects"]


def lacks_knative(components: Components, step: Step) -> bool:
    """Whether the strategy refuses the service, because the cluster does not serve Knative Services."""
    modes = [components.mode, *(config.mode for config in components.configs.values())]
    return not step.knative and DeploymentMode.SERVERLESS in modes


def compare_deployment(config: ComponentConfig, recorded: dict[tuple[str, str], Json], step: Step) -> None:
    deployment = recorded[DEPLOYMENT, config.name]
    template = deployment["spec"]["template"]
    labels = config.labels | config.pod_labels | {"app": dns_label(config.name)}
    compare_template(template, labels, config.annotations, config.pod_spec)
    assert not differences(config.extension.deployment_strategy or {}, deployment["spec"]["strategy"], others=True)
    for scaler in step.recorded["objects"]:
        if (scaler["kind"], scaler["metadata"]["name"]) == ("HorizontalPodAutoscaler", config.name):
            compare_bounds(config, scaler["spec"])


def compare_bounds(config: ComponentConfig, recorded: Json) -> None:
    low, high = config.extension.min_replicas, config.extension.max_replicas
    assert low is not None
    assert high is not None
    assert (recorded["minReplicas"], recorded["maxReplicas"]) == (low, max(low, high))


def compare_leader_worker_set(config: ComponentConfig, recorded: dict[tuple[str, str], Json], step: Step) -> None:
    spec = recorded[LEADER_WORKER_SET, f"lws-{config.name[-50:]}"]["spec"]
    group, labels = spec["leaderWorkerTemplate"], config.labels | config.pod_labels
    head = labels | {"app": config.name, "ray.io/node-type": "head"}
    compare_template(group["leaderTemplate"], head, config.annotations, config.pod_spec, sent=True)
    assert config.worker_pod_spec is not None
    annotations = {key: value for key, value in config.annotations.items() if key not in SCRAPING}
    compare_template(group["workerTemplate"], labels, annotations, config.worker_pod_spec, sent=True)
    assert (group["size"], spec["replicas"]) == (config.worker_size + 1, config.extension.min_replicas)


def compare_ray_cluster(config: ComponentConfig, recorded: dict[tuple[str, str], Json], step: Step) -> None:
    """Apart from what the strategy adds to Ray's containers."""
    for index in range(config.extension.min_replicas or 0):
        spec = copy.deepcopy(recorded[RAY, f"{config.name}-{index}"]["spec"])
        for group, added in ((spec["headGroupSpec"], []), (spec["workerGroupSpecs"][0], ["command", "args"])):
            pod = copy.deepcopy(config.pod_spec)
            for container in (*pod["containers"], *group["template"]["spec"]["containers"]):
                for field in ["lifecycle", *added]:
                    container.pop(field, None)
            compare_template(group["template"], config.labels | config.pod_labels, config.annotations, pod, sent=True)


def compare_knative_service(config: ComponentConfig, recorded: dict[tuple[str, str], Json], step: Step) -> None:
    """Apart from the metadata, which the strategy divides between the Service and its template."""
    spec = recorded[KNATIVE, config.name]["spec"]["template"]["spec"]
    timeout = config.extension.timeout_seconds
    limits = {
        "timeoutSeconds": timeout,
        "responseStartTimeoutSeconds": timeout,
        "containerConcurrency": config.extension.container_concurrency,
    }
    assert config.pod_spec | {field: limit for field, limit in limits.items() if limit is not None} == spec


_COMPARISONS = {
    DeploymentMode.RAW: compare_deployment,
    DeploymentMode.MULTI_NODE: compare_leader_worker_set,
    DeploymentMode.MULTI_NODE_RAY: compare_ray_cluster,
    DeploymentMode.SERVERLESS: compare_knative_service,
}


def compare_template(
    recorded: Json, labels: dict[str, str], annotations: dict[str, str], pod: Json, *, sent: bool = False
) -> None:
    """Args: sent: the recording shows what was sent, without the server's defaults."""
    assert recorded["metadata"]["labels"] == labels
    assert recorded["metadata"]["annotations"] == annotations
    assert pod == recorded["spec"] if sent else not differences(pod, recorded["spec"])


def differences(ours: Any, recorded: Any, *, path: str = "", others: bool = False) -> list[str]:
    """Paths at which they differ, apart from the server's defaults; with others, apart from any further field."""
    if isinstance(ours, dict) and isinstance(recorded, dict):
        found = [f"{path}.{field} is not recorded" for field in ours.keys() - recorded.keys()]
        for field, value in recorded.items():
            if field in ours:
                found += differences(ours[field], value, path=f"{path}.{field}", others=others)
            elif not others and not is_default(field, value, ours):
                found.append(f"{path}.{field} is recorded only: {value}")
        return found
    if isinstance(ours, list) and isinstance(recorded, list) and len(ours) == len(recorded):
        pairs = enumerate(zip(ours, recorded, strict=True))
        return [one for n, (a, b) in pairs for one in differences(a, b, path=f"{path}[{n}]", others=others)]
    return [] if ours == recorded else [f"{path}: {ours!r} instead of {recorded!r}"]


def is_default(field: str, value: Any, ours: Json) -> bool:
    if field == "serviceAccount":
        return bool(value == ours.get("serviceAccountName"))
    return field in SERVER_DEFAULTS and bool(SERVER_DEFAULTS[field] == value)
