"""Fine-tuned weights: which one a service serves, and what engine and decoder get for it (ome.md 8.3, 8.4 and 8.6).

A weight is loaded beside the model by an injected container, or it is merged: then it is a model of its own, and the
pods need no node that has the base model.
"""

from dataclasses import dataclass
from typing import Any

from omeflow.api.errors import Invalid, NotFound, NotServed
from omeflow.api.kinds import FINE_TUNED_WEIGHT
from omeflow.components import environment
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from omeflow.components.models import Model
from omeflow.components.types import Json

MODEL_EMPTY_DIR = "model-empty-dir"
"""Volume for what injected containers bring."""

_MODEL_DIRECTORY = "/opt/ml/model"
_TFEW_DIRECTORY = "/opt/ml/tfew"


@dataclass(frozen=True, slots=True)
class Weight:
    """A fine-tuned weight, read for what the components need.

    Attributes:
        strategy: how it was trained, such as `lora` or `tfew`.
        merged: the weight holds the base model too.
    """

    values: ObjectValues
    strategy: str
    merged: bool

    @property
    def name(self) -> str:
        return self.values.name

    def is_stacked(self, model: Model) -> bool:
        """Whether Cohere's T-Few weights are served beside their model (ome.md 8.6)."""
        return model.vendor == "cohere" and self.strategy == "tfew" and not self.merged


def resolve_weight(inputs: Inputs, *, service: ServiceValues) -> Weight | None:
    """The weight that spec.model.fineTunedWeights names; None if there is none (ome.md 8.3).

    What upstream makes of a weight without strategy or configuration, or of a disabled one, serves nobody
    (ome.md 16.71).

    Args:
        service: the service with its defaults.

    Raises:
        Invalid: there are several, or the weight is disabled or does not say how it was trained.
        NotFound, NotServed: there is no weight of that name, or no kind of that name.
    """
    field = "spec.model.fineTunedWeights"
    names = (service.spec.get("model") or {}).get("fineTunedWeights") or []
    if not names:
        return None
    if len(names) > 1:
        raise Invalid(f"{field} has {len(names)} weights, and one at a time can be served: leave one")
    if inputs.weight is None and FINE_TUNED_WEIGHT.name in inputs.not_served:
        raise NotServed(f"{field}: the cluster does not serve FineTunedWeight: install OME's CRDs")
    if inputs.weight is None:
        raise NotFound(f'{field} refers to FineTunedWeight "{names[0]}", which does not exist: create it')
    spec = inputs.weight.spec
    if spec.get("disabled"):
        raise Invalid(f"{field} refers to {inputs.weight}, which is disabled: enable it, or name another")
    strategy = _of_object(spec.get("hyperParameters"), "strategy")
    if not strategy or not isinstance(strategy, str):
        raise Invalid(
            f"{field} refers to {inputs.weight}, whose spec.hyperParameters.strategy is {strategy!r}: "
            "set it there to how the weight was trained, such as lora"
        )
    return Weight(inputs.weight, strategy, _of_object(spec.get("configuration"), "merged_weights") is True)


def with_environment(env: list[Json], weight: Weight, model: Model) -> list[Json]:
    """The runner's variables with those that tell servers where the weight is."""
    if model.vendor == "meta":
        env = environment.with_variable(env, "SERVED_MODEL_NAME", f"/data/{weight.name}")
        env = environment.with_default(env, "MODEL_PATH", _MODEL_DIRECTORY)
    if weight.is_stacked(model):
        env = environment.with_default(env, "TFEW_PATH", f"{_TFEW_DIRECTORY}/fastertransformer/1")
    return env


def with_mounts(mounts: list[Json], weight: Weight, model: Model) -> list[Json]:
    """The runner's mounts with that of the directory into which the weight is loaded."""
    if all(mount.get("name") != MODEL_EMPTY_DIR for mount in mounts):
        mounts = [*mounts, {"name": MODEL_EMPTY_DIR, "mountPath": _MODEL_DIRECTORY}]
    if not weight.is_stacked(model):
        return mounts
    place = next(place for place, mount in enumerate(mounts) if mount.get("name") == MODEL_EMPTY_DIR)
    writable = {field: value for field, value in mounts[place].items() if field != "readOnly"}
    form = model.format["name"]
    base = writable | {"mountPath": f"{_MODEL_DIRECTORY}/{form}", "subPath": "base"}
    tuned = {
        "name": MODEL_EMPTY_DIR,
        "mountPath": f"{_TFEW_DIRECTORY}/{form}",
        "subPath": "finetuned",
        "readOnly": True,
    }
    return [*mounts[:place], base, *mounts[place + 1 :], tuned]


def _of_object(value: Any, name: str) -> Any:
    """A value of a free-form object; None where there is no such object."""
    return value.get(name) if isinstance(value, dict) else None
