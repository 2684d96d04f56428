"""What omeflow relies on in roles of multi-node instances (rbg.md 2.2 to 2.4)."""

import pytest
from pods_seen import PodRecorder, eventually, image_of, uids
from rbg_group import Group, attempt, leader_worker

from omeflow.api import names
from omeflow.kube.request import Object

PREFIX = names.RBG_PREFIX
NEW = "registry.test/model:2"


def own_environment(container: Object) -> list[str]:
    return [variable["name"] for variable in container.get("env") or [] if not variable["name"].startswith("RBG_")]


async def test_the_workers_template_is_exactly_what_replaces_the_leaders(group: Group) -> None:
    await group.created(leader_worker("decoder", replicas=1))
    pods = await group.pods()

    leader, worker = pods["chat-decoder-0-0"], pods["chat-decoder-0-1"]
    assert [each["name"] for each in leader["spec"]["containers"]] == ["main", "side"]
    assert [each["name"] for each in leader["spec"]["initContainers"]] == ["init"]
    assert leader["metadata"]["annotations"]["leads"] == "yes"
    assert leader["metadata"]["labels"]["part"] == "leader"
    assert [(each["name"], each["args"]) for each in worker["spec"]["containers"]] == [("worker", ["--work"])]
    assert "initContainers" not in worker["spec"]
    assert [each["name"] for each in worker["spec"]["volumes"]] == ["rbg-cluster-config"]
    assert "leads" not in (worker["metadata"].get("annotations") or {})
    assert worker["metadata"]["labels"]["part"] == "worker"
    assert own_environment(worker["spec"]["containers"][0]) == []


@pytest.mark.parametrize(
    ("pod", "index", "identifier", "part"),
    [
        ("chat-decoder-1-0", "0", "0", "leader"),
        ("chat-decoder-1-1", "1", "0", "worker"),
        ("chat-decoder-1-2", "2", "1", "worker"),
    ],
)
async def test_pods_say_which_part_they_are(group: Group, pod: str, index: str, identifier: str, part: str) -> None:
    await group.created(leader_worker("decoder"))

    labels = (await group.pods())[pod]["metadata"]["labels"]
    assert labels[names.COMPONENT_INDEX] == index
    assert labels[f"{PREFIX}component-id"] == identifier
    assert labels[f"{PREFIX}component-name"] == part
    assert labels[f"{PREFIX}component-size"] == "3"
    assert labels[f"{PREFIX}role-instance-name"] == "chat-decoder-1"
    assert (labels[names.GROUP_NAME], labels[names.ROLE_NAME]) == ("chat", "decoder")


async def test_containers_know_their_group_ahead_of_their_own_variables(group: Group) -> None:
    role = leader_worker("decoder", replicas=1)
    own = {"name": "LWS_LEADER_ADDRESS", "value": "$(RBG_LWP_LEADER_ADDRESS)"}
    role["leaderWorkerPattern"]["template"]["spec"]["containers"][0]["env"] = [own]
    await group.created(role)

    variables = (await group.pods())["chat-decoder-0-0"]["spec"]["containers"][0]["env"]
    assert variables[-1] == own
    assert [variable["name"] for variable in variables[:-1]] == [
        "RBG_COMPONENT_INDEX",
        "RBG_COMPONENT_NAME",
        "RBG_GROUP_NAME",
        "RBG_ROLE_INDEX",
        "RBG_ROLE_INSTANCE_NAME",
        "RBG_ROLE_NAME",
        "RBG_LWP_LEADER_ADDRESS",
        "RBG_LWP_WORKER_INDEX",
        "RBG_LWP_GROUP_SIZE",
    ]
    values = {variable["name"]: variable.get("value") for variable in variables}
    assert values["RBG_LWP_LEADER_ADDRESS"] == f"$(RBG_ROLE_INSTANCE_NAME)-0.s-chat-decoder.{group.namespace}"


async def test_only_leaders_have_names_in_the_service_unless_asked_otherwise(group: Group) -> None:
    await group.created(leader_worker("decoder", replicas=1))
    pods = await group.pods()

    assert pods["chat-decoder-0-0"]["spec"]["subdomain"] == "s-chat-decoder"
    assert pods["chat-decoder-0-0"]["spec"]["hostname"] == "chat-decoder-0-0"
    assert "subdomain" not in pods["chat-decoder-0-1"]["spec"]


async def test_an_image_edit_changes_whole_instances_in_place_one_after_the_other(group: Group) -> None:
    await group.created(leader_worker("decoder"))
    before = await group.pods()

    async with PodRecorder(group.cluster, group.namespace, by=names.ROLE_NAME) as record:
        await group.apply(attempt(leader_worker("decoder", NEW), 2))
        await group.rolled_out("decoder", 2)

    after = await group.pods()
    assert uids(after) == uids(before)
    assert {name.rpartition("-")[0] for name in record.images[:3]} == {"chat-decoder-1"}
    assert {name.rpartition("-")[0] for name in record.images[3:]} == {"chat-decoder-0"}
    assert {image_of(pod) for pod in after.values()} == {NEW}


async def test_a_change_of_size_recreates_instances(group: Group) -> None:
    await group.created(leader_worker("decoder", replicas=1))
    before = set(uids(await group.pods()).values())

    await group.apply(attempt(leader_worker("decoder", replicas=1, size=2), 2))
    await group.rolled_out("decoder", 2)

    # The workload may say so before its pods are there: omeflow counts an instance only with all of them.
    wanted = ["chat-decoder-0-0", "chat-decoder-0-1"]
    after = uids(await eventually(group.pods, lambda pods: sorted(pods) == wanted, what=f"pods {wanted}"))
    assert not set(after.values()) & before
