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
_SIGNS_OF_USE = (
    "minReplicas",
    "maxReplicas",
    "serviceAccountName",
    "containers",
    "volumes",
    "nodeSelector",
    "tolerations",
    "affinity",
    "workerSpec",
)


def predictor_used(spec: Json) -> bool:
    """Whether the service says anything in its predictor (ome.md 14.3).

    The webhook's own test leaves out maxReplicas and workerSpec; a service that has nothing else then fails upstream.
    """
    predictor = part(spec, "predictor")
    given = any(predictor.get(field) for field in _SIGNS_OF_USE) or predictor.get("minReplicas") is not None
    return given or bool(part(predictor, "model").get("baseModel"))


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
    """The service's annotations with the warning that OME adds, which pods carry."""
    warning = {DEPRECATION_WARNING: WARNING} if predictor_used(service.spec) else {}
    return warning | service.annotations


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
