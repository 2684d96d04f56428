"""Bad input: one sentence, everywhere the same; nothing half-made; the way on is open.

What a service that is refused has nevertheless is its model config, if the model exists (ome.md 2.2, step 10).
"""

from typing import Any

import pytest
from platform_under_test import Platform, example, image
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from omeflow.api.kinds import SERVICE
from omeflow.cli.journal import Journal

Manifest = dict[str, Any]

CASES = {
    "missing model": ({"spec": {"model": {"name": "no-such"}}}, ["no-such", "spec.model"]),
    "missing runtime": ({"spec": {"runtime": {"name": "no-such"}}}, ["no-such", "spec.runtime"]),
    "serverless component": ({"spec": {"router": {"minReplicas": 0}}}, ["spec.router", "minReplicas"]),
    "engine mode that RBG cannot run": (
        {"spec": {"engine": {"annotations": {"ome.io/deploymentMode": "MultiNodeRayVLLM"}}}},
        ["engine", "MultiNodeRayVLLM"],
    ),
    "router in MultiNode": (
        {"spec": {"router": {"annotations": {"ome.io/deploymentMode": "MultiNode"}}}},
        ["spec.router.annotations", "MultiNode"],
    ),
    "update strategy that cannot move": (
        {"spec": {"engine": {"deploymentStrategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}}},
        ["spec.engine.deploymentStrategy", "maxUnavailable"],
    ),
}


def _merged(manifest: Manifest, patch: Manifest) -> Manifest:
    merged = dict(manifest)
    for key, value in patch.items():
        merged[key] = _merged(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize("case", CASES)
async def test_bad_input_is_refused_in_one_sentence_and_the_next_valid_edit_succeeds(
    platform: Platform, case: str
) -> None:
    patch, named = CASES[case]
    good = example("engine-router")
    await platform.create(_merged(good, patch))
    record = await platform.ended("routed", 1, "Failed")
    sentence = record.status.message or ""
    assert "InferenceService" in sentence
    for part in named:
        assert part in sentence
    await _is_told_everywhere(platform, "routed", sentence)
    described = set() if case == "missing model" else {"ConfigMap"}
    assert set(await platform.remains()) == {"InferenceRollout", *described}

    await platform.create(good)
    await platform.ended("routed", 2)
    await platform.condition("routed", "Ready", status="True")


async def test_a_foreign_object_of_our_name_is_left_alone(platform: Platform) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "routed-engine", "namespace": platform.namespace, "labels": {"team": "other"}},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]},
    }
    stored = await platform.cluster.create(foreign, manager="other")
    await platform.create(example("engine-router"))
    record = await platform.ended("routed", 1, "Failed")
    sentence = record.status.message or ""
    assert "Service" in sentence
    assert "routed-engine" in sentence
    await _is_told_everywhere(platform, "routed", sentence)
    assert set(await platform.remains()) == {"ConfigMap", "InferenceRollout", "Service"}
    untouched = await platform.cluster.get(SERVICE, "routed-engine", platform.namespace)
    assert untouched["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]

    await platform.cluster.delete(SERVICE, "routed-engine", platform.namespace)
    await platform.edit("routed", image("registry.example/sglang:0.5.0", "engine"))
    await platform.ended("routed", 2)


async def test_an_edit_that_cannot_be_planned_leaves_what_serves_alone(platform: Platform) -> None:
    journal = await platform.create(example("engine-router"))
    await platform.ended("routed", 1)
    await platform.condition("routed", "Ready", status="True")
    pods = await platform.pods("routed")
    await platform.edit("routed", {"spec": {"runtime": {"name": "no-such"}}})
    await platform.ended("routed", 2, "Failed")
    await platform.condition("routed", "RolledOut", status="False", words="no-such")
    await platform.condition("routed", "Ready", status="True")
    assert {name: pod["metadata"]["uid"] for name, pod in pods.items()} == {
        name: pod["metadata"]["uid"] for name, pod in (await platform.pods("routed")).items()
    }
    _no_event_changed_an_attempt(journal)
    await platform.edit("routed", {"spec": {"runtime": {"name": "sglang"}}})
    record = await platform.ended("routed", 3)
    assert record.status.stages == []


def _no_event_changed_an_attempt(journal: Journal) -> None:
    assert {entry.value for entry in journal.of("attempt")} == {"1"}


async def _is_told_everywhere(platform: Platform, name: str, sentence: str) -> None:
    """In the run's failure, in the service's status and in an Event."""
    status = await platform.eventually(
        lambda: platform.run_status(name), lambda s: s is not WorkflowExecutionStatus.RUNNING, what="the run's end"
    )
    assert status is WorkflowExecutionStatus.FAILED
    handle = platform.temporal.get_workflow_handle(f"isvc/{platform.namespace}/{name}")
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert sentence in str(failure.value.cause)
    condition = await platform.condition(name, "Ready", status="False", words=sentence)
    assert condition["message"] == sentence
    told = [event["message"] for event in await platform.events(name)]
    assert any(sentence in message for message in told), told
