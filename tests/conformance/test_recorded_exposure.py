"""How services are reached, against recordings of OME's own controller: the same Services and Ingresses.

Judged is every write to a service that can be built. Recordings hold what the API server stored, so a field of a spec
that only the recording has must be one that the server fills in. Where omeflow deliberately does something else, a
table below says what; everything else of such a step is judged all the same.
"""

import copy
from typing import Any

import pytest
import recorded_cases
from recorded_cases import Step

from omeflow.api.errors import NotServed, Terminal
from omeflow.components.build import build_components
from omeflow.components.resolution import resolve_inputs
from omeflow.components.types import DeploymentMode
from strategies.contract import Owner
from strategies.exposure import Exposed, exposure
from strategies.single_component.services import backend

Json = dict[str, Any]
Address = tuple[str, str]

JUDGED_KINDS = {"v1": ("Service", "ConfigMap"), "networking.k8s.io/v1": ("Ingress",)}
FILLED_IN = {
    "allocateLoadBalancerNodePorts",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "sessionAffinity",
}
"""Fields of a Service that the API server sets."""

SEVERAL_PODS = (DeploymentMode.MULTI_NODE, DeploymentMode.MULTI_NODE_RAY)
"""Upstream's Services of such components select other services' pods, workers, or nothing (ome.md 16.4 to 16.6)."""

OTHER_PORTS = {
    "admission/predictor-runner-picked-by-name:0": "the runner's, not the first container's (ome.md 16.64)",
    "admission/predictor-runner-substring-match:0": "the same",
    "exposure/sidecar-decides-service-ports:0": "the same",
    "raw/sidecar-decides-service-ports:0": "the same",
}
OTHER_TYPE = {"exposure/service-type-changed-later:1": "the component's Service follows the annotation (16.77)"}
OTHER_METADATA = {
    "model-and-runtime/auto-select-range-against-no-range:0": "the runtime with the range is chosen (16.51)"
}
OTHER_MODEL_CONFIG = {
    "model-and-runtime/namespaced-model-hides-cluster-model:0": "of the model that is deployed (16.50)"
}

NOT_RECORDED: dict[str, set[Address]] = {
    # Upstream overwrites somebody else's Service; omeflow's apply is refused (16.1).
    "exposure/foreign-service-with-the-same-name:0": {("Service", "chat-front")},
    # Upstream waits until the component is ready (design rule 6).
    "exposure/ingress-waits-for-engine:0": {("Ingress", "chat-pending")},
    # Upstream's Deployment or budget is refused by the server, and what comes after it is not reached.
    "merging/literal-braces-in-args:0": {
        ("Service", "inline-chat-template"),
        ("Service", "inline-chat-template-engine"),
    },
    "merging/runner-without-name:0": {("Service", "nameless"), ("Service", "nameless-engine")},
    "merging/volume-source-replaced:0": {("Service", "other-source"), ("Service", "other-source-engine")},
    "raw/legacy-container-resources:0": {("Service", "commandr-legacy"), ("Service", "commandr-legacy-decoder")},
    "raw/pdb-both-bounds:0": {("Service", "olmo-budget")},
    # Upstream finds no model (16.50).
    "model-and-runtime/namespaced-model-without-kind:0": {
        ("ConfigMap", "modelconfig-ticket-triage"),
        ("Service", "ticket-triage"),
        ("Service", "ticket-triage-engine"),
    },
}
RECORDED_ONLY: dict[str, set[Address]] = {
    # Upstream leaves behind what is not wanted any more; omeflow prunes it (16.35, 16.36).
    "exposure/ingress-turned-off-later:1": {("Ingress", "chat-optout")},
    "modes/raw-to-virtual-leftovers:1": {
        ("ConfigMap", "modelconfig-yi-retired"),
        ("Service", "yi-retired"),
        ("Service", "yi-retired-engine"),
    },
}

STEPS = list(recorded_cases.steps()) if recorded_cases.DIRECTORY.is_dir() else []
JUDGED = [step for step in STEPS if step.service is not None and step.edited]
needs_cases = pytest.mark.skipif(
    not STEPS, reason=f"no recorded cases in {recorded_cases.DIRECTORY}: set OMEFLOW_CONFORMANCE_CASES"
)


@needs_cases
@pytest.mark.parametrize("step", JUDGED, ids=str)
def test_the_same_exposure_as_recorded(step: Step) -> None:
    recorded = addressed(step)
    exposed = build(step)
    if isinstance(exposed, Terminal):
        print(f"{step} is refused: {exposed}")
        assert not [kind for kind, _ in recorded if kind != "ConfigMap"] or recorded == addressed(before(step))
        return
    ours = {(one["kind"], one["metadata"]["name"]): one for one in exposure(exposed)}
    assert ours.keys() - NOT_RECORDED.get(str(step), set()) == recorded.keys() - RECORDED_ONLY.get(str(step), set())
    for address in ours.keys() & recorded.keys():
        theirs = with_our_ports(recorded[address], exposed) if address[0] == "Ingress" else recorded[address]
        assert not differences(step, exposed, ours[address], theirs)


def build(step: Step) -> Exposed | Terminal:
    assert step.service is not None
    try:
        components = build_components(resolve_inputs(step.service, step.found))
    except Terminal as refusal:
        return refusal
    if not step.knative and DeploymentMode.SERVERLESS in [one.mode for one in components.configs.values()]:
        return NotServed("the cluster does not serve Knative Services")
    owner = Owner(components.namespace, components.service, "u1")
    return Exposed.of(owner, components, {role: backend(owner, one) for role, one in components.configs.items()})


def addressed(step: Step | None) -> dict[Address, Json]:
    """What was recorded of the kinds that are judged."""
    objects = step.recorded["objects"] if step else []
    judged = [one for one in objects if one["kind"] in JUDGED_KINDS.get(one["apiVersion"], ())]
    return {(one["kind"], one["metadata"]["name"]): one for one in judged}


def before(step: Step) -> Step | None:
    return next((one for one in STEPS if one.case == step.case and one.number == step.number - 1), None)


def with_our_ports(ingress: Json, exposed: Exposed) -> Json:
    """A recorded Ingress with the ports that the Services have; upstream's are 8080, whatever they are (16.45)."""
    ports = {one.host: one.port for one in exposed.backends.values()}
    corrected = copy.deepcopy(ingress)
    for rule in corrected["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            service = path["backend"]["service"]
            assert service["port"] == {"number": 8080}
            service["port"] = {"number": ports[service["name"]]}
    return corrected


def differences(step: Step, exposed: Exposed, ours: Json, recorded: Json) -> list[str]:
    found = []
    if ours["kind"] != "Service" or step.number == 0:  # upstream's keep the metadata that they were made with (16.77)
        for field in ("labels", "annotations"):
            mine, theirs = ours["metadata"].get(field), recorded["metadata"].get(field)
            if mine != theirs and str(step) not in OTHER_METADATA:
                found.append(f"{field}: {mine!r} instead of {theirs!r}")
    if ours["kind"] == "ConfigMap":
        return found + ([] if ours["data"] == recorded["data"] or str(step) in OTHER_MODEL_CONFIG else ["data"])
    other = deliberately_other(step, exposed, ours)
    for field in (ours["spec"].keys() | recorded["spec"].keys() - FILLED_IN) - other:
        mine, theirs = ours["spec"].get(field), without_node_ports(recorded["spec"].get(field))
        if mine != theirs:
            found.append(f"{field}: {mine!r} instead of {theirs!r}")
    return found


def deliberately_other(step: Step, exposed: Exposed, ours: Json) -> set[str]:
    """Fields of a spec in which omeflow differs on purpose."""
    if ours["kind"] != "Service":
        return set()
    role = ours["metadata"]["labels"]["component"]
    target = exposed.backends.get(role, exposed.entry)
    return (
        ({"selector"} if target.config.mode in SEVERAL_PODS else set())
        | ({"ports"} if str(step) in OTHER_PORTS else set())
        | ({"type"} if str(step) in OTHER_TYPE else set())
    )


def without_node_ports(value: Any) -> Any:
    """Ports without what the server chose."""
    if not isinstance(value, list):
        return value
    return [{field: one for field, one in port.items() if field != "nodePort"} for port in value]


@needs_cases
@pytest.mark.parametrize("field", ["ports", "type"])
def test_the_tables_name_steps_that_do_differ(field: str) -> None:
    listed = {"ports": OTHER_PORTS, "type": OTHER_TYPE}[field]
    for step in [one for one in JUDGED if str(one) in listed]:
        exposed = build(step)
        assert isinstance(exposed, Exposed)
        ours = {
            one["metadata"]["name"]: one["spec"].get(field) for one in exposure(exposed) if one["kind"] == "Service"
        }
        theirs = {name: one["spec"].get(field) for (kind, name), one in addressed(step).items() if kind == "Service"}
        assert ours != {name: without_node_ports(value) for name, value in theirs.items()}
