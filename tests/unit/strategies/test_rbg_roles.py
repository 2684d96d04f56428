"""A component as a role of a RoleBasedGroup (rbg.md 1.3, 2.4, 8.1)."""

from dataclasses import replace
from typing import Any

import pytest
from rbg_samples import CONTAINER, OWNER, Json, config

from omeflow.api.errors import Invalid
from omeflow.components.types import ComponentConfig, DeploymentMode
from strategies.rbg.roles import LONGEST_NAME, desired_role

ALIASES = [
    {"name": "LWS_LEADER_ADDRESS", "value": "$(RBG_LWP_LEADER_ADDRESS)"},
    {"name": "LWS_GROUP_SIZE", "value": "$(RBG_LWP_GROUP_SIZE)"},
    {"name": "LWS_WORKER_INDEX", "value": "$(RBG_LWP_WORKER_INDEX)"},
]


def multi_node(**changes: Any) -> ComponentConfig:
    given: Json = {
        "mode": DeploymentMode.MULTI_NODE,
        "worker_pod_spec": {"containers": [CONTAINER | {"image": "worker:1"}]},
        "worker_size": 2,
    }
    return config(**(given | changes))


def body(component: ComponentConfig) -> Json:
    return desired_role(OWNER, component).body


def rolling_update(**strategy: Any) -> Json:
    update: Json = body(config(deployment_strategy=strategy or None))["rolloutStrategy"]["rollingUpdate"]
    return update


def test_a_component_of_single_pods() -> None:
    component = config(labels={"a": "1"}, pod_labels={"queue": "q"}, annotations={"ome.io/x": "1"})
    assert body(component) == {
        "name": "engine",
        "scalingAdapter": {"enable": True},
        "rolloutStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"type": "InPlaceIfPossible", "maxUnavailable": 1, "maxSurge": 0},
        },
        "standalonePattern": {
            "template": {
                "metadata": {"labels": {"a": "1", "queue": "q"}, "annotations": {"ome.io/x": "1"}},
                "spec": {"containers": [CONTAINER]},
            }
        },
    }


def test_a_component_of_several_nodes() -> None:
    pattern = body(multi_node())["leaderWorkerPattern"]
    metadata = {"labels": {"component": "engine"}, "annotations": {}}
    assert pattern == {
        "size": 3,
        "sharedServiceSelection": "All",
        "template": {"metadata": metadata, "spec": {"containers": [CONTAINER | {"env": ALIASES}]}},
        "workerTemplatePatch": {
            "metadata": {"$patch": "replace", **metadata},
            "spec": {
                "$patch": "replace",
                "containers": [CONTAINER | {"image": "worker:1", "env": ALIASES}],
            },
        },
    }
    assert "standalonePattern" not in body(multi_node())


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ([], ALIASES),
        ([{"name": "A", "value": "$(LWS_GROUP_SIZE)"}], [*ALIASES, {"name": "A", "value": "$(LWS_GROUP_SIZE)"}]),
        (
            [{"name": "LWS_GROUP_SIZE", "value": "4"}],
            [ALIASES[0], ALIASES[2], {"name": "LWS_GROUP_SIZE", "value": "4"}],
        ),
        (ALIASES, ALIASES),
    ],
)
def test_variables_of_leader_worker_sets_come_first_and_only_once(env: list[Json], expected: list[Json]) -> None:
    spec = {"containers": [CONTAINER | {"env": env}, {"name": "side"}]}
    pattern = body(multi_node(pod_spec=spec, worker_pod_spec=spec))["leaderWorkerPattern"]
    for part in ("template", "workerTemplatePatch"):
        main, side = pattern[part]["spec"]["containers"]
        assert main["env"] == expected
        assert side["env"] == ALIASES


def test_the_component_itself_is_left_as_it_was() -> None:
    component = multi_node()
    desired_role(OWNER, component)
    assert component == multi_node()


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({}, {"maxUnavailable": 1, "maxSurge": 0}),
        ({"type": "RollingUpdate"}, {"maxUnavailable": 1, "maxSurge": 0}),
        ({"rollingUpdate": {}}, {"maxUnavailable": 1, "maxSurge": 0}),
        ({"rollingUpdate": {"maxSurge": 1}}, {"maxUnavailable": 1, "maxSurge": 1}),
        ({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}, {"maxUnavailable": 0, "maxSurge": "25%"}),
        ({"rollingUpdate": {"maxUnavailable": "50%"}}, {"maxUnavailable": "50%", "maxSurge": 0}),
    ],
)
def test_how_pods_are_replaced(strategy: Json, expected: Json) -> None:
    assert rolling_update(**strategy) == {"type": "InPlaceIfPossible", **expected}


def test_recreate_replaces_all_pods_at_once() -> None:
    assert rolling_update(type="Recreate") == {"type": "RecreatePod", "maxUnavailable": "100%", "maxSurge": 0}


@pytest.mark.parametrize("unavailable", [0, "0", "0%"])
@pytest.mark.parametrize("surge", [None, 0, "0%"])
def test_an_update_that_could_never_replace_a_pod_is_refused(unavailable: int | str, surge: int | str | None) -> None:
    given = {"maxUnavailable": unavailable} | ({} if surge is None else {"maxSurge": surge})
    with pytest.raises(Invalid, match="no pod could ever be replaced") as refused:
        rolling_update(rollingUpdate=given)
    assert str(refused.value).startswith(
        "InferenceService serving/chat: spec.engine.deploymentStrategy.rollingUpdate has maxUnavailable 0"
    )


@pytest.mark.parametrize("bound", ["many", "-1%", "1", "", -1, True, 1.5, {}])
def test_a_bound_that_rbg_could_not_read_is_refused(bound: Any) -> None:
    with pytest.raises(Invalid, match=r"serving/chat: spec\.engine\.deploymentStrategy\.rollingUpdate\.maxSurge is"):
        rolling_update(rollingUpdate={"maxSurge": bound})


@pytest.mark.parametrize(("length", "fits"), [(LONGEST_NAME, True), (LONGEST_NAME + 1, False)])
def test_a_name_leaves_room_for_the_ordinals_of_pods(length: int, fits: bool) -> None:
    name = "c" * (length - len("-engine")) + "-engine"
    if fits:
        assert desired_role(OWNER, config(name=name)).role == "engine"
        return
    service = name.removesuffix("-engine")
    with pytest.raises(Invalid) as refused:
        desired_role(replace(OWNER, name=service), config(name=name))
    assert str(refused.value).startswith(
        f"InferenceService serving/{service}: metadata.name is too long: {name} has 51"
    )
    assert "create the service under a shorter name" in str(refused.value)


@pytest.mark.parametrize(("minimum", "count"), [(None, 1), (1, 1), (5, 5)])
def test_a_role_is_created_at_min_replicas(minimum: int | None, count: int) -> None:
    assert desired_role(OWNER, config(min_replicas=minimum)).min_replicas == count


def test_a_role_that_somebody_else_scales_may_be_created_with_no_pods() -> None:
    external = config(min_replicas=0, annotations={"ome.io/autoscalerClass": "external"})
    assert desired_role(OWNER, external).min_replicas == 0


@pytest.mark.parametrize(("scaler", "scaled"), [(None, True), ("hpa", True), ("external", False)])
def test_whether_a_scaler_of_ours_targets_the_role(scaler: str | None, scaled: bool) -> None:
    annotations = {"ome.io/autoscalerClass": scaler} if scaler else {}
    assert desired_role(OWNER, config(annotations=annotations)).scaled is scaled


@pytest.mark.parametrize("bounds", [{"min_replicas": 9}, {"max_replicas": 9}, {"scale_target": 50}])
def test_new_bounds_are_no_new_template(bounds: Json) -> None:
    bounded, plain = desired_role(OWNER, config(**bounds)), desired_role(OWNER, config())
    assert (bounded.body, bounded.digest) == (plain.body, plain.digest)
    assert "replicas" not in bounded.body


WEIGHT = {"ome.io/inject-fine-tuned-adapter": "legal", "ome.io/fine-tuned-weight-ft-strategy": "lora"}


@pytest.mark.parametrize(
    ("annotations", "anew"),
    [
        (WEIGHT, False),
        (WEIGHT | {"ome.io/inject-fine-tuned-adapter": "medical"}, True),
        (WEIGHT | {"rdma.ome.io/auto-inject": "true"}, True),
        ({}, True),
        (WEIGHT | {"ome.io/serving-runtime": "other"}, False),
        (WEIGHT | {"example.com/team": "blue"}, False),
    ],
)
def test_what_omes_webhook_reads_when_it_creates_a_pod_is_never_changed_in_place(annotations: Json, anew: bool) -> None:
    before, after = (
        body(config(annotations=given))["standalonePattern"]["template"] for given in (WEIGHT, annotations)
    )
    assert (before["spec"] != after["spec"]) is anew
    assert before["spec"]["containers"] == after["spec"]["containers"]


def test_all_pods_of_several_nodes_are_created_anew_for_the_webhook() -> None:
    pattern = body(multi_node(annotations=WEIGHT))["leaderWorkerPattern"]
    for spec in (pattern["template"]["spec"], pattern["workerTemplatePatch"]["spec"]):
        assert [volume["name"].partition("-")[0] for volume in spec["volumes"]] == ["admission"]


def test_without_anything_for_the_webhook_the_pod_is_as_the_component_has_it() -> None:
    assert body(config(annotations={"ome.io/serving-runtime": "srt"}))["standalonePattern"]["template"]["spec"] == {
        "containers": [CONTAINER]
    }
