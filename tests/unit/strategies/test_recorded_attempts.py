"""Reading attempt records back: what they started from, wanted and planned, and what serves after them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from attempt_samples import inputs, render

from omeflow.api.errors import NotFound
from omeflow.api.rollouts import InferenceRollout, RolloutPlan, Spec, pack
from omeflow.components.inputs import ObjectValues
from omeflow.rollout.status import SelectedAccelerator
from strategies.recorded import inputs_of, newest_plan, objects_of, plan_of, planned, serving_after


def recorded(number: int, images: Mapping[str, str], **plan: Any) -> InferenceRollout:
    values = inputs(images)
    spec = Spec(
        number=number,
        inputs=pack(values.to_json().decode()),
        objects=pack(render(values).to_json()),
        plan=pack(RolloutPlan(**plan).manifest()),
    )
    return InferenceRollout(metadata={"name": f"chat-{number}", "namespace": "serving"}, spec=spec)


def test_a_record_gives_back_what_was_put_in() -> None:
    attempt = recorded(1, {"engine": "img:1"}, changed_roles=["engine"], summary="create engine")
    assert inputs_of(attempt) == inputs({"engine": "img:1"})
    assert objects_of(attempt) == render(inputs({"engine": "img:1"}))
    assert plan_of(attempt) == RolloutPlan(changed_roles=["engine"], summary="create engine")


@pytest.mark.parametrize(("part", "read"), [("inputs", inputs_of), ("objects", objects_of), ("plan", plan_of)])
def test_a_part_that_was_never_set_is_named(part: str, read: Any) -> None:
    attempt = recorded(1, {"engine": "img:1"})
    setattr(attempt.spec, part, None)
    with pytest.raises(NotFound, match=rf"InferenceRollout serving/chat-1 has no spec.{part}"):
        read(attempt)


FIRST = recorded(1, {"engine": "img:1", "router": "img:1"}, changed_roles=["engine", "router"])
SECOND = recorded(
    2, {"engine": "img:2", "router": "img:1"}, changed_roles=["engine"], serving={"engine": 1, "router": 1}
)


def test_changed_roles_serve_as_wanted_and_the_others_as_before() -> None:
    after = serving_after([FIRST, SECOND])
    assert after.desired == objects_of(SECOND)
    assert {role: one.attempt for role, one in after.roles.items()} == {"engine": 2, "router": 1}
    assert after.roles["router"].desired == objects_of(FIRST).roles["router"]


def test_a_removed_role_does_not_serve() -> None:
    third = recorded(3, {"engine": "img:2"}, removed_roles=["router"], serving={"engine": 2, "router": 1})
    assert {role: one.attempt for role, one in serving_after([FIRST, SECOND, third]).roles.items()} == {"engine": 2}


def test_without_the_former_record_a_role_is_taken_to_be_as_wanted() -> None:
    after = serving_after([SECOND])
    assert after.roles["router"].attempt == 1
    assert after.roles["router"].desired == objects_of(SECOND).roles["router"]


def test_the_newest_plan_is_what_the_status_tells_of() -> None:
    unplanned = InferenceRollout(metadata=FIRST.metadata, spec=Spec(number=2))
    assert newest_plan([FIRST, unplanned]) is FIRST
    assert newest_plan([unplanned]) is None
    wanted = planned(FIRST)
    assert (wanted.number, wanted.desired, wanted.accelerators) == (1, objects_of(FIRST), {})


def test_the_accelerators_of_a_plan_come_with_their_reasons() -> None:
    spec = {
        "discovery": {"nodeSelector": {"gpu": "h100"}},
        "resources": [{"name": "nvidia.com/gpu", "quantity": "4"}, {"name": "rdma/hca"}],
    }
    chosen = ObjectValues("AcceleratorClass", "h100", None, {}, spec)
    values = replace(inputs({"engine": "img:1"}), accelerators={"engine": chosen}, reasons={"engine": "it fits"})
    attempt = recorded(1, {"engine": "img:1"})
    attempt.spec.inputs = pack(values.to_json().decode())
    assert planned(attempt).accelerators == {
        "engine": SelectedAccelerator("h100", "it fits", {"gpu": "h100"}, {"nvidia.com/gpu": "4", "rdma/hca": "1"})
    }
