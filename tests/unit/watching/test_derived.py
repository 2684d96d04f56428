"""What follows from records and inputs is computed once, and again when these differ."""

from dataclasses import replace
from typing import Any

from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME
from omeflow.api.rollouts import InferenceRollout, Spec, pack
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues, fingerprint
from omeflow.components.references import Reference
from omeflow.rollout.trigger import Changed
from strategies.contract import Desired
from workers.watching.derived import Derived

Manifest = dict[str, Any]
RUNTIME = ObjectValues("ClusterServingRuntime", "sglang", None, {}, {"engineConfig": {"image": "a"}})
BEFORE = Inputs(ServiceValues("chat", "serving", "uid", {}, {}, {"engine": {}}), runtime=RUNTIME)
AFTER = replace(BEFORE, runtime=replace(RUNTIME, spec={"engineConfig": {"image": "b"}}))


def attempt(number: int, inputs: Inputs | None = BEFORE, *, planned: bool = False) -> InferenceRollout:
    spec = Spec(
        number=number,
        fingerprint=fingerprint(inputs) if inputs else "",
        inputs=pack(inputs.to_json().decode()) if inputs else None,
        objects=pack(Desired({}, [], [], []).to_json()) if planned else None,
    )
    return InferenceRollout(metadata={"name": f"chat-{number}", "namespace": "serving"}, spec=spec)


def test_what_changed_is_told_until_an_attempt_has_taken_it_up() -> None:
    derived, seen = Derived(), fingerprint(AFTER)
    changed = derived.changed([attempt(1)], AFTER, seen)
    assert changed == Changed([], ["ClusterServingRuntime sglang: spec.engineConfig.image"])
    assert derived.changed([attempt(1)], AFTER, seen) is changed
    assert derived.changed([attempt(1), attempt(2, AFTER)], AFTER, seen) is None
    assert derived.changed([], AFTER, seen) is None
    assert derived.changed([attempt(2, None)], AFTER, seen) is None


def test_a_choice_is_remembered_from_the_newest_attempt_that_made_one() -> None:
    derived = Derived()
    choosing: Manifest = {"spec": {"model": {"name": "m"}, "engine": {}}}
    found_none = replace(BEFORE, runtime=None)
    assert derived.remembered(choosing, []) is None
    chosen = derived.remembered(choosing, [attempt(1), attempt(2, found_none), attempt(3, None)])
    assert chosen is not None
    assert chosen.runtime == Reference(CLUSTER_SERVING_RUNTIME, "sglang", None)
    other = replace(BEFORE, runtime=replace(RUNTIME, name="vllm"))
    newer = derived.remembered(choosing, [attempt(1), attempt(2, found_none), attempt(3, None), attempt(4, other)])
    assert newer is not None
    assert newer.runtime == Reference(CLUSTER_SERVING_RUNTIME, "vllm", None)


def test_a_service_that_names_everything_remembers_nothing() -> None:
    named: Manifest = {"spec": {"model": {"name": "m"}, "runtime": {"name": "sglang"}, "engine": {}}}
    assert Derived().remembered(named, [attempt(1)]) is None


def test_the_newest_plan_is_unpacked_once() -> None:
    derived = Derived()
    assert derived.planned([attempt(1)]) is None
    first = derived.planned([attempt(1, planned=True), attempt(2)])
    assert first is not None
    assert first.number == 1
    assert derived.planned([attempt(1, planned=True), attempt(2)]) is first
    second = derived.planned([attempt(1, planned=True), attempt(2, planned=True)])
    assert second is not None
    assert second.number == 2
