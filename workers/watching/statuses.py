"""Writing the status of InferenceServices: only the watcher does, and only what differs (design section 3, step 4)."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import STATUS_MANAGER
from omeflow.kube.client import Cluster
from omeflow.rollout.status import Facts, service_status, turns
from workers.watching.queue import Service

PACE = 5.0
"""Seconds between two writes of a status of which only words differ."""
TURN = 1.0
"""Seconds between two writes if a condition turns: a rollout turns one after another, in half a second most of them."""


@dataclass(slots=True)
class Written:
    """What has been written of one service: `status`, until the cache shows it, and when (monotonic, in seconds)."""

    status: dict[str, Any] = field(default_factory=dict)
    at: float = float("-inf")


async def write_status(
    cluster: Cluster, service: Service, manifest: dict[str, Any], facts: Facts, written: Written
) -> float:
    """Write the status if it differs; how many seconds to wait before looking again, 0 if there is nothing to wait for.

    Args:
        manifest: the InferenceService as the cache has it, which may be older than what was written last.
    """
    before = manifest.get("status") or {}
    if before == written.status:
        written.status = {}
    known = written.status or before
    status = service_status(facts, before=known, now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if status == known:
        return 0.0
    clock = asyncio.get_running_loop().time()
    pace = TURN if turns(status) != turns(known) else PACE
    if (rest := written.at + pace - clock) > 0:
        return rest
    wanted = {
        "apiVersion": INFERENCE_SERVICE.api_version,
        "kind": INFERENCE_SERVICE.name,
        "metadata": {"name": service.name, "namespace": service.namespace, "uid": manifest["metadata"]["uid"]},
        "status": status,
    }
    await cluster.apply(wanted, manager=STATUS_MANAGER, force=True, subresource="status")
    written.status, written.at = status, clock
    return 0.0
