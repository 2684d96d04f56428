"""Cases that are recorded as right, and in which omeflow deliberately does something else (docs/differences.md).

An entry says what may differ, and nothing else may; one that differs no more is to be removed.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Difference:
    """Why, and patterns of what the script then says; `*` stands for any text."""

    why: str
    said: list[str] = field(default_factory=list)

    def unexpected(self, said: list[str]) -> list[str]:
        return [line for line in said if not any(fnmatchcase(line, _literal(pattern)) for pattern in self.said)]


def _literal(pattern: str) -> str:
    """Brackets are no character classes here."""
    return pattern.replace("[", "[[]")


PORT_OF_THE_SERVICE = Difference(
    "an Ingress names the port that the Service has; upstream's 8080 leads nowhere (ome.md 16.45)",
    ["*: Ingress/* spec.rules[*].http.paths[*].backend.service.port.number: * (upstream: 8080)"],
)
LEADERS_OF_THE_ROLE = Difference(
    "a Service of several nodes selects the leaders of its service and role, and no workers (ome.md 16.4 and 16.5)",
    ["*: Service/* spec.selector.*"],
)
REFUSED_BY_THE_RUN = Difference(
    "what OME's webhooks refuse is stored, and the run refuses it: what serves stays, as after a refused write",
    ["*: upstream refused this write; here it made objects"],
)
EDIT_OF_THE_MODEL = Difference(
    "the edit of a model takes effect by itself; upstream's waits for the next edit of the service",
    ["then-1.yaml: */boundary-engine *"],
)
EDIT_OF_THE_RUNTIME = Difference(
    "a service that was refused goes on once a runtime suits it; upstream's webhook did not store it",
    ["then-1.yaml: *: not made upstream"],
)
SOMEBODY_ELSES = Difference(
    "an object that has no owner is not the service's, and is neither overwritten nor adopted without a word",
    ["*: missing"],
)
REFUSED_BY_THE_SERVER = Difference(
    "a workload that the API server refuses ends the attempt; upstream makes the components before it, half a service",
    ["service.yaml: *: missing"],
)
PROBER_OF_NOTHING = Difference(
    "a prober goes with its Ray cluster (ome.md 16.27)",
    ["then-1.yaml: Deployment/dsv25-ray-engine-1-mnp: missing"],
)

DELIBERATE = {
    "admission/mode-annotation-needs-worker-size-in-service": LEADERS_OF_THE_ROLE,
    "admission/predictor-storage-uri-and-worker": LEADERS_OF_THE_ROLE,
    "admission/refuse-keda-settings": REFUSED_BY_THE_RUN,
    "exposure/ingress-enabled-per-service": PORT_OF_THE_SERVICE,
    "exposure/ingress-engine-only": PORT_OF_THE_SERVICE,
    "exposure/ingress-router-engine-decoder-hosts": PORT_OF_THE_SERVICE,
    "merging/leader-and-worker-merge": LEADERS_OF_THE_ROLE,
    "merging/worker-size-from-service": LEADERS_OF_THE_ROLE,
    "model-and-runtime/auto-select-size-boundaries": EDIT_OF_THE_MODEL,
    "model-and-runtime/no-supporting-runtime-refused": EDIT_OF_THE_RUNTIME,
    "pd-disaggregated/kueue-labels": LEADERS_OF_THE_ROLE,
    "pd-disaggregated/volcano-labels-per-role": LEADERS_OF_THE_ROLE,
    "raw/deployment-replicas-kept": SOMEBODY_ELSES,
    "raw/legacy-container-resources": REFUSED_BY_THE_SERVER,
    "ray/cluster-count-edit": PROBER_OF_NOTHING,
}
