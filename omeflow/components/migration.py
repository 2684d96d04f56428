"""The legacy `spec.predictor`, read as an engine (ome.md 14.3 and 15.1, step 3).

OME migrates it twice, in its webhook and in its controller, with different results, and writes the whole service anew.
Here it is done in memory, as the webhook does it, because with webhooks the controller finds nothing left to migrate.
The user's object stays as it is.
"""

from omeflow.api.names import ENGINE
from omeflow.components.inputs import ServiceValues, part
from omeflow.components.types import Json

DEPRECATION_WARNING = "ome.io/deprecation-warning"
WARNING = (
    "The Predictor field is deprecated and will be removed in a future release. Please use Engine and Model fields "
    "instead."
)
_SEEN_BY_THE_WEBHOOK = (
    "serviceAccountName",
    "containers",
    "volumes",
    "nodeSelector",
    "tolerations",
    "affinity",
)


def predictor_used(spec: Json) -> bool:
    """Whether the service says anything in its predictor (ome.md 14.3)."""
    predictor = part(spec, "predictor")
    return _seen_by_the_webhook(predictor) or any(predictor.get(field) for field in ("maxReplicas", "workerSpec"))


def with_engine(spec: Json) -> Json:
    """The spec with engine, model and runtime taken from the predictor, if that is all the user gave."""
    if spec.get(ENGINE) is not None or not predictor_used(spec):
        return spec
    predictor = part(spec, "predictor")
    legacy = part(predictor, "model")
    migrated = spec | {ENGINE: _engine(predictor)}
    if spec.get("model") is None and legacy.get("baseModel"):
        weights = {"fineTunedWeights": legacy["fineTunedWeights"]} if legacy.get("fineTunedWeights") else {}
        migrated["model"] = {"name": legacy["baseModel"], **weights}
    if spec.get("runtime") is None and legacy.get("runtime"):
        migrated["runtime"] = {"name": legacy["runtime"]}
    return migrated


def with_warning(service: ServiceValues) -> dict[str, str]:
    """The service's annotations with the warning that OME's webhook adds to a predictor, which pods carry.

    Its own test of use is narrower than `predictor_used`; what it does not see is migrated here nevertheless.
    """
    spec = service.spec
    warned = _seen_by_the_webhook(part(spec, "predictor")) or with_engine(spec) is not spec
    return ({DEPRECATION_WARNING: WARNING} if warned else {}) | service.annotations


def _seen_by_the_webhook(predictor: Json) -> bool:
    """The webhook's test (ome.md 15.1, step 3)."""
    stated = predictor.get("minReplicas") is not None or any(predictor.get(field) for field in _SEEN_BY_THE_WEBHOOK)
    return stated or bool(part(predictor, "model").get("baseModel"))


def _engine(predictor: Json) -> Json:
    engine = {field: value for field, value in predictor.items() if field not in ("model", "workerSpec", "containers")}
    containers = list(predictor.get("containers") or [])
    if containers:
        runner = next((one for one in containers if "ome" in str(one.get("name")).lower()), containers[0])
        others = [one for one in containers if one is not runner]
        engine |= {"runner": runner} | ({"containers": others} if others else {})
    if predictor.get("workerSpec") is not None:
        engine["worker"] = predictor["workerSpec"]
    return engine
