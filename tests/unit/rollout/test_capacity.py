"""Whether there is room for what a stage brings up, told by what is missing."""

from typing import Any

import pytest
from capacity_samples import GPUS, affinity, node, pod, spec
from hypothesis import assume, given
from hypothesis import strategies as st

from omeflow.api.quantities import exact_value
from omeflow.rollout.capacity import Brought, Held, Surge, at_a_time, held, missing, peak, peak_in_words

Json = dict[str, Any]
Case = tuple[list[Surge], list[Json], list[Json]]
"""What is to run on top, the nodes, and the pods that run."""
H100, A100 = {"gpu": "h100"}, {"gpu": "a100"}


def engine(gpus: int = 8, *, pods: int = 1, **fields: Any) -> Surge:
    return Surge("engine", pods, spec(gpus, **fields))


def decoder(gpus: int = 8, **fields: Any) -> Surge:
    return Surge("decoder", 1, spec(gpus, **fields))


def taking(*pods: Json) -> list[Held]:
    return [one for one in map(held, pods) if one]


@pytest.mark.parametrize(
    ("surges", "nodes", "pods", "expected"),
    [
        ([], [], [], []),
        ([engine(pods=0)], [], [], []),
        ([engine()], [node()], [], []),
        ([engine()], [node()], [pod(None), pod("gpu-0", phase="Succeeded"), pod("gpu-0", phase="Failed")], []),
        ([engine()], [node()], [pod("gpu-9")], []),  # its node is gone
        ([engine(0)], [], [], []),
        ([engine()], [], [], ["8 nvidia.com/gpu for 1 more pod of engine: 0 are free on the 0 nodes"]),
        (
            [engine(nodeSelector=H100)],
            [node("a", gpu="h100"), node("b", gpu="h100"), node("c", gpu="a100")],
            [pod("a", 5), pod("b", 7)],
            ["8 nvidia.com/gpu for 1 more pod of engine: 4 are free on the 2 nodes that match nodeSelector gpu=h100"],
        ),
        (
            [engine(pods=2, nodeSelector=H100)],
            [node("a", gpu="h100"), node("b", gpu="h100", cordoned=True)],
            [],
            [
                "16 nvidia.com/gpu for 2 more pods of engine: 8 are free on the 1 node that matches nodeSelector"
                " gpu=h100 (1 more is cordoned or tainted)"
            ],
        ),
        # the sum fits, no node does
        (
            [engine()],
            [node("a"), node("b")],
            [pod("a", 4), pod("b", 4)],
            ["8 nvidia.com/gpu of one node for 1 more pod of engine: none fits on the 2 nodes"],
        ),
        (
            [Surge("engine", 3, spec(requests={"cpu": "2", GPUS: "3"}))],
            [node("a"), node("b", has={"cpu": "3", GPUS: "8"})],
            [pod("a", 4)],
            ["3 nvidia.com/gpu and 2 cpu of one node for each of 3 more pods of engine: 2 fit on the 2 nodes"],
        ),
        # two sorts of pods that fit alone, and not together, although the sum fits: that is the scheduler's to say
        ([engine(3), decoder(4)], [node("a"), node("b")], [pod("a", 3), pod("b", 6)], []),
        # one that holds more than it has is no debt of the others
        ([engine()], [node("a"), node("b")], [pod("a", 12)], []),
        (
            [engine(), decoder()],
            [node()],
            [],
            ["16 nvidia.com/gpu for 2 more pods of engine and decoder: 8 are free on the 1 node"],
        ),
        (
            [engine(nodeSelector=H100), decoder(nodeSelector=A100)],
            [node("a", gpu="h100"), node("b", gpu="a100")],
            [],
            [],
        ),
        (
            [engine(4, nodeSelector=H100), decoder()],
            [node("a", gpu="h100")],
            [],
            ["12 nvidia.com/gpu for 2 more pods of engine and decoder: 8 are free on the 1 node that they may use"],
        ),
        (
            [Surge("engine", 1, spec(requests={"cpu": "1500m", "memory": "20Gi", GPUS: "1"}))],
            [node(has={"cpu": "2", "memory": "16000Mi", GPUS: "1"})],
            [],
            ["20Gi memory for 1 more pod of engine: 15.6Gi are free on the 1 node"],
        ),
        (
            [engine(1, nodeSelector=H100)],
            [node("a", gpu="h100", has={"cpu": "4"})],
            [],
            ["1 nvidia.com/gpu for 1 more pod of engine: 0 are free on the 1 node that matches nodeSelector gpu=h100"],
        ),
    ],
)
def test_what_is_missing(surges: list[Surge], nodes: list[Json], pods: list[Json], expected: list[str]) -> None:
    assert missing(surges, nodes, taking(*pods)) == expected


def test_every_resource_that_is_missing_is_told() -> None:
    wants = Surge("engine", 1, spec(requests={"cpu": "1", "memory": "1Gi", GPUS: "1"}))
    assert [said.split(" for ")[0] for said in missing([wants], [], [])] == ["1 cpu", "1Gi memory", "1 nvidia.com/gpu"]


def test_a_pod_that_is_going_away_holds_its_node_until_it_is_gone() -> None:
    leaving = pod("gpu-0")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    assert missing([engine()], [node()], taking(leaving)) != []


@st.composite
def clusters(draw: st.DrawFn) -> Case:
    """A few nodes of two sorts, pods that run on them, and a surge of up to three roles."""
    zones = st.sampled_from(["a", "b"])
    nodes = [
        node(f"n{index}", zone=draw(zones), cordoned=draw(st.booleans()), has={GPUS: str(draw(st.integers(0, 8)))})
        for index in range(draw(st.integers(0, 4)))
    ]
    names = [one["metadata"]["name"] for one in nodes]
    running = [
        pod(draw(st.sampled_from(names)), draw(st.integers(0, 4)))
        for _ in range(draw(st.integers(0, 4)) if names else 0)
    ]
    wanted = [
        Surge(role, draw(st.integers(0, 2)), spec(draw(st.integers(0, 8)), **draw(_placements)))
        for role in draw(st.lists(st.sampled_from(["engine", "decoder", "router"]), unique=True))
    ]
    return wanted, nodes, running


_AFFINITY = affinity({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]})
_placements = st.sampled_from(
    [{}, {"nodeSelector": {"zone": "a"}}, {"nodeSelector": {"zone": "b"}}, {"affinity": _AFFINITY}]
)


@given(clusters())
def test_what_a_scheduler_could_place_is_never_held_up(cluster: Case) -> None:
    surges, nodes, running = cluster
    assume(_places(surges, nodes, running))
    assert missing(surges, nodes, taking(*running)) == []


@given(clusters(), st.integers(0, 8))
def test_another_node_never_takes_room_away(cluster: Case, gpus: int) -> None:
    surges, nodes, running = cluster
    assume(missing(surges, nodes, taking(*running)) == [])
    assert missing(surges, [*nodes, node("another", zone="a", has={GPUS: str(gpus)})], taking(*running)) == []


@given(clusters(), st.integers(0, 8))
def test_another_pod_never_makes_room(cluster: Case, gpus: int) -> None:
    surges, nodes, running = cluster
    assume(nodes)
    assume(missing(surges, nodes, taking(*running)) != [])
    assert missing(surges, nodes, taking(*running, pod("n0", gpus))) != []


@given(clusters())
def test_a_role_alone_lacks_nothing_that_all_together_have(
    cluster: Case,
) -> None:
    surges, nodes, running = cluster
    assume(missing(surges, nodes, taking(*running)) == [])
    assert all(missing([one], nodes, taking(*running)) == [] for one in surges)


def _places(surges: list[Surge], nodes: list[Json], running: list[Json]) -> bool:
    """A scheduler that tries everything, of its own making: pods one by one onto the nodes that may take them."""
    free = {
        one["metadata"]["name"]: int(one["status"]["allocatable"][GPUS])
        - sum(int(_gpus(p["spec"])) for p in running if p["spec"]["nodeName"] == one["metadata"]["name"])
        for one in nodes
        if not one["spec"].get("unschedulable")
    }
    zone = {one["metadata"]["name"]: one["metadata"]["labels"]["zone"] for one in nodes}
    return _packs([one.spec for one in surges for _ in range(one.pods)], free, zone)


def _packs(pods: list[Json], free: dict[str, int], zone: dict[str, str]) -> bool:
    if not pods:
        return True
    first, rest = pods[0], pods[1:]
    wanted, needs = _zone(first), _gpus(first)
    return any(
        _packs(rest, free | {name: room - needs}, zone)
        for name, room in free.items()
        if wanted in ("", zone[name]) and (room >= needs or needs == 0)
    )


def _zone(of: Json) -> str:
    return "a" if "affinity" in of else str((of.get("nodeSelector") or {}).get("zone", ""))


def _gpus(of: Json) -> int:
    return int(exact_value(of["containers"][0]["resources"]["limits"].get(GPUS, 0)))


class TestPeak:
    """Engines have 8 GPUs a pod, the router none."""

    ROUTER = Surge("router", 1, spec(0))

    def test_pods_that_stay_add_up_and_those_that_go_again_count_in_their_stage(self) -> None:
        stages = [Brought([engine(pods=2)], []), Brought([], [decoder()]), Brought([self.ROUTER], [])]
        assert at_a_time(stages) == [[engine(pods=2)], [engine(pods=2), decoder()], [engine(pods=2), self.ROUTER]]
        assert peak(stages)["nvidia.com/gpu"] == "24"

    def test_each_resource_has_its_own_worst_moment(self) -> None:
        stages = [Brought([], [engine()]), Brought([], [Surge("router", 3, spec(0))])]
        most = peak(stages)
        assert (most["nvidia.com/gpu"], most["pods"]) == ("8", "3")

    @pytest.mark.parametrize("stages", [[], [Brought([], [])], [Brought([], [engine(pods=0)])]])
    def test_a_rollout_that_takes_nothing_more_has_none(self, stages: list[Brought]) -> None:
        assert peak(stages) == {}
        assert peak_in_words({}) == ""

    def test_it_is_told_with_what_is_scarce_first(self) -> None:
        pod = {"containers": [{"resources": {"requests": {"memory": "96Gi", "cpu": "12", "nvidia.com/gpu": "8"}}}]}
        assert peak_in_words(peak([Brought([Surge("engine", 1, pod)], [])])) == (
            "1 more pod: 8 nvidia.com/gpu, 12 cpu, 96Gi memory"
        )
        assert peak_in_words(peak([Brought([Surge("engine", 2, {"containers": []})], [])])) == "2 more pods"
