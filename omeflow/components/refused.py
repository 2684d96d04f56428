"""What a service has although it is refused: its model config, which upstream writes before it looks at anything else
(ome.md 2.2, step 10).

Programs that read it learn which model is asked for while the rest is being put right. What OME's webhooks refuse never
gets that far (15.2), and has nothing.
"""

from omeflow.api.errors import Terminal
from omeflow.api.names import ENGINE
from omeflow.components.configuration import default_mode, effective
from omeflow.components.defaulting import with_defaults
from omeflow.components.inputs import Inputs, ServiceValues, part, text
from omeflow.components.model_config import models_json
from omeflow.components.models import Model
from omeflow.components.modes import service_mode
from omeflow.components.types import DeploymentMode
from omeflow.components.validation import is_admitted


def model_config_of_refused(inputs: Inputs) -> str | None:
    """The text of `models.json` of a service that `build_components` or its strategy refuses; None if it has none."""
    if inputs.model is None or inputs.not_served or not is_admitted(inputs.service):
        return None
    try:
        default = default_mode(effective(inputs))
    except Terminal:
        return None
    service = with_defaults(inputs.service, default_mode=default)
    weights = part(service.spec, "model").get("fineTunedWeights") or []
    if service_mode(service, default) is DeploymentMode.VIRTUAL or bool(weights) is not bool(inputs.weight):
        return None
    if _needs_selection(service) and (inputs.runtime is None or inputs.model.spec.get("disabled")):
        return None
    return models_json(Model(inputs.model), inputs.weight)


def _needs_selection(service: ServiceValues) -> bool:
    """Whether the webhook looks for a runtime: the service names none, and its engine does not run without."""
    engine = service.spec.get(ENGINE)
    if engine is None or text(part(service.spec, "runtime"), "name"):
        return False
    whole = bool(text(part(engine, "runner"), "image"))
    return not whole and not all(text(part(engine, one, "runner"), "image") for one in ("leader", "worker"))
