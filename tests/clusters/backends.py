"""A backend's controller at work during tests, which a test may stop for a while."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any


class Backend:
    """A controller that runs from `start` to `stop`, and may be started again; as a context, for as long as that."""

    def __init__(self, controller: Callable[[], AbstractAsyncContextManager[Any]], *, real: bool) -> None:
        """
        Args:
            controller: what runs it, anew at each start.
            real: it is the manager that people install, and no simulation.
        """
        self.real = real
        self._controller = controller
        self._running = AsyncExitStack()

    async def start(self) -> None:
        await self._running.enter_async_context(self._controller())

    async def stop(self) -> None:
        await self._running.aclose()

    async def __aenter__(self) -> "Backend":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
