"""Services that name no runtime and no accelerator: what is chosen for them, and that it stays (design rule 6)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from platform_under_test import Platform, example, examples

from omeflow.api.kinds import ACCELERATOR_CLASS, FINE_TUNED_WEIGHT, SERVING_RUNTIME
from omeflow.kube.client import Cluster

Manifest = dict[str, Any]
OWN, BETTER = "own", "better"
CHEAP, DEAR = "selected-cheap", "selected-dear"
ADAPTER = "selected-adapter"
OME = {"apiVersion": "ome.io/v1beta1"}


def serving_runtime(name: str, *, priority: int) -> Manifest:
    """A runtime of the namespace, made for two accelerator classes."""
    spec = next(one["spec"] for one in examples("models") if one["metadata"]["name"] == "sglang")
    formats = [one | {"autoSelect": True, "priority": priority} for one in spec["supportedModelFormats"]]
    needs = {"acceleratorClasses": [DEAR, CHEAP]}
    spec = spec | {"supportedModelFormats": formats, "acceleratorRequirements": needs}
    return OME | {"kind": "ServingRuntime", "metadata": {"name": name}, "spec": spec}


def accelerator_class(name: str, *, price: str) -> Manifest:
    return OME | {
        "kind": "AcceleratorClass",
        "metadata": {"name": name},
        "spec": {
            "discovery": {},
            "capabilities": {"memoryGB": "80Gi"},
            "resources": [{"name": "nvidia.com/gpu", "quantity": "1"}],
            "cost": {"perHour": price},
        },
    }


def weight() -> Manifest:
    spec = {
        "baseModelRef": {"name": "llama-3-8b"},
        "modelType": "LoRA",
        "hyperParameters": {"strategy": "lora"},
        "configuration": {"merged_weights": False},
        "storage": {"storageUri": "hf://acme/adapter"},
    }
    return OME | {"kind": "FineTunedWeight", "metadata": {"name": ADAPTER}, "spec": spec}


def service() -> Manifest:
    manifest = example("engine-only")
    spec = {key: value for key, value in manifest["spec"].items() if key != "runtime"}
    model = spec["model"] | {"fineTunedWeights": [ADAPTER]}
    return manifest | {"spec": spec | {"model": model, "acceleratorSelector": {"policy": "Cheapest"}}}


@pytest_asyncio.fixture(loop_scope="session")
async def shared(cluster: Cluster, prepared: None) -> AsyncIterator[None]:
    """Cluster-scoped objects, for the time of a test."""
    objects = [accelerator_class(CHEAP, price="1"), accelerator_class(DEAR, price="9"), weight()]
    for manifest in objects:
        await cluster.apply(manifest, manager="platform-team", force=True)
    yield
    for manifest in objects:
        kind = FINE_TUNED_WEIGHT if manifest["kind"] == FINE_TUNED_WEIGHT.name else ACCELERATOR_CLASS
        await cluster.delete(kind, manifest["metadata"]["name"])


async def test_a_selected_runtime_stays_until_it_no_longer_fits(shared: None, platform: Platform) -> None:
    name = service()["metadata"]["name"]
    await provide(platform, serving_runtime(OWN, priority=1))
    await platform.create(service())
    first = await platform.ended(name, 1)
    assert await runtime_of(platform, name) == OWN
    said = "; ".join(first.spec.choices or [])
    assert "runtime own is ServingRuntime" in said
    assert f"AcceleratorClass {CHEAP}, the cheapest of 2 priced classes" in said

    await provide(platform, serving_runtime(BETTER, priority=9))
    await platform.edit(name, {"spec": {"engine": {"runner": {"name": "ome-container", "image": "img:2"}}}})
    second = await platform.ended(name, 2)
    assert await runtime_of(platform, name) == OWN
    assert "kept" in "; ".join(second.spec.choices or [])

    disabled = {"spec": {"disabled": True}}
    await platform.cluster.merge_patch(SERVING_RUNTIME, OWN, platform.namespace, disabled, manager="platform-team")
    await platform.ended(name, 3)
    assert await runtime_of(platform, name) == BETTER


async def provide(platform: Platform, manifest: Manifest) -> None:
    metadata = manifest["metadata"] | {"namespace": platform.namespace}
    await platform.cluster.apply(manifest | {"metadata": metadata}, manager="platform-team", force=True)


async def runtime_of(platform: Platform, name: str) -> str:
    pods = await platform.pods(name)
    (runtime,) = {pod["metadata"]["labels"]["serving-runtime"] for pod in pods.values()}
    return str(runtime)
