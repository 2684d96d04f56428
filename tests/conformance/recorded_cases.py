"""The recorded cases: what a cluster holds, what a user applies, and what OME made of it.

`OMEFLOW_CONFORMANCE_CASES` names the directory of the cases; without it they are looked for beside the repository.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from omeflow.api.kinds import (
    ACCELERATOR_CLASS,
    BASE_MODEL,
    CLUSTER_BASE_MODEL,
    CLUSTER_SERVING_RUNTIME,
    CONFIG_MAP,
    FINE_TUNED_WEIGHT,
    INFERENCE_SERVICE,
    SERVING_RUNTIME,
    Kind,
)
from omeflow.components.references import OME_NAMESPACE, Reference

Json = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ.get("OMEFLOW_CONFORMANCE_CASES") or REPOSITORY.parent / "shared" / "conformance" / "cases")
NAMESPACE = "demo"
CONFIGURATION: dict[str, Json] = {
    "ingress": {
        "ingressGateway": "knative-serving/knative-ingress-gateway",
        "ingressService": "istio-ingressgateway.istio-system.svc.cluster.local",
        "localGateway": "knative-serving/knative-local-gateway",
        "localGatewayService": "knative-local-gateway.istio-system.svc.cluster.local",
        "knativeLocalGatewayService": "knative-local-gateway.istio-system.svc.cluster.local",
        "omeIngressGateway": "",
        "ingressDomain": "svc.cluster.local",
        "ingressClassName": "istio",
        "additionalIngressDomains": None,
        "domainTemplate": "{{ .Name }}.{{ .Namespace }}.{{ .IngressDomain }}",
        "urlScheme": "http",
        "disableIstioVirtualHost": False,
        "pathTemplate": "",
        "disableIngressCreation": True,
        "enableGatewayAPI": False,
    },
    "deploy": {"defaultDeploymentMode": "RawDeployment"},
    "multinodeProber": {
        "image": "registry.example/multinode-prober:v1",
        "memoryRequest": "100Mi",
        "memoryLimit": "100Mi",
        "cpuRequest": "100m",
        "cpuLimit": "100m",
        "startupFailureThreshold": 150,
        "startupPeriodSeconds": 30,
        "startupTimeoutSeconds": 60,
        "startupInitialDelaySeconds": 200,
        "unavailableThresholdSeconds": 1800,
    },
}
"""OME's configuration when the cases were recorded."""

_MODELS = (BASE_MODEL, CLUSTER_BASE_MODEL, FINE_TUNED_WEIGHT)
_RUNTIMES = (SERVING_RUNTIME, CLUSTER_SERVING_RUNTIME, ACCELERATOR_CLASS)
_READ = {kind.name: kind for kind in (*_MODELS, *_RUNTIMES)}


@dataclass(frozen=True)
class Step:
    """One write of a case, with everything that the cluster holds by then, and what was recorded after it.

    Attributes:
        edited: the write was one to the service itself. Upstream notices no other (ome.md 16.22).
        knative: whether the cluster serves Knative Services.
    """

    case: str
    number: int
    differs: str | None
    service: Json | None
    edited: bool
    knative: bool
    found: dict[Reference, Json]
    recorded: Json

    def __str__(self) -> str:
        return f"{self.case}:{self.number}"


def steps() -> Iterator[Step]:
    """All steps of all cases, in order."""
    for path in sorted(DIRECTORY.glob("*/*/case.yaml")):
        yield from _steps_of(path.parent)


def _steps_of(folder: Path) -> Iterator[Step]:
    (case,) = _documents(folder / "case.yaml")
    (expected,) = _documents(folder / "expected.yaml")
    recorded = expected["after"]
    configuration = _configuration(case.get("config") or {})
    cluster: dict[tuple[str, str], Json] = {}
    writes = ["service.yaml", *(f"then-{number}.yaml" for number in range(1, len(recorded)))]
    _put(cluster, folder / "given.yaml")
    for number, (write, after) in enumerate(zip(writes, recorded, strict=True)):
        _put(cluster, folder / write)
        services = [obj for (kind, _), obj in cluster.items() if kind == INFERENCE_SERVICE.name]
        found = {_reference(_READ[kind], obj): obj for (kind, _), obj in cluster.items() if kind in _READ}
        found[Reference(CONFIG_MAP, "inferenceservice-config", OME_NAMESPACE)] = configuration
        yield Step(
            case=f"{folder.parent.name}/{folder.name}",
            number=number,
            differs=(case.get("differs") or {}).get("instead"),
            service=services[0] if len(services) == 1 else None,
            edited=any(obj["kind"] == INFERENCE_SERVICE.name for obj in _documents(folder / write)),
            knative="knative" in case.get("crds", ["knative"]),
            found=found,
            recorded=after,
        )


def _configuration(overrides: dict[str, Json | None]) -> Json:
    """OME's ConfigMap with a case's fields; a data key whose value is null is left out."""
    documents = {key: document for key, document in CONFIGURATION.items() if overrides.get(key, {}) is not None}
    for key, fields in overrides.items():
        if fields is not None:
            documents[key] = documents.get(key, {}) | fields
    metadata = {"name": "inferenceservice-config", "namespace": OME_NAMESPACE}
    return {"metadata": metadata, "data": {key: json.dumps(document) for key, document in documents.items()}}


def _put(cluster: dict[tuple[str, str], Json], path: Path) -> None:
    for obj in _documents(path):
        metadata = obj["metadata"]
        key = (obj["kind"], metadata["name"])
        if (metadata.get("annotations") or {}).get("conformance/delete") == "true":
            cluster.pop(key, None)
        else:
            metadata.setdefault("namespace", NAMESPACE)
            cluster[key] = obj


def _documents(path: Path) -> list[Json]:
    """The documents of a file, none of a file that is not there."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(path.read_text(), loader) if document] if path.exists() else []


def _reference(kind: Kind, obj: Json) -> Reference:
    metadata = obj["metadata"]
    return Reference(kind, metadata["name"], metadata["namespace"] if kind.namespaced else None)
