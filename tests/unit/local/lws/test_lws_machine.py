"""What the simulated LeaderWorkerSet controller makes of a set, step by step."""

import pytest
from clusters.in_memory import NAMESPACE
from lws_in_memory import NAME, SetInMemory

from omeflow.local.lws import wire
from omeflow.local.lws.rollout import ABSENT, Allowance, GroupState, allowance
from omeflow.local.lws.spec import Policy
from omeflow.local.simulation.objects import is_true, labels_of, terminating, uid_of
from omeflow.local.simulation.state import Key


def settled(**spec: object) -> SetInMemory:
    cluster = SetInMemory()
    cluster.apply(**spec)  # type: ignore[arg-type]
    cluster.settle()
    return cluster


def test_a_set_has_a_leader_and_its_workers_in_every_group() -> None:
    cluster = settled(replicas=2, size=3)
    assert sorted(cluster.pods()) == [f"{NAME}-{group}{of}" for group in (0, 1) for of in ("", "-1", "-2")]
    leader, worker = (cluster.pods()[name] for name in (f"{NAME}-1", f"{NAME}-1-2"))
    assert (
        labels_of(worker).items()
        >= {
            wire.NAME: NAME,
            wire.GROUP_INDEX: "1",
            wire.WORKER_INDEX: "2",
            wire.GROUP_KEY: labels_of(leader)[wire.GROUP_KEY],
            wire.REVISION: labels_of(leader)[wire.REVISION],
            "app": "chat",
        }.items()
    )
    assert labels_of(leader)[wire.WORKER_INDEX] == "0"
    assert worker["metadata"]["annotations"] == {"of": "worker", wire.SIZE: "3", wire.LEADER_NAME: f"{NAME}-1"}
    assert [variable["name"] for variable in worker["spec"]["containers"][0]["env"]] == [
        "LWS_LEADER_ADDRESS",
        "LWS_GROUP_SIZE",
        "LWS_WORKER_INDEX",
        "OF",
    ]
    assert worker["spec"]["containers"][0]["env"][0]["value"] == f"{NAME}-1.{NAME}.{NAMESPACE}"
    assert worker["spec"]["subdomain"] == NAME


def test_the_status_of_a_set_that_serves() -> None:
    cluster = settled(replicas=2)
    status = cluster.status
    assert [status[key] for key in ("replicas", "readyReplicas", "updatedReplicas", "observedGeneration")] == [
        2,
        2,
        2,
        1,
    ]
    assert status["hpaPodSelector"] == f"{wire.NAME}={NAME},{wire.WORKER_INDEX}=0"
    assert cluster.holds("Available")
    assert not cluster.holds("Progressing")
    assert not cluster.holds("UpdateInProgress")


@pytest.mark.parametrize("replicas", [0, 1, 3])
def test_scaling_makes_and_removes_whole_groups_and_restarts_none(replicas: int) -> None:
    cluster = settled(replicas=2)
    before = {name: uid_of(pod) for name, pod in cluster.pods().items()}
    cluster.scale(replicas)
    cluster.settle()
    after = {name: uid_of(pod) for name, pod in cluster.pods().items()}
    assert len(after) == 2 * replicas
    assert all(before.get(name, uid) == uid for name, uid in after.items())
    assert cluster.status["replicas"] == replicas


def test_a_rollout_replaces_every_group_and_keeps_one_revision() -> None:
    cluster = settled(replicas=3)
    before = {uid_of(pod) for pod in cluster.pods().values()}
    cluster.apply("model:2")
    cluster.step()
    assert cluster.holds("UpdateInProgress")
    assert cluster.status["updatedReplicas"] == 0
    assert cluster.status["observedGeneration"] == 2
    cluster.settle()
    assert set(cluster.images().values()) == {"model:2"}
    assert len(cluster.images()) == 6
    assert not before & {uid_of(pod) for pod in cluster.pods().values()}
    assert cluster.holds("Available")
    assert len(cluster.revisions()) == 1


def test_the_newest_revision_is_told_before_the_status_says_observed() -> None:
    cluster = settled(replicas=1)
    cluster.apply("model:2")
    cluster.step()
    leaders = cluster.find("StatefulSet", NAME)
    assert leaders is not None
    assert labels_of(leaders)[wire.REVISION] != labels_of(cluster.pods()[f"{NAME}-0"])[wire.REVISION]
    cluster.settle()
    assert labels_of(leaders)[wire.REVISION] == labels_of(cluster.pods()[f"{NAME}-0"])[wire.REVISION]


def test_an_edit_of_count_or_strategy_is_no_rollout() -> None:
    cluster = settled(replicas=2)
    before = {uid_of(pod) for pod in cluster.pods().values()}
    cluster.apply(surge=0, down=2, annotations={"omeflow.io/engine-attempt": "2"})
    cluster.settle()
    assert {uid_of(pod) for pod in cluster.pods().values()} == before
    assert cluster.status["observedGeneration"] == 2


def test_another_size_is_a_rollout() -> None:
    cluster = settled(replicas=2, size=2)
    cluster.apply(size=3)
    cluster.settle()
    assert len(cluster.pods()) == 6
    assert cluster.holds("Available")


def test_going_back_in_mid_rollout_leaves_the_groups_alone_that_never_left() -> None:
    cluster = settled(replicas=3)
    before = {name: uid_of(pod) for name, pod in cluster.pods().items()}
    cluster.unpullable.add("model:2")
    cluster.apply("model:2")
    cluster.settle()
    assert cluster.ready_groups() >= 2
    cluster.apply("model:1")
    cluster.settle()
    assert set(cluster.images().values()) == {"model:1"}
    assert cluster.holds("Available")
    kept = [name for name, pod in cluster.pods().items() if uid_of(pod) == before.get(name)]
    assert {f"{NAME}-0", f"{NAME}-0-1"} <= set(kept)
    newest = max(cluster.revisions(), key=lambda each: int(each["revision"]))
    assert (newest["revision"], labels_of(newest)[wire.REVISION]) == (
        3,
        labels_of(cluster.pods()[f"{NAME}-0"])[wire.REVISION],
    )


def test_leaders_are_replaced_one_at_a_time_even_if_more_may_be_unavailable() -> None:
    cluster = settled(replicas=4, surge=0, down=2)
    cluster.apply("model:2", surge=0, down=2)
    for _ in range(40):
        while cluster.step():
            pass
        leaders = [pod for name, pod in cluster.pods().items() if labels_of(pod)[wire.WORKER_INDEX] == "0"]
        assert sum(1 for leader in leaders if is_true(leader, "Ready") and not terminating(leader)) >= 3
        cluster.run_all_pods()
    assert set(cluster.images().values()) == {"model:2"}


def test_a_broken_rollout_is_mended_by_the_next_one() -> None:
    cluster = settled(replicas=2)
    cluster.unpullable.add("model:2")
    cluster.apply("model:2")
    cluster.settle()
    assert not cluster.holds("Available")
    cluster.apply("model:3")
    cluster.settle()
    assert set(cluster.images().values()) == {"model:3"}
    assert cluster.holds("Available")


def test_groups_below_a_partition_keep_their_revision_even_if_they_start_over() -> None:
    cluster = settled(replicas=3, surge=0)
    cluster.apply("model:2", surge=0, partition=2)
    cluster.settle()
    assert cluster.images()[f"{NAME}-2"] == "model:2"
    cluster.evict(f"{NAME}-0")
    cluster.settle()
    assert {cluster.images()[f"{NAME}-{n}"] for n in (0, 1)} == {"model:1"}
    assert cluster.images()[f"{NAME}-0-1"] == "model:1"


def restarted(policy: str, *, annotations: dict[str, str] | None = None) -> tuple[SetInMemory, set[str], set[str]]:
    """A set after a worker's container has crashed; pods of its group that are new, and those that are not."""
    cluster = settled(replicas=2, size=3, restart=policy, annotations=annotations or {})
    before = {uid_of(pod) for pod in cluster.pods().values()}
    cluster.restart_container(f"{NAME}-1-1")
    cluster.settle()
    new = {name for name, pod in cluster.pods().items() if uid_of(pod) not in before}
    return cluster, new, set(cluster.pods()) - new


GROUP = {f"{NAME}-1", f"{NAME}-1-1", f"{NAME}-1-2"}


@pytest.mark.parametrize("policy", ["RecreateGroupOnPodRestart", "RecreateGroupAfterStart"])
def test_a_group_starts_over_as_a_whole(policy: str) -> None:
    cluster, new, same = restarted(policy)
    assert new == GROUP
    assert len(same) == 3
    assert cluster.holds("Available")


@pytest.mark.parametrize("policy", ["None", "Default"])
def test_a_group_may_be_left_alone(policy: str) -> None:
    cluster, new, _ = restarted(policy)
    assert not new
    assert cluster.holds("Available")


def test_a_deleted_worker_takes_its_group_with_it() -> None:
    cluster = settled(replicas=1, size=3)
    before = {uid_of(pod) for pod in cluster.pods().values()}
    cluster.evict(f"{NAME}-0-2")
    cluster.settle()
    assert not before & {uid_of(pod) for pod in cluster.pods().values()}
    assert cluster.holds("Available")


def test_a_group_that_is_still_starting_is_not_started_over_if_the_policy_says_so() -> None:
    cluster = SetInMemory()
    cluster.apply(replicas=1, size=3, restart="RecreateGroupAfterStart")
    while cluster.step():
        pass
    cluster.run_pod(f"{NAME}-0-1")
    before = uid_of(cluster.pods()[f"{NAME}-0"])
    cluster.restart_container(f"{NAME}-0-1")
    while cluster.step():
        pass
    assert uid_of(cluster.pods()[f"{NAME}-0"]) == before


def test_workers_may_wait_for_their_leader() -> None:
    cluster = SetInMemory()
    cluster.apply(replicas=1, startupPolicy="LeaderReady")
    while cluster.step():
        pass
    assert sorted(cluster.pods()) == [f"{NAME}-0"]
    cluster.settle()
    assert sorted(cluster.pods()) == [f"{NAME}-0", f"{NAME}-0-1"]


def test_groups_may_have_addresses_of_their_own() -> None:
    cluster = settled(replicas=2, networkConfig={"subdomainPolicy": "UniquePerReplica"})
    assert cluster.find("Service", NAME) is None
    assert cluster.find("Service", f"{NAME}-1") is not None
    assert cluster.pods()[f"{NAME}-1-1"]["spec"]["subdomain"] == f"{NAME}-1"


def test_a_set_that_goes_is_left_to_the_garbage_collector() -> None:
    cluster = settled(replicas=2)
    cluster.delete(Key(wire.KIND, NAMESPACE, NAME))
    cluster.settle()
    assert not cluster.pods()
    assert not cluster.revisions()


OLD = GroupState(started=True, ready=True, updated=False)
NEW = GroupState(started=True, ready=True, updated=True)
STARTING = GroupState(started=True, ready=False, updated=True)
BROKEN = GroupState(started=True, ready=False, updated=False)


@pytest.mark.parametrize(
    ("surge", "down", "states", "expected"),
    [
        (1, 1, [OLD], Allowance(1, 0)),  # one group needs no spare: one may be unavailable
        (1, 0, [OLD], Allowance(2, 1)),
        (1, 1, [OLD, OLD, OLD], Allowance(4, 2)),
        (0, 1, [OLD, OLD, OLD], Allowance(3, 2)),
        (1, 1, [OLD, OLD, OLD, STARTING], Allowance(4, 2)),
        (1, 1, [OLD, OLD, OLD, NEW], Allowance(4, 1)),
        (1, 1, [OLD, OLD, NEW, NEW], Allowance(4, 0)),
        (1, 1, [OLD, NEW, NEW, NEW], Allowance(3, 0)),  # the last one may go without a spare
        (0, 1, [OLD, OLD, BROKEN], Allowance(3, 2)),
        (0, 1, [BROKEN, OLD, OLD], Allowance(3, 3)),  # one is unavailable already, and not the next in turn
        (0, 1, [BROKEN, BROKEN, BROKEN], Allowance(3, 2)),
        (1, 1, [BROKEN, BROKEN, OLD, OLD], Allowance(4, 3)),  # the surge group may go whatever is broken
        (0, 2, [OLD, OLD, OLD, OLD], Allowance(4, 2)),
        (0, 1, [OLD, OLD], Allowance(2, 1)),
        (0, 1, [], Allowance(0, 0)),
    ],
)
def test_how_far_a_rollout_may_go(surge: int, down: int, states: list[GroupState], expected: Allowance) -> None:
    replicas = len(states) - (1 if len(states) == 4 and surge else 0)
    policy = Policy(replicas, surge, down, partition=0, leader_ready_first=False)
    assert allowance(policy, states, rolling=True) == expected


def test_missing_groups_come_before_old_ones_are_replaced() -> None:
    policy = Policy(5, 1, 1, partition=0, leader_ready_first=False)
    assert allowance(policy, [OLD, OLD, OLD], rolling=True) == Allowance(5, 3)
    assert allowance(policy, [OLD, OLD, OLD, ABSENT, ABSENT], rolling=True) == Allowance(6, 4)
