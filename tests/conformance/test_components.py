"""The pipeline against recordings of OME's own controller: the same pods for the same inputs (design rule 5).

In scope are services with a named runtime whose components are Deployments and LeaderWorkerSets. Recordings hold what
the API server stored, so a field that only the recording has must be one of the server's defaults.
"""

from typing import Any

import pytest
import recorded_cases
from recorded_cases import Step

from omeflow.api.errors import Terminal
from omeflow.api.names import dns_label
from omeflow.components.build import build_components
from omeflow.components.inputs import resolve_inputs
from omeflow.components.types import ComponentConfig, Components, DeploymentMode

Json = dict[str, Any]

WORKLOADS = ("Deployment", "LeaderWorkerSet")
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


def in_scope(step: Step) -> bool:
    if step.service is None or step.service["metadata"]["namespace"] != recorded_cases.NAMESPACE:
        return False
    spec = step.service["spec"]
    components = [spec.get(role) or {} for role in ("engine", "decoder")]
    mode = (step.service["metadata"].get("annotations") or {}).get("ome.io/deploymentMode")
    return (
        bool((spec.get("runtime") or {}).get("name"))
        and "acceleratorSelector" not in spec
        and not any("acceleratorOverride" in component for component in components)
        and not (spec.get("model") or {}).get("fineTunedWeights")
        and "predictor" not in spec
        and mode not in ("VirtualDeployment", "Serverless")
        and not any("knative" in obj["apiVersion"] or "ray.io" in obj["apiVersion"] for obj in step.recorded["objects"])
        and all(component.get("minReplicas") != 0 for component in [spec.get("router") or {}])
    )


STEPS = list(recorded_cases.steps()) if recorded_cases.DIRECTORY.is_dir() else []
JUDGED = [step for step in STEPS if in_scope(step) and step.differs is None]
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
    recorded = {
        (obj["kind"], obj["metadata"]["name"]): obj for obj in step.recorded["objects"] if obj["kind"] in WORKLOADS
    }
    components = build(step)
    if isinstance(components, Terminal):
        assert not recorded or unchanged(step), f"refused, but recorded: {components}"
        return
    absent = REFUSED_BY_THE_SERVER.get((step.case, step.number), [])
    assert len(components.configs) == len(recorded) + len(absent)
    for config in components.configs.values():
        if config.role in absent:
            continue
        if config.mode is DeploymentMode.RAW:
            compare_deployment(config, recorded["Deployment", config.name], step)
        else:
            compare_leader_worker_set(config, recorded["LeaderWorkerSet", f"lws-{config.name[-50:]}"])


@needs_cases
@pytest.mark.parametrize("step", OTHER, ids=str)
def test_other_cases_are_built_or_refused_in_a_sentence(step: Step) -> None:
    components = build(step)
    assert isinstance(components, Components) or str(components).startswith("InferenceService demo/")


def unchanged(step: Step) -> bool:
    """Whether upstream's children stayed as the step before left them, which is what a refusal amounts to."""
    before = [one for one in STEPS if one.case == step.case and one.number == step.number - 1]
    return bool(before) and before[0].recorded["objects"] == step.recorded["objects"]


def compare_deployment(config: ComponentConfig, recorded: Json, step: Step) -> None:
    template = recorded["spec"]["template"]
    labels = config.labels | config.pod_labels | {"app": dns_label(config.name)}
    assert template["metadata"]["labels"] == labels
    assert template["metadata"]["annotations"] == config.annotations
    assert not differences(config.pod_spec, template["spec"])
    assert not differences(config.extension.deployment_strategy or {}, recorded["spec"]["strategy"], others=True)
    for scaler in step.recorded["objects"]:
        if (scaler["kind"], scaler["metadata"]["name"]) == ("HorizontalPodAutoscaler", config.name):
            low, high = config.extension.min_replicas, config.extension.max_replicas
            assert low is not None
            assert high is not None
            assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (low, max(low, high))


def compare_leader_worker_set(config: ComponentConfig, recorded: Json) -> None:
    group = recorded["spec"]["leaderWorkerTemplate"]
    leader, worker = group["leaderTemplate"], group["workerTemplate"]
    labels = config.labels | config.pod_labels
    assert leader["metadata"]["labels"] == labels | {"app": config.name, "ray.io/node-type": "head"}
    assert leader["metadata"]["annotations"] == config.annotations
    assert not differences(config.pod_spec, leader["spec"])
    assert worker["metadata"]["labels"] == labels
    assert worker["metadata"]["annotations"] == {
        key: value for key, value in config.annotations.items() if key not in SCRAPING
    }
    assert config.worker_pod_spec is not None
    assert not differences(config.worker_pod_spec, worker["spec"])
    assert (group["size"], recorded["spec"]["replicas"]) == (config.worker_size + 1, config.extension.min_replicas)


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
