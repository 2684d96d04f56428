"""The judge of the stories finds what it is there for: a story that went well is retold with one thing wrong."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
from contract_judge import Judge
from contract_story import Story, usual
from contract_stream import Written
from pods_seen import is_ready
from story_checks import Broken
from story_service import DEPLOYMENT

from omeflow.api.names import ENGINE, ROUTER
from omeflow.kube.request import Object
from omeflow.local.simulation.objects import labels_of, name_of

Writes = list[Written]


async def test_whatever_goes_wrong_in_a_story_is_found(begin: Callable[..., object]) -> None:
    story: Story = await begin(usual(DEPLOYMENT))
    await story.give_image("v2", ENGINE, ROUTER)
    await story.ended(2)
    await story.judged()
    writes = await story.stream.writes()
    for wrong, words in WRONG.items():
        with pytest.raises(Broken, match=words):
            Judge(story.asked).hear(wrong(writes))


def a_count_that_nobody_set(writes: Writes) -> Writes:
    return [*writes, _again(_last(writes, "Deployment", ROUTER), lambda obj: obj["spec"].update(replicas=2))]


def a_template_that_nobody_asked_for(writes: Writes) -> Writes:
    return [*writes, _again(_last(writes, "Deployment", ENGINE), lambda obj: _give_image(obj, "v9"))]


def a_role_before_its_turn(writes: Writes) -> Writes:
    """The router's template comes where the engine's comes."""
    turn = _first(writes, lambda one: _is(one, "Deployment", ENGINE) and _runs(one.object, "v2"))
    router = next(one for one in reversed(writes[:turn]) if _is(one, "Deployment", ROUTER))
    return [*writes[:turn], _again(router, lambda obj: _give_image(obj, "v2")), *writes[turn:]]


def a_pod_that_goes_without_a_reason(writes: Writes) -> Writes:
    last = {name_of(one.object): one for one in writes if _is(one, "Pod", ROUTER)}
    left = next(one for one in last.values() if one.present is not None)
    return [*writes, replace(left, former=left.object, present=None)]


def pods_that_are_not_ready_while_others_are_replaced(writes: Writes) -> Writes:
    """Right after the engine's template was written."""
    turn = _first(writes, lambda one: _is(one, "Deployment", ENGINE) and _runs(one.object, "v2"))
    pods = {name_of(one.object): one for one in writes[:turn] if _is(one, "Pod", ENGINE)}
    ready = [one for one in pods.values() if is_ready(one.object)]
    return [*writes[: turn + 1], _again(ready[0], lambda obj: obj["status"].update(conditions=[])), *writes[turn + 1 :]]


def a_stage_that_is_done_too_early(writes: Writes) -> Writes:
    """The engine's, before any of its pods is new."""
    over = _first(writes, lambda one: _is(one, "InferenceRollout") and len(_stages(one.object)) == 2)
    begun = _first(writes, lambda one: _is(one, "Deployment", ENGINE) and _runs(one.object, "v2"))
    return [*writes[: begun + 1], writes[over]]


def a_wait_without_a_reason(writes: Writes) -> Writes:
    waits = _first(writes, lambda one: _is(one, "InferenceRollout") and "wait" in (one.object.get("status") or {}))
    return [*writes[:waits], _again(writes[waits], lambda obj: obj["status"]["wait"].update(reason=""))]


WRONG = {
    a_count_that_nobody_set: "count 1 became 2",
    a_template_that_nobody_asked_for: "its user asked for",
    a_role_before_its_turn: "in the stage of engine",
    a_pod_that_goes_without_a_reason: "which is unchanged, goes",
    pods_that_are_not_ready_while_others_are_replaced: "2 of 3 available, 0 may be away",
    a_stage_that_is_done_too_early: "declared done",
    a_wait_without_a_reason: "waits without a name, a reason or a deadline",
}


def _again(written: Written, change: Callable[[Object], object]) -> Written:
    present = deepcopy(written.object)
    change(present)
    return Written(written.version, written.object, present)


def _is(written: Written, kind: str, role: str | None = None) -> bool:
    return written.object["kind"] == kind and role in (None, labels_of(written.object).get("component"))


def _last(writes: Writes, kind: str, role: str) -> Written:
    return next(one for one in reversed(writes) if _is(one, kind, role) and one.present is not None)


def _first(writes: Writes, true: Callable[[Written], bool]) -> int:
    return next(index for index, one in enumerate(writes) if true(one))


def _stages(record: Object) -> list[Object]:
    return (record.get("status") or {}).get("stages") or []


def _runs(workload: Object, image: str) -> bool:
    return any(one["image"] == image for one in workload["spec"]["template"]["spec"]["containers"])


def _give_image(workload: Object, image: str) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = image
