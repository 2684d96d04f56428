"""From the values that were read to the objects: the same for live path, offline renderer and recorded attempts."""

from dataclasses import replace
from typing import Any

import pytest
from rbg_samples import Json

from omeflow.api.errors import Invalid, NotServed
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from strategies.manager import default_manager
from strategies.render import choose, needed_kinds, on_a_cluster_without, render

MODEL: Json = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.43.0"},
    "storage": {"path": "/raid/llama", "storageUri": "hf://meta-llama/x"},
}
RUNTIME: Json = {
    "supportedModelFormats": [
        {"name": "safetensors", **{key: MODEL[key] for key in ("modelFormat", "modelFramework")}}
    ],
    "engineConfig": {"runner": {"name": "ome-container", "image": "img:1"}},
    "routerConfig": {"runner": {"name": "router", "image": "router:1"}},
}


def inputs(*, mode: str = "RoleBasedGroup", **spec: Any) -> Inputs:
    wanted = {"model": {"name": "llama"}, "runtime": {"name": "srt"}, "engine": {"minReplicas": 2}, **spec}
    service = ServiceValues("chat", "serving", "u1", {}, {"ome.io/deploymentMode": mode}, wanted)
    return Inputs(
        service,
        ObjectValues("ClusterBaseModel", "llama", None, {}, MODEL),
        ObjectValues("ClusterServingRuntime", "srt", None, {}, RUNTIME),
    )


def test_a_service_is_chosen_for_and_rendered() -> None:
    chosen, desired = render(inputs(router={}), default_manager())
    assert chosen.strategy.name == "RBG"
    assert chosen.modes == {"engine": "RawDeployment", "router": "RawDeployment"}
    assert chosen.choices[0] == "strategy RBG: first of RBG, SingleComponent that applies"
    assert {role: one.min_replicas for role, one in desired.roles.items()} == {"engine": 2, "router": 1}
    assert desired.rbac[0]["metadata"]["ownerReferences"][0]["uid"] == "u1"


def test_the_same_values_render_the_same_objects() -> None:
    values = inputs(router={})
    again = Inputs.from_json(values.to_json())
    assert render(again, default_manager())[1] == render(values, default_manager())[1]


def test_new_bounds_change_no_template() -> None:
    _, before = render(inputs(engine={"minReplicas": 2}), default_manager())
    _, after = render(inputs(engine={"minReplicas": 5, "maxReplicas": 9}), default_manager())
    assert after.roles["engine"].digest == before.roles["engine"].digest
    assert after.roles["engine"].body == before.roles["engine"].body
    assert after.autoscalers != before.autoscalers


@pytest.mark.parametrize("mode", ["", "RawDeployment", "Serverless"])
def test_every_mode_of_ome_is_for_the_default_strategy(mode: str) -> None:
    chosen, desired = render(inputs(mode=mode), default_manager())
    assert chosen.strategy.name == "SingleComponent"
    assert [one["kind"] for one in desired.workloads] == ["Deployment"]


def test_a_serverless_service_needs_knative_whatever_its_components_run_as() -> None:
    [needed] = needed_kinds(inputs(mode="Serverless"), default_manager())
    assert str(needed.api_version) == "serving.knative.dev/v1"
    with pytest.raises(NotServed, match="install Knative"):
        render(replace(inputs(mode="Serverless"), not_served=(needed.name,)), default_manager())
    assert needed_kinds(inputs(mode="RawDeployment"), default_manager()) == []


def test_what_a_mode_needs_is_needed_only_by_services_of_that_mode() -> None:
    container = {"name": "ome-container", "image": "img:1"}
    spread = inputs(mode="", engine={"leader": {"runner": container}, "worker": {"size": 1, "runner": container}})
    assert [kind.name for kind in needed_kinds(spread, default_manager())] == ["LeaderWorkerSet"]
    with pytest.raises(NotServed, match=r"LeaderWorkerSet .*install LeaderWorkerSet v0\.\d"):
        render(replace(spread, not_served=("LeaderWorkerSet",)), default_manager())


def test_a_mode_that_the_strategy_cannot_run_is_refused() -> None:
    with pytest.raises(Invalid, match=r"serving/chat.*minReplicas"):
        choose(inputs(router={"minReplicas": 0}), default_manager())


def test_a_cluster_without_the_backend_is_told_what_to_install() -> None:
    values = replace(inputs(), not_served=("RoleBasedGroup",))
    with pytest.raises(NotServed) as refused:
        render(values, default_manager())
    assert str(refused.value).startswith("InferenceService serving/chat: the cluster does not serve RoleBasedGroup")
    assert "install RBG" in str(refused.value)


def test_what_a_service_needs_follows_from_its_objects() -> None:
    needs = needed_kinds(inputs(), default_manager())
    assert [kind.name for kind in needs] == [
        "RoleBasedGroup",
        "RoleInstanceSet",
        "RoleInstance",
        "RoleBasedGroupScalingAdapter",
    ]
    lacking = on_a_cluster_without(inputs(), needs[:2])
    assert lacking.not_served == ("RoleBasedGroup", "RoleInstanceSet")
    assert needed_kinds(lacking, default_manager()) == needs


def test_a_service_that_is_refused_anyway_needs_nothing() -> None:
    assert needed_kinds(inputs(router={"minReplicas": 0}), default_manager()) == []


def test_a_kind_that_the_service_does_not_need_may_be_lacking() -> None:
    values = replace(inputs(), not_served=("LeaderWorkerSet",))
    assert render(values, default_manager())[1] == render(inputs(), default_manager())[1]


@pytest.mark.parametrize("mode", ["RoleBasedGroup", "RawDeployment"])
def test_services_are_reached_under_the_domain_that_the_cluster_has(mode: str) -> None:
    values = inputs(mode=mode)
    for manager, domain in [(default_manager(), "cluster.local"), (default_manager(cluster_domain="a.b"), "a.b")]:
        urls = render(values, manager)[1].urls
        assert urls.url == f"http://chat.serving.svc.{domain}:8080"
