"""Rendered objects against recordings of OME's own controller: the same ones for the same inputs (design rule 5).

Nulls, and empty objects that Go's encoder writes for nothing, say nothing, as in the played conformance. The optional
kinds were recorded with permissive schemas and show what was sent, so they must be equal; what the server completes
must hold everything that omeflow sends.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import recorded_cases
from recorded_cases import Step
from test_components import REFUSED_BY_THE_SERVER, build, unchanged

from omeflow.api.errors import Terminal
from omeflow.api.kinds import DEPLOYMENT
from omeflow.components.types import ComponentConfig, Components, DeploymentMode
from strategies.autoscaling import autoscaler
from strategies.contract import Manifest, Owner
from strategies.disruption import disruption_budget
from strategies.single_component.deployment import deployment, deployment_labels
from strategies.single_component.knative_service import knative_service
from strategies.single_component.leader_worker_set import leader_worker_set
from strategies.single_component.prober import probers
from strategies.single_component.ray_cluster import ray_clusters
from strategies.single_component.serving_pods import app_label

Json = dict[str, Any]

SENT_AS_RECORDED = ("leaderworkerset.x-k8s.io/v1", "ray.io/v1", "serving.knative.dev/v1", "keda.sh/v1alpha1")
COMPLETED_BY_THE_SERVER = ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget")
LEFT_BEHIND = {("ray/cluster-count-edit", 1): ["apps/v1 Deployment dsv25-ray-engine-1-mnp"]}
"""Objects that upstream forgets: a prober whose Ray cluster is gone (ome.md 9.3)."""
WRITTEN_FOR_NOTHING = {"resources", "scaleStrategy", "loadBalancer", "spec", "status", "strategy"}

STEPS = list(recorded_cases.steps()) if recorded_cases.DIRECTORY.is_dir() else []


def is_compared(obj: Json) -> bool:
    return obj["apiVersion"] in SENT_AS_RECORDED or obj["kind"] in COMPLETED_BY_THE_SERVER


JUDGED = [
    step
    for step in STEPS
    if step.differs is None
    and step.service is not None
    and step.edited
    and any(map(is_compared, step.recorded["objects"]))
]


@pytest.mark.skipif(not STEPS, reason=f"no recorded cases in {recorded_cases.DIRECTORY}: set OMEFLOW_CONFORMANCE_CASES")
@pytest.mark.parametrize("step", JUDGED, ids=str)
def test_the_same_objects_as_recorded(step: Step) -> None:
    recorded = {key(obj): meant(plain(obj, step)) for obj in step.recorded["objects"] if is_compared(obj)}
    components = build(step)
    if isinstance(components, Terminal):
        assert unchanged(step), f"refused, but recorded: {components}"
        return
    for forgotten in LEFT_BEHIND.get((step.case, step.number), []):
        del recorded[forgotten]
    absent = REFUSED_BY_THE_SERVER.get((step.case, step.number), [])
    found = {key(obj): meant(plain(obj, step)) for obj in rendered(components, without=absent)}
    for name, ours in found.items():
        if name in recorded and ours["apiVersion"] not in SENT_AS_RECORDED:
            assert not lacking(ours, recorded[name]), name
            found[name] = recorded[name]
    assert found == recorded


def rendered(components: Components, *, without: list[str]) -> Iterator[Manifest]:
    owner = Owner(components.namespace, components.service, "u")
    for role, config in components.configs.items():
        if role not in without:
            yield from _RENDERERS[config.mode](owner, config, components)


def _deployment_kinds(owner: Owner, config: ComponentConfig, components: Components) -> Iterator[Manifest]:
    labels = deployment_labels(config)
    yield deployment(owner, config)
    yield disruption_budget(owner, config, labels=labels, selector=app_label(config))
    if scaler := autoscaler(owner, config, target=DEPLOYMENT, target_name=config.name, labels=labels):
        yield scaler


def _multi_node_kinds(owner: Owner, config: ComponentConfig, components: Components) -> Iterator[Manifest]:
    made = leader_worker_set(owner, config)
    yield {**made, "spec": {**made["spec"], "replicas": config.extension.min_replicas}}


def _ray_kinds(owner: Owner, config: ComponentConfig, components: Components) -> Iterator[Manifest]:
    yield from ray_clusters(owner, config)
    yield from probers(owner, config, configuration=components.configuration)


def _knative_kinds(owner: Owner, config: ComponentConfig, components: Components) -> Iterator[Manifest]:
    yield knative_service(owner, config, rolled_out=None)


_RENDERERS = {
    DeploymentMode.RAW: _deployment_kinds,
    DeploymentMode.MULTI_NODE: _multi_node_kinds,
    DeploymentMode.MULTI_NODE_RAY: _ray_kinds,
    DeploymentMode.SERVERLESS: _knative_kinds,
}


def key(obj: Json) -> str:
    return f"{obj['apiVersion']} {obj['kind']} {obj['metadata']['name']}"


def plain(obj: Json, step: Step) -> Json:
    """The object without what the server made of it. Upstream leaves a budget's metadata as created (ome.md 16.77)."""
    if obj["kind"] == "PodDisruptionBudget" and step.number > 0:
        return {**obj, "metadata": {"name": obj["metadata"]["name"]}}
    metadata = {field: value for field, value in obj["metadata"].items() if field != "namespace"}
    owners = [
        {part: text for part, text in one.items() if part != "uid"} for one in metadata.get("ownerReferences", [])
    ]
    return {**obj, "metadata": {**metadata, "ownerReferences": owners}}


def meant(value: Any) -> Any:
    """The value without what Go's encoder writes for nothing."""
    if isinstance(value, dict):
        kept = {field: meant(item) for field, item in value.items() if item is not None}
        return {field: item for field, item in kept.items() if item != {} or field not in WRITTEN_FOR_NOTHING}
    return [meant(item) for item in value] if isinstance(value, list) else value


def lacking(ours: Any, recorded: Any, path: str = "") -> list[str]:
    """Paths at which the recorded value does not hold ours."""
    if isinstance(ours, dict) and isinstance(recorded, dict):
        return [one for field, value in ours.items() for one in lacking(value, recorded.get(field), f"{path}.{field}")]
    if isinstance(ours, list) and isinstance(recorded, list) and len(ours) == len(recorded):
        pairs = enumerate(zip(ours, recorded, strict=True))
        return [one for number, (a, b) in pairs for one in lacking(a, b, f"{path}[{number}]")]
    return [] if ours == recorded else [f"{path}: {ours!r} instead of {recorded!r}"]
