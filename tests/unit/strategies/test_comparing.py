"""What writing an object as omeflow renders it would change of one that OME's controller left there."""

import copy
from collections.abc import Callable

import pytest
from upstream_samples import Json, as_rendered, config_map, deployment, leader_worker_set, ray_cluster, wrote

from strategies.comparing import as_it_would_be, differences, is_unchanged


def compared(live: Json, manifest: Json, **defaults: Json) -> list[str]:
    """The differences in words, those that restart pods marked.

    Args:
        defaults: what the server fills in where the rendered spec has nothing.
    """
    would = as_it_would_be(manifest, live)
    would["spec"] = {**defaults, **would["spec"]}
    return [f"{one}{' !' if one.restarts else ''}" for one in differences(manifest, live, would)]


def test_an_object_as_it_is_rendered_differs_in_nothing() -> None:
    for live in (deployment(), leader_worker_set(), ray_cluster()):
        assert compared(live, as_rendered(live)) == []


def test_the_count_is_never_a_difference_whatever_it_is() -> None:
    live = deployment(count=7)
    assert as_it_would_be(as_rendered(live), live)["spec"]["replicas"] == 7
    assert compared(live, as_rendered(live)) == []


def test_an_object_without_a_count_gets_none() -> None:
    assert "replicas" not in as_it_would_be(as_rendered(ray_cluster()), ray_cluster())["spec"]
    assert "spec" not in as_it_would_be(as_rendered(config_map()), config_map())


def test_it_is_asked_for_in_the_place_of_the_live_object() -> None:
    live, rendered = deployment(), as_rendered(deployment())
    before = copy.deepcopy(rendered)
    metadata = as_it_would_be(rendered, live)["metadata"]
    assert (metadata["uid"], metadata["resourceVersion"]) == ("uid-chat-engine", "7")
    assert rendered == before, "what is rendered stays as it is"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (deployment, '.spec.template.spec.containers[name="main"].image'),
        (leader_worker_set, '.spec.leaderWorkerTemplate.leaderTemplate.spec.containers[name="main"].image'),
        (ray_cluster, '.spec.headGroupSpec.template.spec.containers[name="main"].image'),
    ],
)
def test_a_difference_of_the_pods_restarts_them_and_says_where_and_what(make: Callable[..., Json], path: str) -> None:
    live, manifest = make(), as_rendered(make())
    _pod(manifest)["containers"][0]["image"] = "img:2"
    assert compared(live, manifest) == [f"{path}: img:1 -> img:2 !"]


def test_what_is_not_of_the_pods_restarts_nothing() -> None:
    live, manifest = deployment(), as_rendered(deployment())
    manifest["spec"]["minReadySeconds"] = 5
    manifest["metadata"]["labels"] = {"component": "engine", "team": "search"}
    assert compared(live, manifest) == [
        ".metadata.labels.team: nothing -> search",
        ".spec.minReadySeconds: nothing -> 5",
    ]


def test_what_omeflow_does_not_render_would_go_if_it_was_upstreams() -> None:
    live = deployment()
    live["spec"]["paused"] = True
    assert compared(live, as_rendered(deployment())) == [".spec.paused: True -> nothing"]


def test_what_others_own_and_omeflow_says_nothing_about_is_no_difference() -> None:
    live, manifest = deployment(), as_rendered(deployment())
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "noon"}
    fields = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}
    live["metadata"]["managedFields"].append(wrote("kubectl", fields))
    assert compared(live, manifest) == []
    manifest["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    assert compared(live, manifest) == [".metadata.annotations.kubectl.kubernetes.io/restartedAt: noon -> now"]


def test_defaults_of_the_server_are_no_difference() -> None:
    live = deployment()
    live["spec"]["strategy"] = {"type": "RollingUpdate"}
    manifest = as_rendered(deployment())
    assert compared(live, manifest, strategy={"type": "RollingUpdate"}) == []


@pytest.mark.parametrize("nothing", [None, {}, []], ids=str)
def test_what_is_empty_is_no_difference(nothing: object) -> None:
    live, manifest = deployment(), as_rendered(deployment())
    live["spec"]["template"]["spec"]["volumes"] = nothing
    live["status"] = {"replicas": 3}
    assert compared(live, manifest) == []


def test_items_with_names_are_compared_by_name_and_their_order_counts() -> None:
    live, manifest = deployment(), as_rendered(deployment())
    container = _pod(live)["containers"][0]
    container["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    ours = _pod(manifest)["containers"][0]
    path = '.spec.template.spec.containers[name="main"].env'
    ours["env"] = [container["env"][1], container["env"][0]]
    assert compared(live, manifest) == [f"{path}: ['A', 'B'] -> ['B', 'A'] !"]
    ours["env"] = [{"name": "A", "value": "1"}, {"name": "C", "value": "3"}]
    assert compared(live, manifest) == [
        f"{path}[name=\"B\"]: {{'name': 'B', 'value': '2'}} -> nothing !",
        f"{path}[name=\"C\"]: nothing -> {{'name': 'C', 'value': '3'}} !",
    ]


def test_lists_whose_items_cannot_be_told_by_name_are_compared_as_a_whole() -> None:
    live, manifest = deployment(), as_rendered(deployment())
    _pod(live)["tolerations"] = [{"key": "gpu"}]
    _pod(manifest)["tolerations"] = [{"key": "gpu"}, {"key": "spot"}]
    assert compared(live, manifest) == [
        ".spec.template.spec.tolerations: [{'key': 'gpu'}] -> [{'key': 'gpu'}, {'key': 'spot'}] !"
    ]


def test_long_values_are_cut() -> None:
    live, manifest = deployment("i" * 100), as_rendered(deployment("j" * 100))
    assert compared(live, manifest)[0].endswith(f": {'i' * 80}… -> {'j' * 80}… !")


def test_an_apply_that_only_moves_fields_and_marks_changes_nothing() -> None:
    before, after = deployment(), deployment()
    after["metadata"]["managedFields"] = []
    after["metadata"]["resourceVersion"] = "8"
    after["metadata"]["annotations"] = {"omeflow.io/engine-attempt": "1"}
    assert is_unchanged(before, after)
    after["metadata"]["annotations"]["team"] = "search"
    assert not is_unchanged(before, after)


def test_an_apply_that_changes_a_count_or_data_is_no_such_apply() -> None:
    assert not is_unchanged(deployment(count=3), deployment(count=2))
    assert not is_unchanged(config_map(), {**config_map(), "data": {"key": "other"}})


def _pod(workload: Json) -> Json:
    spec = workload["spec"]
    group = spec.get("leaderWorkerTemplate") or spec.get("headGroupSpec") or spec
    pod: Json = group["leaderTemplate" if "leaderTemplate" in group else "template"]["spec"]
    return pod
