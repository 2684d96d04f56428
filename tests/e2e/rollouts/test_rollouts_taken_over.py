"""Services that OME's own controller made: left alone, taken over without a restart, and then omeflow's for good."""

import asyncio
import copy
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clusters.backends import Backend
from platform_under_test import Platform, example, examples, image
from workload_events import COUNT, events_of

from omeflow.api.kinds import CONFIG_MAP, DEPLOYMENT, INFERENCE_SERVICE, LEADER_WORKER_SET, POD, Kind
from omeflow.api.names import UPSTREAM_FINALIZER, UPSTREAM_MANAGER, seed_manager
from omeflow.api.ownership import owners
from omeflow.cli.adoption import Adoption
from omeflow.kube.client import Cluster
from strategies.manager import default_manager
from strategies.pods import is_ready

Manifest = dict[str, Any]
SCALER, SEED = "a-scaler", seed_manager("engine")
OLD_ENV = [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "KEPT", "value": "1"}]
NEW = "registry.example/sglang:0.5.0"


@dataclass(frozen=True, slots=True)
class Made:
    """A service that OME's controller makes, and what becomes of its engine.

    Attributes:
        workload: the engine's.
        count: of its pods or groups, which are of `size` pods.
        scaled: somebody has scaled it to that count; else OME's controller wrote it.
    """

    example: str
    kind: Kind
    workload: str
    count: int
    size: int = 1
    scaled: bool = True

    def __str__(self) -> str:
        return f"{self.kind}, {'scaled' if self.scaled else 'not scaled'}"

    def engine(self, **runner: Any) -> Manifest:
        """The fields of a service's engine that give its pods this runner."""
        wanted = {"runner": {"name": "ome-container", **runner}}
        return {"leader": wanted, "worker": {**wanted, "size": 1}} if self.size > 1 else wanted


PLAIN = Made("deployment-engine-router", DEPLOYMENT, "plain-engine", count=3)
WIDE = Made("multi-node-engine", LEADER_WORKER_SET, "lws-wide-engine", count=3, size=2)
WIDE_AS_MADE = Made("multi-node-engine", LEADER_WORKER_SET, "lws-wide-engine", count=2, size=2, scaled=False)


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Such a service, made; its engine and one more role serve."""

    platform: Platform
    made: Made
    name: str

    @classmethod
    async def make(cls, platform: Platform, made: Made, *, without: tuple[str, ...] = ()) -> "Upstreams":
        """Args: without: fields that the service does not have."""
        manifest = copy.deepcopy(example(made.example))
        manifest["metadata"] = {"name": manifest["metadata"]["name"], "finalizers": [UPSTREAM_FINALIZER]}
        manifest["spec"]["engine"] |= made.engine(env=OLD_ENV)
        manifest["spec"] = {key: value for key, value in manifest["spec"].items() if key not in without}
        await platform.create(manifest)
        one = cls(platform, made, manifest["metadata"]["name"])
        count = 1 if made.kind == DEPLOYMENT else manifest["spec"]["engine"]["minReplicas"]
        await upstream_makes(platform.cluster, await one.service(), {made.workload: count})
        if made.scaled:
            await platform.cluster.scale(made.kind, made.workload, platform.namespace, made.count, manager=SCALER)
        await platform.eventually(one.ready, lambda n: n == made.count * made.size + 1, what="every pod ready")
        return one

    async def service(self) -> Manifest:
        return await self.platform.service(self.name)

    async def engine(self) -> Manifest:
        return await self.platform.cluster.get(self.made.kind, self.made.workload, self.platform.namespace)

    async def pods(self) -> dict[str, Manifest]:
        """By UID: those of a LeaderWorkerSet come again under their names."""
        return {pod["metadata"]["uid"]: pod for pod in await self.platform.objects(POD)}

    async def ready(self) -> int:
        return sum(is_ready(pod) for pod in (await self.pods()).values())

    async def taken_over(self) -> None:
        found = await Adoption(self.platform.cluster, default_manager()).take(await self.service())
        assert not found.problem
        assert not found.restarts


async def upstream_makes(cluster: Cluster, service: Manifest, counts: dict[str, int]) -> None:
    """The same objects as OME's controller makes, written by update as it does, with its counts."""
    for one in (await Adoption(cluster, default_manager()).look(service)).objects:
        manifest = one.manifest
        if count := counts.get(manifest["metadata"]["name"]) if one.role else None:
            manifest = {**manifest, "spec": {**manifest["spec"], "replicas": count}}
        await cluster.create(manifest, manager=UPSTREAM_MANAGER)


def selectable(name: str, namespace: str, *, priority: int) -> Manifest:
    """The example's runtime, in a namespace and to be selected by itself."""
    runtime = next(one for one in examples("models") if one["metadata"]["name"] == "sglang")
    formats = [one | {"autoSelect": True, "priority": priority} for one in runtime["spec"]["supportedModelFormats"]]
    spec = runtime["spec"] | {"supportedModelFormats": formats}
    return runtime | {"kind": "ServingRuntime", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def takeover(platform: Platform, kubeconfig: Path, *options: str) -> tuple[int, str]:
    """`omeflow takeover` of the namespace, as its user runs it: exit code, and what it prints."""
    command = [sys.executable, "-m", "omeflow.cli.main", "takeover", "--kubeconfig", str(kubeconfig)]
    process = await asyncio.create_subprocess_exec(
        *command, "--namespace", platform.namespace, *options, stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    return process.returncode or 0, answer.decode()


def environments(workload: Manifest) -> list[dict[str, str]]:
    """The variables of the workload's runners."""
    spec = workload["spec"]
    group = spec.get("leaderWorkerTemplate") or {"template": spec.get("template")}
    templates = [group[key] for key in ("template", "leaderTemplate", "workerTemplate") if key in group]
    return [
        {one["name"]: one.get("value", "") for one in container["env"]}
        for template in templates
        for container in template["spec"]["containers"]
    ]


def fields(obj: Manifest) -> list[Manifest]:
    """Who owns what of an object, beside its status: its controller is at work on that."""
    return [one for one in obj["metadata"]["managedFields"] if one.get("subresource") != "status"]


def is_engines(pod: Manifest) -> bool:
    return bool(pod["metadata"]["labels"]["component"] == "engine")


@pytest.fixture(params=[PLAIN, WIDE, WIDE_AS_MADE], ids=str)
async def upstreams(platform: Platform, lws_backend: Backend, request: pytest.FixtureRequest) -> Upstreams:
    return await Upstreams.make(platform, request.param)


async def test_a_service_of_upstream_is_taken_over_without_a_restart_and_what_is_removed_then_is_gone(
    upstreams: Upstreams,
) -> None:
    platform, made, name = upstreams.platform, upstreams.made, upstreams.name
    assert await platform.attempts(name) == [], "left alone until it is taken over"
    pods, before = await upstreams.pods(), await upstreams.engine()
    assert owners(before, COUNT) == {SCALER if made.scaled else UPSTREAM_MANAGER}
    async with events_of(platform, made.kind, made.workload) as events:
        await Adoption(platform.cluster, default_manager()).look(await upstreams.service())
        assert fields(await upstreams.engine()) == fields(before), "a look writes nothing"
        await upstreams.taken_over()
        await platform.condition(name, "RolledOut", status="True")
        await platform.condition(name, "Ready", status="True")
        assert [one.spec.cause for one in await platform.attempts(name)] == ["takeover"]
        assert (await upstreams.pods()).keys() == pods.keys()
        after = await upstreams.engine()
        assert owners(after, COUNT) == ({SCALER, SEED} if made.scaled else {SEED})
        assert all(one.keys() >= {"LOG_LEVEL", "KEPT"} for one in environments(after))

        await platform.edit(name, {"spec": {"engine": made.engine(image=NEW, env=OLD_ENV[1:])}})
        record = await platform.ended(name, 2)
        assert [stage.name for stage in record.status.stages] == ["engine"]
        edited = await upstreams.engine()
        await platform.eventually(upstreams.engine, lambda _: events[-1].attempt == 2, what="the edit among the events")
    assert all("KEPT" in one and "LOG_LEVEL" not in one for one in environments(edited))
    assert owners(edited, COUNT) == owners(after, COUNT)
    assert {event.count for event in events} == {made.count}, "no count has ever moved"
    assert not any("omeflow" in event.owners for event in events)

    rolled = await upstreams.pods()
    engines = [pod for pod in rolled.values() if is_engines(pod)]
    assert len(engines) == made.count * made.size
    assert {container["image"] for pod in engines for container in pod["spec"]["containers"]} == {NEW}
    assert {uid for uid, pod in pods.items() if not is_engines(pod)} == rolled.keys() & pods.keys()
    await platform.delete(name)


async def test_a_dry_run_says_what_a_takeover_finds_and_the_takeover_removes_nothing(
    platform: Platform, lws_backend: Backend, cluster_kubeconfig: Path
) -> None:
    namespace = platform.namespace
    await platform.cluster.create(selectable("picked", namespace, priority=1))
    upstreams = await Upstreams.make(platform, PLAIN, without=("runtime",))
    await platform.cluster.create(selectable("better", namespace, priority=2))
    [owner] = (await upstreams.engine())["metadata"]["ownerReferences"]
    metadata = {"name": "left-behind", "namespace": namespace, "ownerReferences": [owner]}
    await platform.cluster.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, manager=UPSTREAM_MANAGER
    )
    pods, before = await upstreams.pods(), await upstreams.engine()

    await platform.edit("plain", {"spec": {"model": {"name": "no-such-model"}}})
    code, said = await takeover(platform, cluster_kubeconfig, "--dry-run")
    assert code == 3
    assert said.startswith(f"{namespace}/plain: cannot be taken over: ")
    assert "no-such-model" in said

    await platform.edit("plain", {"spec": {"model": {"name": "llama-3-8b"}}})
    await platform.edit("plain", image("registry.example/router:2", "router"))
    code, said = await takeover(platform, cluster_kubeconfig, "--dry-run")
    lines = said.splitlines()
    assert code == 0
    assert lines[0].startswith(f"{namespace}/plain: ")
    assert lines[0].endswith(" objects would be taken over")
    assert f"  Deployment {namespace}/plain-engine: owned by {SCALER}, {UPSTREAM_MANAGER}" in lines
    assert f"  remembered: runtime ServingRuntime {namespace}/picked" in lines
    changed = 'containers[name="router"].image: registry.example/sglang-router:0.1.7 -> registry.example/router:2'
    assert [line for line in lines if line.endswith("(restarts pods)")] == [
        f"    Deployment {namespace}/plain-router: .spec.template.spec.{changed} (restarts pods)"
    ]
    assert "  that change will restart the pods of: router" in lines
    assert lines[-1] == f"  left behind by OME, to be removed by you: ConfigMap {namespace}/left-behind"

    _, said = await takeover(platform, cluster_kubeconfig, "--dry-run", "--output", "json")
    [told] = json.loads(said)
    assert (told["problem"], told["restarts"]) == (None, ["router"])
    engine = next(one for one in told["objects"] if one["object"] == f"Deployment {namespace}/plain-engine")
    assert engine == {**engine, "exists": True, "managers": [SCALER, UPSTREAM_MANAGER], "differences": []}
    assert fields(await upstreams.engine()) == fields(before), "a dry run writes nothing"
    assert await platform.attempts("plain") == []

    code, said = await takeover(platform, cluster_kubeconfig)
    assert code == 0
    assert said.splitlines()[0].endswith(" objects are omeflow's now")
    assert "left behind by OME, to be removed by you" in said
    assert await platform.cluster.find(CONFIG_MAP, "left-behind", namespace) is not None
    await platform.condition("plain", "RolledOut", status="True", words="router")  # the difference is pending
    assert (await upstreams.pods()).keys() == pods.keys()


@pytest.mark.parametrize("upstreams", [PLAIN], ids=str, indirect=True)
async def test_a_service_that_upstream_takes_up_again_is_contested_until_it_is_taken_over_once_more(
    upstreams: Upstreams,
) -> None:
    platform = upstreams.platform
    await upstreams.taken_over()
    await platform.condition("plain", "RolledOut", status="True")
    back = {"metadata": {"finalizers": [UPSTREAM_FINALIZER]}}
    await platform.cluster.merge_patch(INFERENCE_SERVICE, "plain", platform.namespace, back, manager=UPSTREAM_MANAGER)
    await platform.condition("plain", "Contested", status="True", words="omeflow takeover")

    await platform.edit("plain", image(NEW, "engine"))
    await upstreams.taken_over()
    await platform.ended("plain", 3)
    assert [one.spec.cause for one in await platform.attempts("plain")] == ["takeover", "takeover", "edit"]
    await platform.eventually(
        lambda: platform.shown("plain", "Contested"), lambda shown: shown == {}, what="nothing contested"
    )
    assert (await upstreams.engine())["spec"]["replicas"] == PLAIN.count
    await platform.delete("plain")
