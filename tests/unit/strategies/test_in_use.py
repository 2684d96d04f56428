"""What was chosen for a service of OME's controller: its workloads are the only memory of it."""

from collections.abc import Callable

import pytest
from upstream_samples import Json, config_map, deployment, leader_worker_set, ray_cluster

from strategies.in_use import accelerators_in_use, role_of, runtime_in_use


def accelerator(name: str, nodes: Json | None) -> Json:
    return {"metadata": {"name": name}, "spec": {"discovery": {"nodeSelector": nodes} if nodes else None}}


H100, H100_NVL = accelerator("h100", {"gpu": "h100"}), accelerator("h100-nvl", {"gpu": "h100", "link": "nvl"})


def made_with(runtime: str, *, at: str = "2026-01-01", place: str = "annotations", role: str = "engine") -> Json:
    workload = deployment(role=role)
    workload["metadata"]["creationTimestamp"] = at
    key = {"annotations": "ome.io/serving-runtime", "labels": "serving-runtime"}[place]
    workload["metadata"].setdefault(place, {})[key] = runtime
    return workload


def test_the_runtime_is_the_one_of_the_newest_workload() -> None:
    old, new = made_with("srt-old", at="2026-01-01"), made_with("srt-new", at="2026-02-01", role="decoder")
    assert runtime_in_use([new, old]) == runtime_in_use([old, new]) == "srt-new"


def test_a_label_names_the_runtime_where_no_annotation_does() -> None:
    both = made_with("of-the-label", place="labels")
    assert runtime_in_use([both]) == "of-the-label"
    both["metadata"]["annotations"] = {"ome.io/serving-runtime": "of-the-annotation"}
    assert runtime_in_use([both]) == "of-the-annotation"


def test_what_is_no_workload_of_a_role_names_no_runtime() -> None:
    stranger = made_with("of-no-role")
    stranger["metadata"]["labels"] = {}
    beside = config_map()
    beside["metadata"] |= {"labels": {"component": "engine", "serving-runtime": "beside"}}
    assert runtime_in_use([stranger, beside]) == ""
    assert runtime_in_use([]) == ""
    assert (role_of(stranger), role_of(beside)) == ("", "engine")


@pytest.mark.parametrize("workload", [deployment, leader_worker_set, ray_cluster])
def test_the_class_whose_nodes_a_workload_selects_is_its_roles(workload: Callable[..., Json]) -> None:
    chosen = workload(nodes={"gpu": "h100", "zone": "a"})
    assert accelerators_in_use([chosen], [H100, accelerator("a100", {"gpu": "a100"})]) == {"engine": "h100"}


def test_of_classes_that_fit_the_closest_is_meant() -> None:
    chosen = deployment(nodes={"gpu": "h100", "link": "nvl"})
    assert accelerators_in_use([chosen], [H100, H100_NVL]) == {"engine": "h100-nvl"}
    assert accelerators_in_use([deployment(nodes={"gpu": "h100"})], [H100, H100_NVL]) == {"engine": "h100"}


@pytest.mark.parametrize(
    ("nodes", "classes"),
    [
        ({"gpu": "h100"}, [H100, accelerator("h100-too", {"gpu": "h100"})]),
        ({"gpu": "a100"}, [H100]),
        ({"gpu": "h100"}, [accelerator("anywhere", None)]),
        (None, [H100, accelerator("anywhere", {})]),
    ],
    ids=["two fit alike", "none fits", "a class without nodes", "nothing is selected"],
)
def test_a_role_whose_class_cannot_be_told_is_left_out(nodes: Json | None, classes: list[Json]) -> None:
    assert accelerators_in_use([deployment(nodes=nodes)], classes) == {}


def test_each_role_has_its_own_class() -> None:
    a100 = accelerator("a100", {"gpu": "a100"})
    workloads = [deployment(nodes={"gpu": "h100"}), deployment(role="decoder", nodes={"gpu": "a100"}), config_map()]
    assert accelerators_in_use(workloads, [H100, a100]) == {"engine": "h100", "decoder": "a100"}
