"""A service, its model and its runtime: the worked example of ome.md, Appendix B, to be varied by tests."""

import copy
from typing import Any

from omeflow.components.build import build_components
from omeflow.components.inputs import Inputs
from omeflow.components.references import Listing, Wanted
from omeflow.components.resolution import Memory, gather, resolve_inputs
from omeflow.components.types import ComponentConfig, Components

Json = dict[str, Any]

MODEL: Json = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "ClusterBaseModel",
    "metadata": {"name": "llama-3-8b"},
    "spec": {
        "modelFormat": {"name": "safetensors", "version": "1.0.0"},
        "modelFramework": {"name": "transformers", "version": "4.43.0"},
        "vendor": "meta",
        "storage": {"path": "/raid/models/llama-3-8b", "storageUri": "hf://meta-llama/x"},
    },
}
RUNTIME: Json = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "ClusterServingRuntime",
    "metadata": {"name": "srt-llama"},
    "spec": {
        "supportedModelFormats": [
            {
                "name": "safetensors",
                "modelFormat": {"name": "safetensors", "version": "1.0.0"},
                "modelFramework": {"name": "transformers", "version": "4.43.0"},
            }
        ],
        "engineConfig": {
            "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
            "runner": {
                "name": "ome-container",
                "image": "img:1",
                "env": [{"name": "A", "value": "1"}],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "volumeMounts": [{"mountPath": "/dev/shm", "name": "dshm"}],
                "resources": {"limits": {"nvidia.com/gpu": 2}, "requests": {"nvidia.com/gpu": 2}},
            },
        },
    },
}
SERVICE: Json = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "demo", "namespace": "prod", "uid": "c0ffee"},
    "spec": {
        "model": {"name": "llama-3-8b"},
        "runtime": {"name": "srt-llama"},
        "engine": {
            "minReplicas": 2,
            "maxReplicas": 4,
            "runner": {"name": "ome-container", "env": [{"name": "B", "value": "2"}]},
        },
    },
}


def service(**spec: Any) -> Json:
    """The sample service with fields of its spec replaced; None removes one."""
    return _with_spec(SERVICE, spec)


def model(**spec: Any) -> Json:
    return _with_spec(MODEL, spec)


def runtime(**spec: Any) -> Json:
    return _with_spec(RUNTIME, spec)


def annotated(obj: Json, **metadata: Any) -> Json:
    """The object with fields of its metadata replaced."""
    return copy.deepcopy(obj) | {"metadata": obj["metadata"] | metadata}


def inputs(service: Json = SERVICE, *objects: Json, memory: Memory | None = None) -> Inputs:
    """The inputs of a service among the objects; without any, among the sample model and runtime."""

    def look_up(wanted: Wanted) -> list[Json]:
        return [
            one
            for one in objects or (MODEL, RUNTIME)
            if one["kind"] == wanted.kind.name
            and one["metadata"].get("namespace") == wanted.namespace
            and (isinstance(wanted, Listing) or one["metadata"]["name"] == wanted.name)
        ]

    return resolve_inputs(service, gather(service, look_up, memory).found, memory=memory)


def build(service: Json = SERVICE, *objects: Json) -> Components:
    return build_components(inputs(service, *objects))


def _with_spec(obj: Json, spec: Json) -> Json:
    changed = copy.deepcopy(obj)
    changed["spec"] = {field: value for field, value in (changed["spec"] | spec).items() if value is not None}
    return changed


PLAIN = {"name": "main", "image": "plain:1"}
ROUTER = {"runner": {"name": "router", "image": "router:1"}}


def engine(service: Json = SERVICE, *objects: Json) -> ComponentConfig:
    return build(service, *objects).configs["engine"]


def main(pod: Json, name: str = "ome-container") -> Json:
    container: Json = next(one for one in pod["containers"] if one["name"] == name)
    return container


def with_engine_template(**fields: Any) -> Json:
    return runtime(engineConfig=RUNTIME["spec"]["engineConfig"] | fields)
