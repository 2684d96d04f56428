"""What a rollout runs on top of what runs: per backend, from the rendered role and its live count."""

from typing import Any

import pytest
import rbg_samples
import single_component_samples as samples
from hypothesis import given
from hypothesis import strategies as st
from rbg_samples import CONTAINER, OWNER, config

from omeflow.api.kinds import KNATIVE_SERVICE, RAY_CLUSTER
from omeflow.components.types import DeploymentMode
from omeflow.local.lws.rollout import GroupState, allowance
from omeflow.local.lws.spec import policy_of
from omeflow.rollout.capacity import Surge
from strategies.contract import DesiredRole, Live, Strategy, UpdateLimits
from strategies.rbg import roles as rbg_roles
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component import roles as single_roles
from strategies.single_component.strategy import SingleComponentStrategy
from strategies.surging import resolved, still_to_come

Json = dict[str, Any]
PROBER = {"multinodeProber": dict.fromkeys(("image", "cpuRequest", "memoryRequest", "cpuLimit", "memoryLimit"), "1")}
SEVERAL_NODES: Json = {
    "worker_pod_spec": {"containers": [CONTAINER | {"image": "worker:1"}]},
    "worker_size": 2,
}


def bounds(surge: Any, unavailable: Any = 0) -> Json:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def single(mode: DeploymentMode = DeploymentMode.RAW, **changes: Any) -> DesiredRole:
    return single_roles.desired_role(OWNER, config(mode=mode, **changes), configuration=PROBER)


def group_role(**changes: Any) -> DesiredRole:
    return rbg_roles.desired_role(OWNER, config(**changes))


def placed(pods: list[Json], *, phase: str | None = None) -> list[Json]:
    """The pods, each on a node."""
    return [pod | {"spec": {"nodeName": "gpu-0"}} | ({"status": {"phase": phase}} if phase else {}) for pod in pods]


def pending(pods: list[Json]) -> list[Json]:
    return [pod | {"spec": {}} for pod in pods]


def counts(surges: list[Surge]) -> list[int]:
    return [surge.pods for surge in surges]


def of_single(role: DesiredRole, live: Live) -> list[int]:
    return counts(SingleComponentStrategy().surge("chat", [role], live))


def of_group(role: DesiredRole, live: Live) -> list[int]:
    return counts(RBGStrategy().surge("chat", [role], live))


@pytest.mark.parametrize(
    ("bound", "count", "up", "expected"),
    [
        (1, 4, True, 1),
        ("2", 4, True, 2),
        ("25%", 4, True, 1),
        ("25%", 5, True, 2),
        ("25%", 5, False, 1),
        ("1%", 1, True, 1),
        ("1%", 1, False, 0),
        ("100%", 3, False, 3),
        ("0%", 3, True, 0),
    ],
)
def test_a_percentage_is_rounded_as_kubernetes_does(bound: int | str, count: int, up: bool, expected: int) -> None:
    assert resolved(bound, count, up=up) == expected


@pytest.mark.parametrize(("running", "expected"), [(0, 2), (4, 2), (5, 1), (6, 0), (9, 0)])
def test_what_has_a_node_already_is_not_to_come(running: int, expected: int) -> None:
    assert still_to_come(2, count=4, running=running) == expected


class TestDeployments:
    @pytest.mark.parametrize(
        ("strategy", "count", "expected"),
        [
            (None, 2, [1]),  # one more, as omeflow's Deployments are by default
            (bounds("25%"), 5, [2]),
            (bounds("100%"), 3, [3]),
            (bounds(4), 2, [2]),  # never more than the count
            (bounds(0, 1), 2, [0]),
            (bounds(1), 0, [0]),
            ({"type": "Recreate"}, 2, [0]),
        ],
    )
    def test_the_pods_beyond_the_live_count(self, strategy: Json | None, count: int, expected: list[int]) -> None:
        role = single(deployment_strategy=strategy)
        running = placed(samples.pods(count, hash="old"))
        live = samples.live(samples.deployment(count), samples.replica_set(1), pods=running)
        assert of_single(role, live) == expected

    def test_a_new_one_comes_with_its_first_count(self) -> None:
        found = SingleComponentStrategy().surge("chat", [single(min_replicas=3)], samples.live())
        assert found == [Surge("engine", 3, {"containers": [CONTAINER]})]

    def test_one_that_replaces_another_kind_comes_whole(self) -> None:
        live = samples.live(samples.leader_worker_set(2), pods=placed(samples.group(0)))
        assert of_single(single(min_replicas=2), live) == [2]

    def test_a_surge_that_has_its_node_is_there(self) -> None:
        sets = [samples.replica_set(1), samples.replica_set(2)]
        old, new = placed(samples.pods(2, hash="old")), samples.pods(1, ready=False)
        assert of_single(single(), samples.live(samples.deployment(), *sets, pods=[*old, *placed(new)])) == [0]
        assert of_single(single(), samples.live(samples.deployment(), *sets, pods=[*old, *pending(new)])) == [1]

    def test_pods_that_never_found_a_node_are_not_waited_for(self) -> None:
        live = samples.live(samples.deployment(), samples.replica_set(1), pods=pending(samples.pods(2, hash="old")))
        assert of_single(single(), live) == [1]

    def test_pods_that_have_ended_hold_no_node(self) -> None:
        ended = placed(samples.pods(3, hash="old", phase="Failed"), phase="Failed")
        live = samples.live(samples.deployment(), samples.replica_set(1), pods=ended)
        assert of_single(single(), live) == [1]


class TestLeaderWorkerSets:
    @pytest.mark.parametrize(
        ("count", "expected"),
        [
            (1, [0, 0]),  # one group may be unavailable, so none comes on top
            (2, [1, 2]),  # one more group: a leader and two workers
            (4, [1, 2]),
            (0, [0, 0]),
        ],
    )
    def test_groups_beyond_the_live_count(self, count: int, expected: list[int]) -> None:
        role = single(DeploymentMode.MULTI_NODE, **SEVERAL_NODES)
        running = placed([pod for number in range(count) for pod in samples.group(number, size=3)])
        assert of_single(role, samples.live(samples.leader_worker_set(count, size=3), pods=running)) == expected

    @given(
        count=st.integers(0, 9), bound=st.sampled_from([(1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (3, "50%"), ("50%", 1)])
    )
    def test_they_are_those_that_the_backend_makes_first(self, count: int, bound: tuple[Any, Any]) -> None:
        role = single(DeploymentMode.MULTI_NODE, **SEVERAL_NODES)
        [manifest] = role.body.values()
        update = {"maxSurge": bound[0], "maxUnavailable": bound[1]}
        manifest["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] = update
        policy = policy_of({"spec": {**manifest["spec"], "replicas": count}})
        old = GroupState(started=True, ready=True, updated=False)
        made = allowance(policy, [old] * count, rolling=True).count - count
        running = placed([pod for number in range(count) for pod in samples.group(number, size=3)])
        live = samples.live(samples.leader_worker_set(count, size=3), pods=running)
        assert of_single(role, live) == [made, 2 * made]

    def test_leaders_and_workers_have_specs_of_their_own(self) -> None:
        role = single(DeploymentMode.MULTI_NODE, min_replicas=2, **SEVERAL_NODES)
        leaders, workers = SingleComponentStrategy().surge("chat", [role], samples.live())
        assert (leaders.pods, workers.pods) == (2, 4)
        assert leaders.spec["containers"][0]["image"] == "img:1"
        assert workers.spec["containers"][0]["image"] == "worker:1"

    def test_a_group_that_has_nodes_is_there(self) -> None:
        role = single(DeploymentMode.MULTI_NODE, **SEVERAL_NODES)
        running = placed([pod for number in range(3) for pod in samples.group(number, size=3)])
        assert of_single(role, samples.live(samples.leader_worker_set(2, size=3), pods=running)) == [0, 0]


@pytest.mark.parametrize(("minimum", "pods"), [(None, 1), (0, 1), (3, 3)])
def test_a_knative_revision_comes_up_whole(minimum: int | None, pods: int) -> None:
    role = single(DeploymentMode.SERVERLESS, min_replicas=minimum)
    there = samples.workload(KNATIVE_SERVICE, "chat-engine")
    assert of_single(role, Live({})) == of_single(role, Live({KNATIVE_SERVICE: [there]})) == [pods]


def test_a_new_ray_cluster_comes_with_head_worker_and_prober_and_an_old_one_with_nothing() -> None:
    role = single(DeploymentMode.MULTI_NODE_RAY, min_replicas=1, **SEVERAL_NODES)
    assert sorted(of_single(role, Live({}))) == [1, 1, 1]
    [name] = [one["name"] for one in role.workloads if one["kind"] == RAY_CLUSTER.name]
    there = samples.workload(RAY_CLUSTER, name)
    assert of_single(role, Live({RAY_CLUSTER: [there]})) == [1]  # the prober


class TestRoleBasedGroups:
    @pytest.mark.parametrize(
        ("strategy", "count", "expected"),
        [
            (None, 2, [0]),  # one after another, as omeflow's roles are by default
            (bounds(1), 2, [1]),
            (bounds("25%"), 5, [2]),
            (bounds(1, 1), 1, [0]),  # the only one may be unavailable: none comes on top
            (bounds(2, 1), 2, [1]),
            (bounds(2, "50%"), 4, [2]),
            ({"type": "Recreate"}, 2, [0]),
        ],
    )
    def test_instances_beyond_the_live_count(self, strategy: Json | None, count: int, expected: list[int]) -> None:
        running = placed([rbg_samples.pod(number) for number in range(count)])
        live = rbg_samples.live(rbg_samples.group({"name": "engine", "replicas": count}), pods=running)
        assert of_group(group_role(deployment_strategy=strategy), live) == expected

    def test_a_new_role_comes_with_its_first_count(self) -> None:
        role = group_role(min_replicas=2)
        assert of_group(role, rbg_samples.live()) == [2]
        assert of_group(role, rbg_samples.live(rbg_samples.group({"name": "router"}))) == [2]

    def test_an_instance_of_several_nodes_is_its_leader_and_its_workers(self) -> None:
        role = group_role(mode=DeploymentMode.MULTI_NODE, deployment_strategy=bounds(1), **SEVERAL_NODES)
        running = placed([rbg_samples.pod(0, member=member, size=3) for member in range(3)])
        live = rbg_samples.live(rbg_samples.group({"name": "engine", "replicas": 1}), pods=running)
        leaders, workers = RBGStrategy().surge("chat", [role], live)
        assert (leaders.pods, workers.pods) == (1, 2)
        assert workers.spec["containers"][0]["image"] == "worker:1"

    def test_an_instance_that_has_its_node_is_there(self) -> None:
        role = group_role(deployment_strategy=bounds(1))
        running = placed([rbg_samples.pod(number) for number in range(3)])
        live = rbg_samples.live(rbg_samples.group({"name": "engine", "replicas": 2}), pods=running)
        assert of_group(role, live) == [0]

    def test_pods_of_other_roles_count_for_nothing(self) -> None:
        role = group_role(deployment_strategy=bounds(1))
        others = placed([rbg_samples.pod(number, "decoder") for number in range(9)])
        live = rbg_samples.live(rbg_samples.group({"name": "engine", "replicas": 2}), pods=others)
        assert of_group(role, live) == [1]


ENGINE = {"engine": UpdateLimits(max_surge=3, max_unavailable=0)}
SPARED = {"engine": UpdateLimits(max_surge=0, max_unavailable=1)}


@pytest.mark.parametrize("backend", ["Deployment", "LeaderWorkerSet", "RoleBasedGroup"])
def test_limits_count_instead_of_what_a_role_is_rendered_with(backend: str) -> None:
    strategy: Strategy
    if backend == "RoleBasedGroup":
        running = placed([rbg_samples.pod(number) for number in range(8)])
        live = rbg_samples.live(rbg_samples.group({"name": "engine", "replicas": 8}), pods=running)
        strategy, role = RBGStrategy(), group_role()
    elif backend == "LeaderWorkerSet":
        running = placed([pod for number in range(8) for pod in samples.group(number, size=3)])
        live = samples.live(samples.leader_worker_set(8, size=3), pods=running)
        strategy, role = SingleComponentStrategy(), single(DeploymentMode.MULTI_NODE, **SEVERAL_NODES)
    else:
        live = samples.live(samples.deployment(8), samples.replica_set(2), pods=placed(samples.pods(8)))
        strategy, role = SingleComponentStrategy(), single()
    assert counts(strategy.surge("chat", [role], live, ENGINE))[0] == 3
    of_another = strategy.surge("chat", [role], live, {"router": UpdateLimits(max_surge=5)})
    assert of_another == strategy.surge("chat", [role], live)
    assert set(counts(strategy.surge("chat", [role], live, SPARED))) == {0}


def test_a_group_runs_nothing_on_top_for_instances_that_a_partition_keeps_back() -> None:
    running = placed([rbg_samples.pod(number) for number in range(8)])
    live = rbg_samples.live(rbg_samples.group({"name": "engine", "replicas": 8}), pods=running)
    kept = {"engine": UpdateLimits(max_surge=3, max_unavailable=0, partition=6)}
    assert counts(RBGStrategy().surge("chat", [group_role()], live, kept)) == [2]
