"""What omeflow relies on in the groups of a LeaderWorkerSet (other-workloads.md 2.1)."""

import hashlib

import pytest
from clusters.backends import Backend
from lws_set import GROUP_INDEX, NAME, PREFIX, REVISION, WORKER_INDEX, Set
from pods_seen import eventually, is_ready, uids

from omeflow.api import kinds
from omeflow.kube.request import Object
from omeflow.local import crds
from strategies.single_component.serving_pods import WORKER_INDEX as SELECTED


async def test_a_set_comes_up(engine: Set) -> None:
    found = await engine.created(groups=2)

    assert sorted(await engine.pods()) == [
        "lws-chat-engine-0",
        "lws-chat-engine-0-1",
        "lws-chat-engine-1",
        "lws-chat-engine-1-1",
    ]
    assert found["status"]["hpaPodSelector"] == f"{NAME}={engine.name},{WORKER_INDEX}=0"
    service = await engine.cluster.get(kinds.SERVICE, engine.name, namespace=engine.namespace)
    assert service["spec"]["clusterIP"] == "None"


async def test_pods_say_which_group_and_which_part_they_are(engine: Set) -> None:
    await engine.created(groups=2)
    pods = await engine.pods()

    leader, worker = pods["lws-chat-engine-1"], pods["lws-chat-engine-1-1"]
    key = hashlib.sha1(f"{engine.namespace}/lws-chat-engine-1".encode(), usedforsecurity=False).hexdigest()
    shared = {NAME: engine.name, GROUP_INDEX: "1", f"{PREFIX}group-key": key, "component": "engine"}
    assert leader["metadata"]["labels"].items() >= (shared | {WORKER_INDEX: "0", "app": "chat-engine"}).items()
    assert worker["metadata"]["labels"].items() >= (shared | {WORKER_INDEX: "1"}).items()
    assert "app" not in worker["metadata"]["labels"]
    assert (
        worker["metadata"]["annotations"].items()
        >= {
            f"{PREFIX}size": "2",
            f"{PREFIX}leader-name": "lws-chat-engine-1",
            "ome.io/deploymentMode": "MultiNode",
        }.items()
    )
    assert len({pod["metadata"]["labels"][REVISION] for pod in pods.values()}) == 1


async def test_the_leaders_are_what_a_service_selects(engine: Set) -> None:
    await engine.created(groups=2)

    assert SELECTED == WORKER_INDEX
    selected = await engine.selected(f"component=engine,{SELECTED}=0")
    assert sorted(selected) == ["lws-chat-engine-0", "lws-chat-engine-1"]


async def test_containers_know_their_group_ahead_of_their_own_variables(engine: Set) -> None:
    await engine.created(groups=1)

    variables = (await engine.pods())["lws-chat-engine-0-1"]["spec"]["containers"][0]["env"]
    assert variables == [
        {"name": "LWS_LEADER_ADDRESS", "value": f"lws-chat-engine-0.lws-chat-engine.{engine.namespace}"},
        {"name": "LWS_GROUP_SIZE", "value": "2"},
        {"name": "LWS_WORKER_INDEX", "value": "1"},
        {"name": "LEADER", "value": "$(LWS_LEADER_ADDRESS)"},
    ]


async def test_a_set_is_available_when_all_its_pods_are_ready(engine: Set) -> None:
    obj = await engine.apply(annotations={"note": "starting"})
    assert obj["spec"]["replicas"] == 1
    starting = await eventually(engine.object, lambda held: "status" in held, what="a first status")
    assert starting["status"].get("readyReplicas", 0) in (0, 1)
    found = await engine.rolled_out(1)
    assert all(map(is_ready, (await engine.pods()).values()))
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]


async def test_a_lost_worker_makes_its_group_start_over(engine: Set) -> None:
    await engine.created(groups=2)
    before = uids(await engine.pods())

    await engine.cluster.delete(kinds.POD, "lws-chat-engine-1-1", namespace=engine.namespace)

    def replaced(pods: dict[str, Object]) -> bool:
        now = uids(pods)
        return all(now.get(name, before[name]) != before[name] for name in ("lws-chat-engine-1", "lws-chat-engine-1-1"))

    await eventually(engine.pods, replaced, what="both pods of the group replaced")
    await engine.rolled_out(2)
    after = uids(await engine.pods())
    assert after["lws-chat-engine-0"] == before["lws-chat-engine-0"]
    assert after["lws-chat-engine-0-1"] == before["lws-chat-engine-0-1"]


async def test_a_deleted_set_leaves_nothing(engine: Set) -> None:
    await engine.created(groups=2)

    await engine.cluster.delete(kinds.LEADER_WORKER_SET, engine.name, namespace=engine.namespace)

    for kind in (kinds.POD, kinds.CONTROLLER_REVISION, kinds.SERVICE):
        await eventually(
            lambda kind=kind: engine.cluster.list(kind, namespace=engine.namespace),  # type: ignore[misc]
            lambda left: not left,
            what=f"no {kind} left",
        )


async def test_a_set_that_is_deleted_and_made_again_comes_up(engine: Set) -> None:
    await engine.created(groups=1)
    before = uids(await engine.pods())

    await engine.cluster.delete(kinds.LEADER_WORKER_SET, engine.name, namespace=engine.namespace)
    await engine.created(groups=1)

    # A worker pod goes once the garbage collector sees that its leader has gone, and may be counted until then.
    former = set(before.values())
    await eventually(engine.pods, lambda pods: not former & set(uids(pods).values()), what="no former pod left")
    await engine.created(groups=1)


async def test_a_definition_that_goes_and_comes_back_is_noticed(engine: Set, lws_backend: Backend) -> None:
    if lws_backend.real:
        pytest.skip("the real manager is not expected to outlive its kind")
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    name = f"{kinds.LEADER_WORKER_SET.plural}.{kinds.LEADER_WORKER_SET.group}"
    await engine.created(groups=1)

    await engine.cluster.delete(kind, name)
    await eventually(lambda: engine.cluster.find(kind, name), lambda held: held is None, what="the definition gone")
    await eventually(engine.pods, lambda pods: not pods, what="its pods gone")
    await crds.establish(engine.cluster, crds.shipped([crds.LWS]))

    await engine.created(groups=1)
