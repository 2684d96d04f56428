"""The inputs that an attempt stores are all that its objects follow from: rendered anew, they are the same bytes.

Judged is every step of every recorded case, with every object that omeflow makes of it, and the sentence of a refusal.
"""

import pytest
import recorded_cases
from recorded_cases import Step

from omeflow.api.errors import Terminal
from omeflow.api.rollouts import InferenceRollout, Spec, pack
from omeflow.components.inputs import Inputs
from omeflow.components.resolution import resolve_inputs
from strategies.manager import default_manager
from strategies.recorded import inputs_of, objects_of
from strategies.render import render

STEPS = [step for step in recorded_cases.steps() if step.service] if recorded_cases.DIRECTORY.is_dir() else []
MANAGER = default_manager()


def stored(inputs: Inputs, objects: str | None = None) -> InferenceRollout:
    """The record of an attempt, as the cluster gives it back."""
    spec = Spec(number=1, inputs=pack(inputs.to_json().decode()), objects=objects)
    record = InferenceRollout(metadata={"name": "chat-1", "namespace": "demo"}, spec=spec)
    return InferenceRollout.model_validate_json(record.model_dump_json())


def rendered(inputs: Inputs) -> tuple[str, str]:
    """Everything that is wanted, as an attempt stores it; or why it is refused."""
    try:
        return pack(render(inputs, MANAGER)[1].to_json()), ""
    except Terminal as refusal:
        return "", str(refusal)


@pytest.mark.skipif(not STEPS, reason=f"no recorded cases in {recorded_cases.DIRECTORY}: set OMEFLOW_CONFORMANCE_CASES")
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_stored_inputs_are_rendered_to_the_same_bytes(step: Step) -> None:
    assert step.service is not None
    inputs = resolve_inputs(step.service, step.found)
    objects, refusal = rendered(inputs)
    record = stored(inputs, objects or None)
    assert rendered(inputs_of(record)) == (objects, refusal)
    if objects:
        assert pack(objects_of(record).to_json()) == objects, "and so are the objects, read back and stored anew"
        assert objects_of(record).objects == render(inputs, MANAGER)[1].objects
