"""The model config of a service that is refused: there from where OME's controller writes it, not before (2.2)."""

from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, SERVICE, annotated, build, inputs, model, runtime, service

from omeflow.api.errors import Terminal
from omeflow.components.refused import model_config_of_refused

Json = dict[str, Any]

WHOLE = {"runner": {"name": "ome-container", "image": "img:1"}}
WEIGHT = {"kind": "FineTunedWeight", "metadata": {"name": "w"}, "spec": {"disabled": True, "modelType": "adapter"}}
TUNED = {"name": "llama-3-8b", "fineTunedWeights": ["w"]}


@pytest.mark.parametrize(
    ("given", "objects"),
    [
        pytest.param(service(runtime={"name": "none"}), (MODEL,), id="a runtime that does not exist"),
        pytest.param(SERVICE, (MODEL, runtime(disabled=True)), id="a disabled runtime"),
        pytest.param(SERVICE, (model(disabled=True), RUNTIME), id="a disabled model, with a runtime"),
        pytest.param(service(runtime=None, engine=WHOLE), (MODEL,), id="a whole engine that no runtime suits"),
        pytest.param(service(engine=None, router={}), (MODEL, RUNTIME), id="no engine"),
        pytest.param(service(model=TUNED), (MODEL, RUNTIME, WEIGHT), id="a disabled weight"),
    ],
)
def test_what_the_controller_refuses_has_one(given: Json, objects: tuple[Json, ...]) -> None:
    with pytest.raises(Terminal):
        build(given, *objects)
    config = model_config_of_refused(inputs(given, *objects))
    assert config is not None
    assert config.startswith('[{"modelName":"llama-3-8b","modelSpec":{"storageUri":"hf://meta-llama/x"')
    assert ("fineTunedWeightSpec" in config) is (given["spec"]["model"] == TUNED)


@pytest.mark.parametrize(
    ("given", "objects"),
    [
        pytest.param(annotated(SERVICE, name="4bit"), (MODEL, RUNTIME), id="a name that is none"),
        pytest.param(service(engine=None, decoder={}), (MODEL, RUNTIME), id="a decoder without engine"),
        pytest.param(service(), (RUNTIME,), id="no such model"),
        pytest.param(service(runtime=None), (MODEL,), id="no runtime to select"),
        pytest.param(service(runtime=None), (model(disabled=True), RUNTIME), id="a disabled model, without a runtime"),
        pytest.param(service(model=TUNED), (MODEL, RUNTIME), id="no such weight"),
    ],
)
def test_what_the_webhooks_or_the_look_up_refuse_has_none(given: Json, objects: tuple[Json, ...]) -> None:
    with pytest.raises(Terminal):
        build(given, *objects)
    assert model_config_of_refused(inputs(given, *objects)) is None
