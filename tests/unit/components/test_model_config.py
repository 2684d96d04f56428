"""The text of models.json (ome.md 12)."""

import json
from typing import Any

from component_samples import MODEL, RUNTIME, annotated, build, model, service
from hypothesis import given
from hypothesis import strategies as st

from omeflow.components.inputs import ObjectValues
from omeflow.components.model_config import models_json
from omeflow.components.models import Model

Json = dict[str, Any]


def test_the_worked_example() -> None:
    assert build().model_config == (
        '[{"modelName":"llama-3-8b","modelSpec":{"storageUri":"hf://meta-llama/x","path":"/raid/models/llama-3-8b",'
        '"modelFormatName":"safetensors","modelFormatVersion":"1.0.0","modelFrameworkName":"transformers",'
        '"modelFrameworkVersion":"4.43.0"}}]'
    )


def test_everything_that_can_be_said_in_its_order() -> None:
    storage = {
        "storageUri": "oci://a?b&c",
        "path": "/m/<x>",
        "schemaPath": "s",
        "key": "k",
        "parameters": {"z": "1", "a": "ü\u2028"},
    }
    tuned = {"modelType": "adapter", "storage": {"storageUri": "oci://w", "parameters": {}}}
    weight = ObjectValues("FineTunedWeight", "w", None, {}, tuned)
    given_model = Model(ObjectValues("BaseModel", "m", "prod", {}, model(storage=storage, modelType="llm")["spec"]))
    assert models_json(given_model, weight) == (
        '[{"modelName":"m","modelSpec":{"storageUri":"oci://a?b\\u0026c","path":"/m/\\u003cx\\u003e","schemaPath":"s",'
        '"parameters":{"a":"ü\\u2028","z":"1"},"storageKey":"k","modelFormatName":"safetensors",'
        '"modelFormatVersion":"1.0.0","modelType":"llm","modelFrameworkName":"transformers",'
        '"modelFrameworkVersion":"4.43.0"},"fineTunedWeightSpec":{"storageUri":"oci://w","modelType":"adapter"}}]'
    )


def test_it_describes_the_model_that_is_deployed() -> None:
    namespaced = annotated(model(storage={"path": "/own"}), namespace="prod") | {"kind": "BaseModel"}
    config = build(service(model={"name": "llama-3-8b", "kind": "ClusterBaseModel"}), namespaced, RUNTIME).model_config
    assert config is not None
    assert json.loads(config)[0]["modelSpec"]["path"] == "/own"
    assert json.loads(build(service(), MODEL, RUNTIME).model_config or "")[0]["modelSpec"]["path"] != "/own"


@given(st.text())
def test_any_text_survives(text: str) -> None:
    given_model = Model(ObjectValues("BaseModel", "m", "prod", {}, model(modelType=text)["spec"]))
    described = json.loads(models_json(given_model, None))[0]["modelSpec"]
    assert described.get("modelType", "") == text
