"""`omeflow migrate`: what it says before it writes anything, and the move there and back."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from clusters.pools import Pool
from omeflow_command import omeflow
from platform_under_test import Platform, example

from omeflow.api.errors import Conflict
from omeflow.api.kinds import DEPLOYMENT, INFERENCE_SERVICE
from omeflow.api.names import DEPLOYMENT_MODE
from omeflow.cli.migration import Migration
from omeflow.cli.targets import Target
from strategies.manager import default_manager
from workers.settings import Settings

Manifest = dict[str, Any]
SCALED_BY = "their-own"


@pytest_asyncio.fixture(loop_scope="session")
async def plain(platform: Platform) -> Platform:
    """Service `plain` of two Deployments, which has converged."""
    await platform.create(example("deployment-engine-router"))
    await platform.ended("plain", 1)
    return platform


@dataclass(frozen=True, slots=True)
class Command:
    """`omeflow migrate plain`, as its user runs it: exit code, and what it prints as JSON, or its error."""

    platform: Platform
    settings: Settings

    async def __call__(self, to: str, *options: str) -> tuple[int, Any]:
        asked = ("migrate", "plain", "--to", to, "--namespace", self.platform.namespace, *options)
        return await omeflow(self.settings, *asked)


@pytest.fixture
def migrate(platform: Platform, cluster_kubeconfig: Path, settings: Settings) -> Command:
    """Under the user's own account."""
    return Command(platform, replace(settings, kubeconfig=cluster_kubeconfig))


async def mode(platform: Platform) -> str:
    return str((await platform.service("plain"))["metadata"]["annotations"][DEPLOYMENT_MODE])


async def test_a_dry_run_says_what_moves_and_what_that_takes_and_writes_nothing(
    plain: Platform, migrate: Command
) -> None:
    before = await plain.remains()
    code, answer = await migrate("RoleBasedGroup", "--dry-run")
    assert (code, answer["outcome"]) == (0, "planned")
    plan = answer["plan"]
    assert plan["moves"][0] == {
        "role": "engine",
        "from": "Deployment plain-engine",
        "to": "RoleBasedGroup plain",
        "runs": 2,
        "comesUp": 2,
    }
    assert plan["stages"] == ["engine", "router"]
    assert {"HorizontalPodAutoscaler plain-engine", "Service plain-engine"} <= set(plan["switched"])
    assert {"Deployment plain-engine", "Deployment plain-router"} <= set(plan["removed"])
    assert plan["peak"]["pods"] == "3"
    assert plan["room"] == {"lacks": [], "unknown": None}
    assert plan["warnings"] == []
    assert await mode(plain) == "RawDeployment"
    assert await plain.remains() == before


async def test_the_edit_is_made_on_what_was_looked_at_whatever_its_status_says_since(plain: Platform) -> None:
    migration = Migration(plain.cluster, default_manager(), ome_namespace="ome")
    seen = await plain.service("plain")
    found = await migration.look(seen, Target.GROUP)
    status = {"status": {"observedGeneration": 7}}
    await plain.cluster.merge_patch(
        INFERENCE_SERVICE, "plain", plain.namespace, status, subresource="status", manager="a-watcher"
    )
    await migration.begin(seen, found)
    await plain.ended("plain", 2)

    seen = await plain.service("plain")
    found = await migration.look(seen, Target.RAW)
    await plain.edit("plain", {"spec": {"engine": {"maxReplicas": 3}}})
    with pytest.raises(Conflict, match="was edited meanwhile; start the migration again"):
        await migration.begin(seen, found)
    assert await mode(plain) == "RoleBasedGroup"


async def test_a_service_is_migrated_there_and_back_and_not_twice(plain: Platform, migrate: Command) -> None:
    code, answer = await migrate("RoleBasedGroup")
    assert (code, answer["outcome"], answer["attempt"]) == (0, "Succeeded", 2)
    assert await mode(plain) == "RoleBasedGroup"
    assert (await plain.attempts("plain"))[-1].spec.detail == f"metadata.annotations.{DEPLOYMENT_MODE}"
    left = await plain.remains()
    assert (left["RoleBasedGroup"], "Deployment" in left) == (["plain"], False)

    code, answer = await migrate("RoleBasedGroup")
    assert (code, answer["message"]) == (3, "nothing to move: no role of plain serves otherwise than as RoleBasedGroup")
    assert len(await plain.attempts("plain")) == 2

    code, answer = await migrate("RawDeployment")
    assert (code, answer["attempt"]) == (0, 3)
    assert set((await plain.remains())["Deployment"]) == {"plain-engine", "plain-router"}


async def test_a_migration_that_was_rolled_back_names_what_carries_it_out_after_all(
    plain: Platform, migrate: Command, cluster_kubeconfig: Path, settings: Settings
) -> None:
    ours = replace(settings, kubeconfig=cluster_kubeconfig)
    rollback = ("rollout", "rollback", "plain", "--namespace", plain.namespace)
    code, answer = await migrate("RoleBasedGroup")
    assert (code, answer["attempt"]) == (0, 2)
    code, answer = await omeflow(ours, *rollback)
    assert (code, answer["attempt"]) == (0, 3)

    for options in ([], ["--dry-run"]):
        code, answer = await migrate("RoleBasedGroup", *options)
        assert (code, answer["outcome"]) == (3, "nothing")
        assert answer["message"] == (
            "plain asks for RoleBasedGroup already, and attempt 3 has rolled it back; carry that out with `omeflow"
            f" rollout rollback plain -n {plain.namespace} --to 2`, or edit something else of the service"
        )
    code, answer = await omeflow(ours, *rollback, "--to", "2")
    assert (code, answer["attempt"]) == (0, 4)
    assert (await plain.remains())["RoleBasedGroup"] == ["plain"]


async def test_without_room_it_is_not_begun_unless_somebody_insists(platform: Platform, migrate: Command) -> None:
    async with Pool.of(platform.cluster, platform.namespace) as pool:
        await pool.add(3)
        manifest = example("deployment-engine-router")
        manifest["spec"]["engine"] |= {"nodeSelector": pool.selector}
        await platform.create(manifest)
        await platform.ended("plain", 1)
        code, answer = await migrate("RoleBasedGroup")
        assert (code, answer["outcome"]) == (3, "without room")
        assert "2 nvidia.com/gpu for 2 more pods of engine: 1 is free" in answer["message"]
        assert answer["plan"]["peak"]["nvidia.com/gpu"] == "2"
        assert await mode(platform) == "RawDeployment"

        code, answer = await migrate("RoleBasedGroup", "--force", "--no-wait")
        assert (code, answer["outcome"]) == (0, "sent")
        await pool.add(1)
        await platform.ended("plain", 2)


async def test_a_mode_that_the_service_cannot_run_in_is_refused(plain: Platform, migrate: Command) -> None:
    code, error = await migrate("MultiNode")
    assert code == 1
    assert "no component has a worker, so none can run as MultiNode; set spec.engine.worker" in error
    assert await mode(plain) == "RawDeployment"


async def test_a_count_that_goes_down_and_a_scaler_that_is_left_behind_are_told(
    plain: Platform, migrate: Command
) -> None:
    await plain.edit("plain", {"metadata": {"annotations": {"ome.io/autoscalerClass": "external"}}})
    await plain.converged("plain")
    target = {"apiVersion": "apps/v1beta2", "kind": "Deployment", "name": "plain-engine"}
    theirs = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": SCALED_BY, "namespace": plain.namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4},
    }
    await plain.cluster.apply(theirs, manager="user")
    await plain.cluster.scale(DEPLOYMENT, "plain-engine", plain.namespace, 3, manager=SCALED_BY)
    code, answer = await migrate("RoleBasedGroup", "--dry-run")
    assert code == 0
    assert answer["plan"]["warnings"] == [
        "engine: 3 run now, and nothing scales it as RoleBasedGroup plain: it comes up with its minReplicas, 2; raise"
        " spec.engine.minReplicas before, if it needs more",
        f"HorizontalPodAutoscaler {SCALED_BY} scales Deployment plain-engine, which goes: point it to what takes the"
        " place of engine",
    ]
