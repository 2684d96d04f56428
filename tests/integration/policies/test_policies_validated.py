"""What the API server itself refuses of a RolloutPolicy, and what it fills in: nobody has to wait for a rollout."""

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from omeflow.api.errors import Invalid
from omeflow.api.policies import policy_of
from omeflow.api.rollouts import custom_resource_definitions
from omeflow.kube.client import Cluster
from omeflow.local import crds

pytestmark = pytest.mark.real_cluster

REPOSITORY = Path(__file__).parents[3]
AFTER = {"after": ["engine"]}
QUERY = {"url": "http://prometheus.monitoring", "query": "up", "comparison": ">=", "threshold": 0.5}
FULL = {
    "order": [["router"], ["engine", "decoder"]],
    "gates": [
        {**AFTER, "approval": {}},
        {**AFTER, "soak": {"duration": "1h30m"}},
        {"after": ["engine", "decoder"], "http": {"url": "https://checks.example/ready", "interval": "10s"}},
        {**AFTER, "prometheus": {**QUERY, "deadline": "10m"}},
    ],
    "ratio": {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 10},
    "deadline": "45m",
    "onFailure": "Rollback",
    "roles": {"engine": {"maxUnavailable": "10%", "maxSurge": 0}, "router": {"partition": "50%", "maxSurge": 2}},
    "capacityCheck": True,
    "onNoCapacity": "NoSurge",
    "runtimeUpdates": "Manual",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prepared(cluster: Cluster) -> None:
    await crds.establish(cluster, custom_resource_definitions())


async def store(cluster: Cluster, namespace: str, **spec: Any) -> dict[str, Any]:
    manifest = {
        "apiVersion": "omeflow.io/v1alpha1",
        "kind": "RolloutPolicy",
        "metadata": {"name": "careful", "namespace": namespace},
        "spec": spec,
    }
    return await cluster.apply(manifest, manager="user", force=True)


async def test_everything_that_a_policy_can_say_is_kept(prepared: None, cluster: Cluster, namespace: str) -> None:
    stored = await store(cluster, namespace, **FULL)
    for part in FULL.keys() - {"gates"}:
        assert stored["spec"][part] == FULL[part]
    assert [policy_gate.kind for policy_gate in policy_of(stored).spec.gates] == [
        "approval",
        "soak",
        "http",
        "prometheus",
    ]


async def test_what_is_not_said_is_filled_in(prepared: None, cluster: Cluster, namespace: str) -> None:
    stored = await store(cluster, namespace, gates=[{**AFTER, "prometheus": QUERY}])
    gate = stored["spec"].pop("gates")[0]["prometheus"]
    assert stored["spec"] == {
        "deadline": "1h",
        "onFailure": "Pause",
        "capacityCheck": False,
        "onNoCapacity": "Wait",
        "runtimeUpdates": "Auto",
    }
    assert (gate["interval"], gate["deadline"]) == ("30s", "1h")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"order": [["engine"], ["router", "engine"]]}, "a role is named at most once"),
        ({"order": [["engine", "engine"]]}, "a role is named at most once"),
        ({"order": [["prefill"]]}, "Unsupported value"),
        ({"order": []}, "should have at least 1 items"),
        ({"order": [[]]}, "should have at least 1 items"),
        ({"gates": [AFTER]}, "exactly one of approval, soak, http and prometheus"),
        (
            {"gates": [{**AFTER, "approval": {}, "soak": {"duration": "1m"}}]},
            "exactly one of approval, soak, http and prometheus",
        ),
        ({"gates": [{"approval": {}}]}, "after: Required value"),
        ({"gates": [{"after": ["engine", "engine"], "approval": {}}]}, "duplicate"),
        ({"gates": [{**AFTER, "soak": {"duration": "soon"}}]}, "duration"),
        ({"gates": [{**AFTER, "soak": {"duration": "0s"}}]}, "must be between 1s and 8760h"),
        ({"gates": [{**AFTER, "soak": {"duration": "8761h"}}]}, "must be between 1s and 8760h"),
        ({"gates": [{**AFTER, "http": {"url": "checks.example"}}]}, "url"),
        ({"gates": [{**AFTER, "prometheus": {**QUERY, "comparison": "~"}}]}, "Unsupported value"),
        ({"gates": [{**AFTER, "prometheus": {"url": "http://x"}}]}, "Required value"),
        ({"deadline": "1d"}, "deadline"),
        ({"deadline": ""}, "deadline"),
        ({"onFailure": "Explode"}, "Unsupported value"),
        ({"ratio": {"roles": {"decoder": 2}, "maxSkew": 10}}, "at least 2 properties"),
        ({"ratio": {"roles": {"decoder": 0, "engine": 1}, "maxSkew": 10}}, "greater than or equal to 1"),
        ({"ratio": {"roles": {"decoder": 2, "prefill": 1}, "maxSkew": 10}}, "roles are engine, decoder and router"),
        ({"ratio": {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 101}}, "less than or equal to 100"),
        ({"ratio": {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 0}}, "greater than or equal to 1"),
        ({"roles": {}}, "at least 1 properties"),
        ({"roles": {"prefill": {"partition": 1}}}, "roles are engine, decoder and router"),
        ({"roles": {"engine": {"maxSurge": -1}}}, "greater than or equal to 0"),
        ({"roles": {"engine": {"maxSurge": "1"}}}, "should match"),
        ({"roles": {"engine": {"partition": "101%"}}}, "should match"),
        ({"roles": {"engine": {"maxUnavailable": "0%", "maxSurge": 0}}}, "let no instance be replaced"),
        (
            {"roles": {"engine": {"partition": 1}}, "ratio": {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 10}},
            "a role of the ratio has no partition of its own",
        ),
        (
            {"order": [["decoder"], ["engine"]], "ratio": {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 10}},
            "roles of the ratio are updated together, and order puts them into different stages",
        ),
        ({"onNoCapacity": "NoSurge"}, "onNoCapacity NoSurge needs capacityCheck"),
        ({"capacityCheck": True, "onNoCapacity": "Explode"}, "Unsupported value"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once(
    prepared: None, cluster: Cluster, namespace: str, spec: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        await store(cluster, namespace, **spec)


@pytest.mark.parametrize("source", ["examples/rolloutpolicy.yaml", "docs/rollouts.md"])
async def test_what_people_are_shown_is_accepted_as_it_is(
    prepared: None, cluster: Cluster, namespace: str, source: str
) -> None:
    text = (REPOSITORY / source).read_text()
    if source.endswith(".md"):
        block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
        assert block is not None
        text = block[1]
    shown = yaml.safe_load(text)
    stored = await store(cluster, namespace, **shown["spec"])
    for field, value in shown["spec"].items():
        if field != "gates":  # the server fills in their intervals
            assert stored["spec"][field] == value
    assert [gate.kind for gate in policy_of(stored).spec.gates] == [
        next(kind for kind in gate if kind != "after") for gate in shown["spec"].get("gates", [])
    ]
