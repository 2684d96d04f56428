"""Which policy a service follows (design section 7)."""

from typing import Any

import pytest

from omeflow.api.errors import PolicyNotFound, PolicyRefused
from omeflow.api.names import ROLLOUT_POLICY
from omeflow.api.policies import BUILT_IN, policy_of
from omeflow.rollout.policy import accepted, describe_edit, in_force, name_followed

NAMED = {ROLLOUT_POLICY: "careful"}


def policy(name: str = "careful", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "serving", "uid": f"of-{name}"}, "spec": spec}


@pytest.mark.parametrize(
    ("annotations", "name"), [(NAMED, "careful"), ({}, "default"), ({ROLLOUT_POLICY: ""}, "default")]
)
def test_a_service_follows_the_policy_that_it_names_else_the_default(annotations: dict[str, str], name: str) -> None:
    assert name_followed(annotations) == name


def test_without_a_default_what_is_built_in_is_followed() -> None:
    assert in_force("serving/chat", {}, None) is BUILT_IN
    assert in_force("serving/chat", {}, policy("default")).name == "default"


def test_a_named_policy_that_does_not_exist_is_refused_with_field_and_remedy() -> None:
    with pytest.raises(PolicyNotFound) as refusal:
        in_force("serving/chat", NAMED, None)
    assert str(refusal.value) == (
        "InferenceService serving/chat: metadata.annotations[omeflow.io/rollout-policy] names RolloutPolicy careful,"
        " which does not exist in this namespace; create it, or correct or remove the annotation"
    )


def test_a_policy_of_a_later_release_is_refused_rather_than_half_understood() -> None:
    with pytest.raises(PolicyRefused, match=r"spec\.onFailure"):
        in_force("serving/chat", NAMED, policy(onFailure="Explode"))


def test_a_condition_says_whether_a_policy_is_kept_and_since_when() -> None:
    stored = policy()
    stored["metadata"]["generation"] = 3
    kept = accepted(stored, refusal=None, now="2026-11-22T10:00:00Z")
    assert (kept["status"], kept["reason"], kept["observedGeneration"]) == ("True", "Kept", 3)
    stored["status"] = {"conditions": [kept]}
    assert accepted(stored, refusal=None, now="2026-11-22T11:00:00Z") == kept
    refused = accepted(stored, refusal=PolicyRefused("no ratio"), now="2026-11-22T11:00:00Z")
    assert (refused["status"], refused["reason"], refused["message"]) == ("False", "PolicyRefused", "no ratio")
    assert refused["lastTransitionTime"] == "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (policy(), policy(order=[["engine"]]), "RolloutPolicy careful: spec.order"),
        (
            policy(deadline="1h"),
            policy(deadline="2h", onFailure="Rollback"),
            "RolloutPolicy careful: spec.deadline, spec.onFailure",
        ),
        (policy(), policy("other"), "RolloutPolicy other instead of RolloutPolicy careful"),
        (policy(), None, "the built-in rollout policy instead of RolloutPolicy careful"),
        (None, policy("default"), "RolloutPolicy default instead of the built-in rollout policy"),
        (policy(), policy(), "RolloutPolicy careful: replaced"),
    ],
)
def test_an_edit_is_told_field_by_field(before: Any, after: Any, said: str) -> None:
    one, other = (policy_of(each) if each else BUILT_IN for each in (before, after))
    assert describe_edit(one, other) == said
