"""Fine-tuned weights: refusals, and what engine and decoder get (ome.md 8.3, 8.4 and 8.6)."""

from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, annotated, build, model, service

from omeflow.api.errors import Invalid, NotFound, Terminal
from omeflow.components.types import ComponentConfig

Json = dict[str, Any]

ROUTER = {"runner": {"name": "router", "image": "router:1"}}
SERVED = service(model={"name": "llama-3-8b", "fineTunedWeights": ["legal"]}, router=ROUTER)


def weight(**spec: Any) -> Json:
    given = {"hyperParameters": {"strategy": "lora"}, "configuration": {"merged_weights": False}} | spec
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "FineTunedWeight",
        "metadata": {"name": "legal"},
        "spec": {field: value for field, value in given.items() if value is not None},
    }


def configs(given_weight: Json, given_model: Json = MODEL, runtime: Json = RUNTIME) -> dict[str, ComponentConfig]:
    return build(SERVED, given_model, runtime, given_weight).configs


def runner(config: ComponentConfig) -> Json:
    container: Json = config.pod_spec["containers"][-1]
    return container


def test_a_weight_is_named_on_the_engine_and_not_on_the_router() -> None:
    engine, router = configs(weight()).values()
    assert engine.annotations["ome.io/inject-fine-tuned-adapter"] == "legal"
    assert engine.annotations["ome.io/fine-tuned-weight-ft-strategy"] == "lora"
    assert engine.labels["fine-tuned-serving"] == "true"
    assert engine.labels["fine-tuned-weight-ft-strategy"] == "lora"
    assert engine.labels["fine-tuned-serving-with-merged-weights"] == "false"
    assert router.labels["fine-tuned-serving"] == "false"
    assert not [key for key in (*router.labels, *router.annotations) if "adapter" in key or "ft-strategy" in key]


def test_a_weight_is_loaded_beside_the_model() -> None:
    engine = configs(weight())["engine"]
    assert [(entry["name"], entry["value"]) for entry in runner(engine)["env"]] == [
        ("B", "2"),
        ("A", "1"),
        ("SERVED_MODEL_NAME", "/data/legal"),
        ("MODEL_PATH", "/opt/ml/model"),
        ("PARALLELISM_SIZE", "2"),
    ]
    assert runner(engine)["volumeMounts"] == [
        {"name": "dshm", "mountPath": "/dev/shm"},
        {"name": "llama-3-8b", "mountPath": "/raid/models/llama-3-8b", "readOnly": True},
        {"name": "model-empty-dir", "mountPath": "/opt/ml/model"},
    ]
    assert engine.pod_spec["volumes"][-1] == {"name": "model-empty-dir", "emptyDir": {"medium": "Memory"}}
    assert engine.pod_spec["nodeSelector"] == {"models.ome.io/clusterbasemodel.llama-3-8b": "Ready"}


def test_merged_weights_are_a_model_of_their_own() -> None:
    keys = {"ome.io/base-model-decryption-key-name": "k"}
    engine, router = configs(
        weight(configuration={"merged_weights": True}), annotated(MODEL, annotations=keys)
    ).values()
    assert engine.annotations["ome.io/fine-tuned-serving-with-merged-weights"] == "true"
    assert engine.annotations["ome.io/inject-model-init"] == "false"
    assert not keys.keys() & engine.annotations.keys()
    assert keys.items() <= router.annotations.items()
    assert engine.labels["fine-tuned-serving-with-merged-weights"] == "true"
    assert [mount["name"] for mount in runner(engine)["volumeMounts"]] == ["dshm", "model-empty-dir"]
    assert "nodeSelector" not in engine.pod_spec


def test_another_vendors_weight_sets_no_variables() -> None:
    env = runner(configs(weight(), model(vendor="Meta"))["engine"])["env"]
    assert [entry["name"] for entry in env] == ["B", "A", "PARALLELISM_SIZE"]


def test_tfew_weights_of_cohere_are_stacked() -> None:
    own = {"name": "model-empty-dir", "mountPath": "/elsewhere", "readOnly": True}
    template = RUNTIME["spec"]["engineConfig"]
    mounted = template | {"runner": template["runner"] | {"volumeMounts": [own]}}
    runtime = RUNTIME | {"spec": RUNTIME["spec"] | {"engineConfig": mounted}}
    given = weight(hyperParameters={"strategy": "tfew"}), model(vendor="cohere")
    base = {"name": "model-empty-dir", "mountPath": "/opt/ml/model/safetensors", "subPath": "base"}
    tuned = {"name": "model-empty-dir", "mountPath": "/opt/ml/tfew/safetensors", "subPath": "finetuned"}
    for engine, first in ((configs(*given)["engine"], 2), (configs(*given, runtime)["engine"], 0)):
        assert {"name": "TFEW_PATH", "value": "/opt/ml/tfew/fastertransformer/1"} in runner(engine)["env"]
        assert runner(engine)["volumeMounts"][first] == base
        assert runner(engine)["volumeMounts"][-1] == tuned | {"readOnly": True}


@pytest.mark.parametrize("change", [{"configuration": None}, {"configuration": {}}, {"configuration": {"x": 1}}])
def test_a_weight_is_merged_only_if_it_says_so(change: Json) -> None:
    labels = configs(weight(**change))["engine"].labels
    assert labels["fine-tuned-serving-with-merged-weights"] == "false"


@pytest.mark.parametrize(
    ("names", "objects", "error", "sentence"),
    [
        (["legal", "other"], [weight()], Invalid, "fineTunedWeights has 2 weights, and one at a time can be served"),
        (["legal"], [], NotFound, 'refers to FineTunedWeight "legal", which does not exist: create it'),
        (["legal"], [weight(hyperParameters=None)], Invalid, "FineTunedWeight legal, whose .*strategy is None: set it"),
        (["legal"], [weight(hyperParameters={"strategy": 3})], Invalid, "strategy is 3: set it there"),
        (["legal"], [weight(disabled=True)], Invalid, "refers to FineTunedWeight legal, which is disabled: enable it"),
    ],
)
def test_weights_that_cannot_be_served(
    names: list[str], objects: list[Json], error: type[Terminal], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        build(service(model={"name": "llama-3-8b", "fineTunedWeights": names}), MODEL, RUNTIME, *objects)
