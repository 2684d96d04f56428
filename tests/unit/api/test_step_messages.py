"""Messages outlive releases: an old worker reads what a new one wrote, and the other way around."""

import inspect

import pytest

from omeflow.api import messages, runs, steps
from omeflow.api.messages import Change, Message
from omeflow.api.steps import Step

MODULES = (messages, steps, runs)
MESSAGES = [
    value
    for module in MODULES
    for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, Message) and value.__module__ == module.__name__
]
STEPS = [value for value in vars(steps).values() if isinstance(value, Step)]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_a_message_may_lack_fields_and_have_unknown_ones(message: type[Message]) -> None:
    assert message.model_validate({"from_the_future": 1}) == message()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_a_message_survives_the_wire(message: type[Message]) -> None:
    assert message.model_validate_json(message().model_dump_json()) == message()


def test_the_names_of_the_steps_are_those_of_the_design() -> None:
    assert [step.name for step in STEPS] == [
        "select-strategy",
        "build-configs",
        "apply-rbac",
        "check-capacity",
        "warm-up",
        "apply-workload",
        "apply-autoscalers",
        "apply-exposure",
        "await-rollout",
        "check-gate",
        "record-wait",
        "replace-stuck",
        "prune",
        "close-attempt",
    ]


@pytest.mark.parametrize(
    ("cause", "forced"),
    [("edit", False), ("dependency", False), ("repair", True), ("replay", True), ("rollback", True), ("policy", True)],
)
def test_which_causes_are_carried_out_although_the_inputs_are_the_same(cause: str, forced: bool) -> None:
    assert Change(cause=cause).forced is forced
