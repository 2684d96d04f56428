"""Pods that do not come up by themselves, as the watcher keeps them (ome.md 13.5)."""

from typing import Any

import pytest

from omeflow.rollout.roles import Crash
from strategies.pods import crashes, trouble
from workers.watching import keeping

Json = dict[str, Any]
ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-22T10:00:00Z"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}


def pod(name: str = "chat-engine-0", *, field: str = "containerStatuses", leaving: bool = False, **status: Any) -> Json:
    container = {"name": "ome-container", "image": "img:1", **status}
    metadata = {"name": name, "namespace": "serving", "uid": name}
    return {
        "metadata": metadata | ({"deletionTimestamp": "now"} if leaving else {}),
        "status": {field: [{"name": "side", "state": {"running": {}}}, container]},
    }


@pytest.mark.parametrize("field", ["containerStatuses", "initContainerStatuses"])
@pytest.mark.parametrize("keep", [keeping.pod, lambda whole: whole], ids=["kept", "whole"])
def test_a_container_that_is_started_again_and_again_is_named(field: str, keep: Any) -> None:
    broken = keep(pod(field=field, state=BACK_OFF, lastState=ENDED))
    assert crashes([broken]) == (Crash("chat-engine-0", "ome-container", 137, "OOMKilled"),)
    assert trouble([broken]) == "Pod serving/chat-engine-0: CrashLoopBackOff img:1, exit code 137 (OOMKilled)"


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        ({"exitCode": 1, "reason": "Error", "message": "no such model"}, "no such model"),
        ({"exitCode": 3, "reason": "Error"}, "Error"),
        ({"exitCode": 2}, "container ome-container ended with exit code 2"),
    ],
)
def test_what_it_said_when_it_ended_is_told(ended: Json, message: str) -> None:
    [crash] = crashes([keeping.pod(pod(state=BACK_OFF, lastState={"terminated": ended}))])
    assert (crash.exit_code, crash.message) == (ended["exitCode"], message)


@pytest.mark.parametrize(
    "status",
    [
        {"state": {"running": {}}, "lastState": ENDED},
        {"state": BACK_OFF},  # nobody knows yet how it ended
        {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": ENDED},
        {"state": BACK_OFF, "lastState": ENDED, "leaving": True},
        {},
    ],
)
def test_other_pods_have_not_crashed(status: Json) -> None:
    assert crashes([keeping.pod(pod(**status))]) == ()


def test_when_a_container_ended_wakes_nobody() -> None:
    later = {"terminated": ENDED["terminated"] | {"finishedAt": "2026-11-22T11:00:00Z"}}
    assert keeping.pod(pod(state=BACK_OFF, lastState=ENDED)) == keeping.pod(pod(state=BACK_OFF, lastState=later))


def test_every_pod_that_crashes_counts_by_name() -> None:
    names = [crash.pod for crash in crashes([pod(name, state=BACK_OFF, lastState=ENDED) for name in ("b", "a")])]
    assert names == ["a", "b"]


def test_between_two_ends_of_a_crash_loop_the_same_is_told() -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    moments = [
        pod(state=BACK_OFF, lastState=ended, restartCount=4),
        pod(state={"running": {"startedAt": "2026-11-22T10:00:00Z"}}, lastState=ended, restartCount=5, ready=False),
        pod(state=ended, restartCount=5, ready=False),
        pod(state={"waiting": {"reason": "PodInitializing"}}, lastState=ended, restartCount=5, ready=False),
    ]
    told = {trouble([one]) for moment in moments for one in (moment, keeping.pod(moment))}
    assert told == {"Pod serving/chat-engine-0: CrashLoopBackOff img:1, exit code 1"}


@pytest.mark.parametrize(
    "status",
    [
        {"state": {"running": {}}, "lastState": ENDED, "restartCount": 1, "ready": False},  # once is no loop
        {"state": {"running": {}}, "lastState": ENDED, "restartCount": 7, "ready": True},
        {"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 0}}, "restartCount": 7, "ready": False},
        {"state": {"waiting": {"reason": "ContainerCreating"}}},
        {"state": {"waiting": {}}},
    ],
)
def test_what_is_no_trouble(status: Json) -> None:
    assert trouble([pod(**status)]) == trouble([keeping.pod(pod(**status))]) == ""


def test_how_often_and_for_how_long_a_container_has_been_tried_wakes_nobody() -> None:
    sooner, later = (
        {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {seconds} restarting failed container"}}
        for seconds in ("20s", "40s")
    )
    first = keeping.pod(pod(state=sooner, lastState=ENDED, restartCount=3))
    assert first == keeping.pod(pod(state=later, lastState=ENDED, restartCount=4))
