"""A whole service as one RoleBasedGroup, with a scaling adapter, an autoscaler and a Service per role."""

from collections.abc import Mapping
from typing import Any

import pytest
from exposure_samples import INGRESS
from rbg_samples import CONTAINER, OWNER, Json, config, group, instance, live, pod, version, versions, workload

from omeflow.api.errors import Invalid
from omeflow.api.kinds import COORDINATED_POLICY, ROLE_BASED_GROUP
from omeflow.api.rollouts import pack, unpack
from omeflow.components.types import ComponentConfig, Components, DeploymentMode
from strategies.contract import Desired, Live, PlanRequest
from strategies.rbg.strategy import RBGStrategy

RAW, MULTI, SERVERLESS = DeploymentMode.RAW, DeploymentMode.MULTI_NODE, DeploymentMode.SERVERLESS
STRATEGY = RBGStrategy()


def planned(*configs: ComponentConfig) -> Desired:
    components = Components("chat", "serving", "llama", "srt", {one.role: one for one in configs})
    return STRATEGY.plan(PlanRequest(OWNER, components))


def multi_node(role: str, **more: Any) -> ComponentConfig:
    return config(role, mode=MULTI, worker_pod_spec={"containers": [CONTAINER]}, worker_size=1, **more)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"ome.io/deploymentMode": "RoleBasedGroup"}, True),
        ({"ome.io/deploymentMode": "RawDeployment"}, False),
        ({"ome.io/deploymentMode": ""}, False),
        ({}, False),
    ],
)
def test_when_it_applies(annotations: Mapping[str, str], expected: bool) -> None:
    assert STRATEGY.is_applicable(annotations) is expected


@pytest.mark.parametrize("engine", [RAW, MULTI])
@pytest.mark.parametrize("decoder", [None, RAW, MULTI])
@pytest.mark.parametrize("router", [None, RAW])
def test_modes_that_a_group_can_run(
    engine: DeploymentMode, decoder: DeploymentMode | None, router: DeploymentMode | None
) -> None:
    modes = {"engine": engine, "decoder": decoder, "router": router}
    STRATEGY.validate_deployment_modes("serving/chat", {role: mode for role, mode in modes.items() if mode})


@pytest.mark.parametrize(
    ("modes", "sentence"),
    [
        ({}, "spec.engine is missing; a RoleBasedGroup service needs one"),
        ({"router": RAW}, "spec.engine is missing; a RoleBasedGroup service needs one"),
        (
            {"engine": SERVERLESS},
            "spec.engine resolves to Serverless, but a RoleBasedGroup runs it as RawDeployment or MultiNode;"
            " set spec.engine.minReplicas to 1 or more",
        ),
        (
            {"engine": RAW, "router": SERVERLESS},
            "spec.router resolves to Serverless, but a RoleBasedGroup runs it as RawDeployment;"
            " set spec.router.minReplicas to 1 or more",
        ),
        (
            {"engine": RAW, "router": MULTI},
            "spec.router resolves to MultiNode, but a RoleBasedGroup runs it as RawDeployment;"
            " remove spec.router.leader and spec.router.worker",
        ),
        (
            {"engine": DeploymentMode.MULTI_NODE_RAY},
            "spec.engine resolves to MultiNodeRayVLLM, but a RoleBasedGroup runs it as RawDeployment or MultiNode;"
            " remove the annotation ome.io/deploymentMode from spec.engine.annotations",
        ),
    ],
)
def test_a_refusal_names_object_field_and_remedy(modes: dict[str, DeploymentMode], sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        STRATEGY.validate_deployment_modes("serving/chat", modes)
    assert str(refused.value) == f"InferenceService serving/chat: {sentence}"


def test_a_mode_annotation_that_would_be_dropped_is_refused() -> None:
    asking = config("router", annotations={"ome.io/deploymentMode": "MultiNode"})
    with pytest.raises(Invalid, match=r"spec\.router\.annotations\[ome\.io/deploymentMode\] asks for MultiNode"):
        planned(config(), asking)
    planned(config(), config("router", annotations={"ome.io/deploymentMode": "RoleBasedGroup"}))


def test_every_role_has_a_scaler_on_its_adapter_and_a_service() -> None:
    wanted = planned(config("engine"), config("decoder"), config("router"))
    assert [*wanted.roles] == ["engine", "decoder", "router"]
    services = [manifest for manifest in wanted.exposure if manifest["metadata"]["name"] != "chat"]
    for role, scaler, service in zip(wanted.roles, wanted.autoscalers, services, strict=True):
        assert scaler["spec"]["scaleTargetRef"]["name"] == f"chat-{role}"
        assert scaler["spec"]["scaleTargetRef"]["kind"] == "RoleBasedGroupScalingAdapter"
        assert service["metadata"]["name"] == f"chat-{role}"
    assert [obj["kind"] for obj in wanted.rbac] == ["ServiceAccount", "Role", "RoleBinding"]
    assert wanted.shared == [*wanted.rbac, *wanted.autoscalers, *wanted.exposure]


def test_keda_scales_the_adapter_of_the_role_that_asks_for_it() -> None:
    keda = {"ome.io/autoscalerClass": "keda"}
    scaled, plain = planned(multi_node("engine", annotations=keda), config("router")).autoscalers
    assert scaled["kind"] == "ScaledObject"
    assert scaled["spec"]["scaleTargetRef"] == {
        "apiVersion": "workloads.x-k8s.io/v1alpha2",
        "kind": "RoleBasedGroupScalingAdapter",
        "name": "chat-engine",
    }
    assert plain["kind"] == "HorizontalPodAutoscaler"


@pytest.mark.parametrize("gateway", [False, True])
def test_from_outside_a_group_is_reached_at_its_router(gateway: bool) -> None:
    configs = {one.role: one for one in (multi_node("engine"), config("decoder"), config("router"))}
    ingress = INGRESS | {"disableIngressCreation": False, "enableGatewayAPI": gateway}
    components = Components("chat", "serving", "llama", "srt", configs, configuration={"ingress": ingress})
    exposed = STRATEGY.plan(PlanRequest(OWNER, components)).exposure
    named = {one["kind"]: one["spec"] for one in exposed if one["metadata"]["name"] == "chat"}
    if gateway:
        [rule, *_] = named["HTTPRoute"]["rules"]
        assert [backend["name"] for backend in rule["backendRefs"]] == ["chat-router"]
    else:
        [rule, *_] = named["Ingress"]["rules"]
        assert [path["backend"]["service"]["name"] for path in rule["http"]["paths"]] == ["chat-router"]
    assert "Service" not in named


def test_without_a_router_nobody_needs_rights() -> None:
    assert planned(config("engine")).rbac == []


def test_an_external_scaler_leaves_only_that_role_without_one() -> None:
    wanted = planned(config("engine", annotations={"ome.io/autoscalerClass": "external"}), config("router"))
    assert [scaler["metadata"]["name"] for scaler in wanted.autoscalers] == ["chat-router"]


@pytest.mark.parametrize(
    ("component", "leader"), [(config("engine"), {}), (multi_node("engine"), {"component-index": "0"})]
)
def test_a_service_selects_the_pods_that_serve(component: ComponentConfig, leader: Json) -> None:
    service, external = planned(component).exposure
    expected = {"group-name": "chat", "role-name": "engine", **leader}
    assert service["spec"]["selector"] == {f"rbg.workloads.x-k8s.io/{key}": text for key, text in expected.items()}
    assert external["metadata"]["name"] == "chat"
    assert external["spec"]["selector"] == service["spec"]["selector"]


def test_every_role_of_several_replicas_has_a_disruption_budget_over_all_of_its_pods() -> None:
    wanted = planned(multi_node("engine", min_replicas=2), config("router", min_replicas=3), config("decoder"))
    budgets = {one["metadata"]["name"]: one["spec"] for one in wanted.exposure if one["kind"] == "PodDisruptionBudget"}
    prefix = "rbg.workloads.x-k8s.io/"
    assert budgets == {
        f"chat-{role}": {
            "minAvailable": pods,
            "selector": {"matchLabels": {f"{prefix}group-name": "chat", f"{prefix}role-name": role}},
        }
        for role, pods in (("engine", 3), ("router", 2))
    }


def test_a_service_is_reached_at_its_entry_component() -> None:
    wanted = planned(config("engine"), config("decoder"), config("router"))
    assert wanted.exposure[-1]["spec"]["selector"]["rbg.workloads.x-k8s.io/role-name"] == "router"
    assert (wanted.urls.url, wanted.urls.entry) == ("http://chat.serving.svc.cluster.local:8080", "router")
    assert wanted.urls.components.keys() == wanted.roles.keys()


def test_what_is_wanted_survives_the_record() -> None:
    wanted = planned(multi_node("engine", min_replicas=3), config("decoder"), config("router"))
    again = Desired.from_json(unpack(pack(wanted.to_json())))
    assert again == wanted
    assert list(again.roles) == list(wanted.roles)


@pytest.mark.parametrize(
    ("modes", "entry"),
    [
        ({"engine": MULTI}, MULTI),
        ({"engine": MULTI, "decoder": RAW}, RAW),
        ({"engine": MULTI, "decoder": MULTI, "router": RAW}, RAW),
    ],
)
def test_the_mode_of_the_entry_component(modes: dict[str, DeploymentMode], entry: DeploymentMode) -> None:
    assert STRATEGY.ingress_deployment_mode(modes) is entry


def test_the_services_group_is_found_among_others() -> None:
    other = group({"name": "engine", "replicas": 9}, uid="other")
    other["metadata"]["name"] = "chat-2"
    mine = group({"name": "engine", "replicas": 4})
    roles = versions(version(2, "engine"))
    seed, whole = STRATEGY.workload(OWNER, roles, Live({ROLE_BASED_GROUP: [other, mine]}))
    assert seed.manifest["spec"]["roles"] == [{"name": "engine", "replicas": 4}]
    assert whole.manifest["metadata"]["uid"] == "g1"
    assert STRATEGY.workload(OWNER, roles, Live({ROLE_BASED_GROUP: [other]}))[0].manifest["metadata"].get("uid") is None


def test_leaving_roles_are_removed_and_the_others_stay() -> None:
    live_group = group({"name": "engine", "replicas": 4}, {"name": "router", "replicas": 1})
    roles = versions(version(2, "engine"), version(1, "router"))
    applies = STRATEGY.removal(OWNER, roles, ["router"], live(live_group))
    assert [role["name"] for role in applies[-1].manifest["spec"]["roles"]] == ["engine"]
    assert STRATEGY.removal(OWNER, roles, [], live(live_group)) == []


def test_roles_are_read_from_the_live_objects() -> None:
    state = live(group({"name": "engine", "replicas": 1}), [workload(replicas=1)], [instance(0)], [pod(0)])
    assert STRATEGY.served_attempts("chat", state) == {"engine": 1}
    assert STRATEGY.role_states("chat", state)["engine"].done_at(1)
    assert STRATEGY.served_attempts("chat", Live({})) == {}


def test_every_kind_that_is_read_is_declared() -> None:
    assert [*STRATEGY.observed_kinds] == [ROLE_BASED_GROUP, COORDINATED_POLICY]
    assert [observed.kind.name for observed in STRATEGY.observed_kinds[ROLE_BASED_GROUP]] == [
        "RoleBasedGroup",
        "RoleInstanceSet",
        "RoleInstance",
        "RoleBasedGroupScalingAdapter",
        "Pod",
    ]


def test_roles_share_a_group_and_have_an_adapter_each() -> None:
    wanted = planned(config("engine"), config("router"))
    group_of_all = {"apiVersion": "workloads.x-k8s.io/v1alpha2", "kind": "RoleBasedGroup", "name": "chat"}
    assert wanted.workloads == [group_of_all]
    assert [role.counted["name"] for role in wanted.roles.values() if role.counted] == ["chat-engine", "chat-router"]
