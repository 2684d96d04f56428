"""A fleet that has converged already, and what its observers cost.

The services, their objects and their records are made with the code that makes them in a run, without a run. There are
no pods: their number is the same with or without omeflow.
"""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from activities.reading import read_inputs
from omeflow.api.names import RECORD_MANAGER
from omeflow.api.rollouts import InferenceRollout, Phase, Spec, Status, pack
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.kube.client import Cluster
from strategies.contract import Live, Owner
from strategies.history import History
from strategies.manager import default_manager
from strategies.planning import mixture, plan_attempt
from strategies.render import render

EXAMPLES = Path(__file__).parents[1] / "examples"
CLIENTS = 16
STRATEGIES = default_manager()
Manifest = dict[str, Any]


async def fill(cluster: Cluster, namespace: str, services: range) -> int:
    """Make the services of these numbers and everything that belongs to them.

    Returns:
        how many objects there are beside the services.
    """
    example = yaml.safe_load((EXAMPLES / "engine-only.yaml").read_text())
    waiting = [f"service-{number:04}" for number in services]

    async def work() -> int:
        made = 0
        while waiting:
            made += await _make(cluster, await _create(cluster, example, namespace, waiting.pop()), inputs)
        return made

    if not waiting:
        return 0
    first = await _create(cluster, example, namespace, waiting.pop())
    inputs = await read_inputs(cluster, STRATEGIES, first)
    return await _make(cluster, first, inputs) + sum(await asyncio.gather(*(work() for _ in range(CLIENTS))))


async def _create(cluster: Cluster, example: Manifest, namespace: str, name: str) -> Manifest:
    metadata = {**example["metadata"], "name": name, "namespace": namespace}
    return await cluster.create({**example, "metadata": metadata}, manager="user")


async def _make(cluster: Cluster, service: Manifest, like: Inputs) -> int:
    """What belongs to a service whose first attempt has converged, as far as the watcher compares it.

    Args:
        like: the inputs of a service that differs in its name only.
    """
    metadata = service["metadata"]
    name, namespace, uid, generation = (metadata[key] for key in ("name", "namespace", "uid", "generation"))
    inputs = replace(like, service=replace(like.service, name=name, uid=uid))
    chosen, desired = render(inputs, STRATEGIES)
    history = History([])
    plan = plan_attempt(
        attempt=1,
        service=name,
        strategy=chosen.strategy,
        desired=desired,
        live=Live({}),
        history=history,
        render=lambda inputs: render(inputs, STRATEGIES)[1],
        forced=False,
    ).plan
    roles = mixture(plan, 1, desired, history, stage=len(plan.stages))
    for apply in chosen.strategy.workload(Owner(namespace, name, uid), roles, Live({})):
        await cluster.apply(apply.manifest, manager=apply.manager, force=apply.force)
    for manifest in desired.shared:
        await cluster.apply(manifest)
    spec = Spec(
        service=name,
        service_uid=uid,
        number=1,
        key="bench",
        cause="edit",
        generation=generation,
        fingerprint=fingerprint(inputs),
        strategy=chosen.strategy.name,
        modes=chosen.modes,
        choices=chosen.choices,
        inputs=pack(inputs.to_json().decode()),
        objects=pack(desired.to_json()),
        plan=pack(plan.manifest()),
    )
    record = InferenceRollout(metadata={"namespace": namespace}, spec=spec, status=Status(phase=Phase.SUCCEEDED))
    stored = InferenceRollout.model_validate(await cluster.create(record.manifest(), manager=RECORD_MANAGER))
    stored.status = record.status
    await cluster.apply(stored.status_manifest(), manager=RECORD_MANAGER, subresource="status")
    return len(desired.shared) + 2  # the group and the record


def cpu(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def memory(pid: int, which: str) -> float:
    """MiB of a process, by a field of its /proc status: VmRSS, VmHWM."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(which))
    return round(int(line.split()[1]) / 1024, 1)
