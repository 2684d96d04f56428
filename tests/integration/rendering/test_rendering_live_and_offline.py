"""`omeflow render` of files makes the same objects as the steps make of a cluster that holds them, in every case.

The API server completes and prunes what it is given, and answers in its own order; none of that may matter. Kinds that
this cluster does not serve are taken to be there: the renderer asks no cluster.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import recorded_cases
from recorded_cases import Step
from typer.testing import CliRunner

from activities.reading import read_inputs
from omeflow.api.errors import Invalid, Terminal
from omeflow.api.kinds import kind_of
from omeflow.api.names import FIELD_MANAGER
from omeflow.cli.main import app
from omeflow.components.references import OME_NAMESPACE
from omeflow.kube.client import Cluster
from omeflow.local import LocalCluster, crds
from strategies.contract import Live, Owner, RoleVersion
from strategies.manager import default_manager
from strategies.render import render

pytestmark = pytest.mark.real_cluster

Json = dict[str, Any]
MANAGER = default_manager()
STEPS = [step for step in recorded_cases.steps() if step.number == 0] if recorded_cases.DIRECTORY.is_dir() else []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def holding(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A cluster that holds nothing else: runtimes that other tests left there would be asked, too."""
    directory = tmp_path_factory.mktemp("cases")
    async with (
        LocalCluster.start(directory, nodes=[], groups=[crds.OME]) as local,
        Cluster.connect(kubeconfig=local.kubeconfig) as cluster,
    ):
        for name in (recorded_cases.NAMESPACE, OME_NAMESPACE):
            await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        yield cluster


@pytest.mark.skipif(not STEPS, reason=f"no recorded cases in {recorded_cases.DIRECTORY}: set OMEFLOW_CONFORMANCE_CASES")
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.case)
async def test_files_are_rendered_as_what_a_cluster_holds(holding: Cluster, step: Step, tmp_path: Path) -> None:
    assert step.service is not None
    held = [{"apiVersion": place.kind.api_version, "kind": place.kind.name, **one} for place, one in step.found.items()]
    (tmp_path / "case.yaml").write_text("\n---\n".join(map(json.dumps, [*held, step.service])))
    offline = rendered_offline(tmp_path / "case.yaml")
    try:
        await asyncio.gather(*(holding.create(one, manager="platform-team") for one in held))
        service = await stored(holding, step.service)
        live = await rendered_live(holding, service) if service else None
    finally:
        await asyncio.gather(*(remove(holding, one) for one in held))
    if live is None:
        assert isinstance(offline, str), "the command renders what the API server refuses"
    else:
        assert live == offline


async def stored(cluster: Cluster, service: Json) -> Json | None:
    """The service as the cluster would have it; None if the schema refuses it, so that no step ever reads it."""
    try:
        return await cluster.create(service, manager="user", dry_run=True)
    except Invalid:
        return None


async def rendered_live(cluster: Cluster, service: Json) -> list[Json] | str:
    """What the steps make of it: the objects by step, or why it is refused."""
    metadata = service["metadata"]
    try:
        inputs = await read_inputs(cluster, MANAGER, service)
        chosen, desired = render(replace(inputs, not_served=()), MANAGER)
    except Terminal as refusal:
        return str(refusal)
    owner = Owner(metadata["namespace"], metadata["name"], metadata["uid"])
    versions = {role: RoleVersion(1, wanted) for role, wanted in desired.roles.items()}
    applies = chosen.strategy.workload(owner, versions, Live({}))
    workloads = [apply.manifest for apply in applies if apply.manager == FIELD_MANAGER]
    objects = [*desired.rbac, *workloads, *desired.autoscalers, *desired.exposure]
    return [without_uid(one) for one in objects]


def rendered_offline(path: Path) -> list[Json] | str:
    """What the command prints of it."""
    result = CliRunner().invoke(app, ["render", str(path), "--output", "json"])
    if isinstance(result.exception, Terminal):
        return str(result.exception)
    assert result.exit_code == 0, result.exception
    return [without_uid(one) for one in json.loads(result.stdout)]


def without_uid(obj: Json) -> Json:
    """An object without the UID of its service, which files do not have."""
    owners = [one | {"uid": ""} for one in obj["metadata"]["ownerReferences"]]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": owners}}


async def remove(cluster: Cluster, obj: Json) -> None:
    kind, metadata = kind_of(obj), obj["metadata"]
    await cluster.delete(kind, metadata["name"], metadata["namespace"] if kind.namespaced else None)
