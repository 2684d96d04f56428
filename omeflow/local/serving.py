"""A local cluster in the foreground, until somebody ends it: what a command or a container's entry point needs."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from omeflow.local.cluster import LocalCluster
from omeflow.local.progress import Progress, to_log

CHECK_INTERVAL = 1.0
"""Seconds between two looks at whether all processes live."""


async def serve(
    directory: Path,
    *,
    progress: Progress = to_log,
    stop_event: asyncio.Event | None = None,
    on_ready: Callable[[LocalCluster], Awaitable[None]] | None = None,
    **options: Any,
) -> None:
    """Run a local cluster until `stop_event` is set, or SIGINT or SIGTERM arrives.

    Args:
        directory: where it keeps its files.
        progress: receives what is being done.
        stop_event: ends the cluster; None if only signals do.
        on_ready: called once the cluster is usable.
        options: passed on to `LocalCluster.start`.

    Raises:
        errors.Terminal: a process died; with the end of its log.
    """
    stop = stop_event or asyncio.Event()
    with _signals_set(stop):
        async with LocalCluster.start(directory, progress=progress, **options) as cluster:
            progress(f"the cluster is ready: export KUBECONFIG={cluster.kubeconfig}")
            if on_ready is not None:
                await on_ready(cluster)
            while not stop.is_set():
                cluster.check()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), CHECK_INTERVAL)
            progress("stopping the cluster")


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
