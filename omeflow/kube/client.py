"""The verbs that omeflow uses on an API server, over plain dicts.

Every request passes here: so here are the rate limit, the time-out and the one place where an HTTP status or a lost
connection becomes one of our errors (design rule 9).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay

from omeflow.api.errors import NotFound, NotServed, OmeflowError, Throttled
from omeflow.api.kinds import Kind
from omeflow.api.names import FIELD_MANAGER
from omeflow.kube import rate, request
from omeflow.kube.connection import Connection, configure
from omeflow.kube.rate import RateLimit
from omeflow.kube.request import Object, Propagation, Request
from omeflow.kube.response import decoded, events, refusal, retry_after, transport_errors

TIMEOUT = 10.0
"""Seconds that one request may take."""
IN_FLIGHT = 32
"""Requests at a time, watches not counted: each is a connection of its own (HTTP/1.1), whose handshake costs more than
a short wait for one that is open."""
THROTTLE_PAUSE = 1.0
"""Seconds to hold still after a 429 that does not say how long."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; all pages of a list are of one moment, `resource_version`."""

    items: list[Object]
    resource_version: str


class Cluster:
    """An API server.

    Every method raises the errors of `omeflow.api.errors`: NotServed for a kind that the server does not have,
    Unavailable for a lost connection or a time-out, Throttled when waiting out a 429 would take too long.
    """

    def __init__(self, connection: Connection, *, limit: RateLimit, timeout: float = TIMEOUT) -> None:
        self._connection = connection
        self._limit = limit
        self._timeout = timeout
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        user_agent: str = "omeflow",
        limit: RateLimit | None = None,
        timeout: float = TIMEOUT,
    ) -> AsyncIterator["Cluster"]:
        """Connect, without a request.

        Args:
            kubeconfig: file; None looks at $KUBECONFIG, at ~/.kube/config and, in a pod, at its ServiceAccount.
            context: context of the kubeconfig; None for its current one.
            user_agent: as the server's audit log shows it.
            limit: None for the one that the process shares for that server.
            timeout: seconds that one request may take.

        Raises:
            Terminal: no cluster is named, or its credentials cannot be read.
        """
        connection = Connection(await configure(kubeconfig=kubeconfig, context=context), user_agent=user_agent)
        try:
            yield cls(connection, limit=limit or rate.shared(connection.server), timeout=timeout)
        finally:
            await connection.close()

    @property
    def server(self) -> str:
        return self._connection.server

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        return await self._send(request.get(kind, name, namespace=namespace))

    async def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None: there is no such object, or no such kind."""
        try:
            return await self.get(kind, name, namespace)
        except (NotFound, NotServed):
            return None

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        pages = self.pages(kind, namespace=namespace, label_selector=label_selector, field_selector=field_selector)
        return [item async for page in pages for item in page.items]

    async def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = request.PAGE,
        metadata_only: bool = False,
    ) -> AsyncIterator[Page]:
        """A list in pages, for those who keep less of each object than the server sends, or watch from there on."""
        token = ""
        while True:
            body = await self._send(
                request.collection(
                    kind,
                    namespace=namespace,
                    label_selector=label_selector,
                    field_selector=field_selector,
                    limit=limit,
                    token=token,
                    metadata_only=metadata_only,
                )
            )
            # Items of built-in kinds come without them.
            items = [{"apiVersion": kind.api_version, "kind": kind.name} | item for item in body.get("items") or []]
            yield Page(items, body["metadata"]["resourceVersion"])
            token = body["metadata"].get("continue") or ""
            if not token:
                return

    async def apply(
        self,
        obj: Object,
        *,
        manager: str = FIELD_MANAGER,
        force: bool = False,
        dry_run: bool = False,
        subresource: str | None = None,
    ) -> Object:
        """Server-side apply; the object as it is then. Its resourceVersion is the former one if nothing changed.

        Raises:
            FieldOwned: another manager owns a field with another value, and `force` is not set.
        """
        return await self._send(
            request.apply(obj, manager=manager, force=force, dry_run=dry_run, subresource=subresource)
        )

    async def create(self, obj: Object, *, manager: str = FIELD_MANAGER, dry_run: bool = False) -> Object:
        return await self._send(request.create(obj, manager=manager, dry_run=dry_run))

    async def dry_replace(self, obj: Object) -> Object:
        """What the object would be, completed by the server, if this was all that anybody says of it."""
        return await self._send(request.dry_replace(obj))

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Background",
    ) -> bool:
        """Ask for deletion; False if there is no such object. Finalizers may keep it a while.

        Raises:
            Conflict: the object has another UID or resourceVersion than given.
        """
        try:
            await self._send(
                request.delete(
                    kind,
                    name,
                    namespace=namespace,
                    uid=uid,
                    resource_version=resource_version,
                    propagation=propagation,
                )
            )
        except (NotFound, NotServed):
            return False
        return True

    async def merge_patch(
        self,
        kind: Kind,
        name: str,
        namespace: str | None,
        patch: Object,
        *,
        subresource: str | None = None,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        return await self._send(
            request.merge_patch(kind, name, namespace=namespace, patch=patch, subresource=subresource, manager=manager)
        )

    async def scale(
        self, kind: Kind, name: str, namespace: str | None, replicas: int, *, manager: str = FIELD_MANAGER
    ) -> Object:
        """Write the count through the scale subresource, as an autoscaler does; the Scale object."""
        patch = {"spec": {"replicas": replicas}}
        return await self.merge_patch(kind, name, namespace, patch, subresource="scale", manager=manager)

    async def serves(self, kind: Kind) -> bool:
        """Whether the server has that kind in that version now."""
        return not await self.unserved([kind])

    async def unserved(self, kinds: Sequence[Kind]) -> tuple[Kind, ...]:
        """Those of the kinds that the server does not have in that version now; one request per group and version."""
        paths = dict.fromkeys(f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}" for kind in kinds)
        served = {name for names in await asyncio.gather(*map(self._resources, paths)) for name in names}
        return tuple(kind for kind in kinds if (kind.api_version, kind.plural) not in served)

    async def _resources(self, path: str) -> tuple[tuple[str, str], ...]:
        """Group with version, and plural name, of what the server has at a path."""
        try:
            body = await self._send(request.raw(path))
        except NotFound:
            return ()
        return tuple((body["groupVersion"], resource["name"]) for resource in body.get("resources") or ())

    async def served_versions(self, group: str) -> tuple[str, ...]:
        """Versions of a group, the preferred one first; none if the server does not have the group."""
        try:
            body = await self._send(request.raw(f"/apis/{group}" if group else "/api"))
        except NotFound:
            return ()
        versions = body.get("versions") or []  # of strings for the core group
        return tuple(entry["version"] if isinstance(entry, dict) else entry for entry in versions)

    async def text(self, path: str) -> str:
        """The body of a GET: `/metrics`, `/readyz`."""
        return (await self._patiently(request.raw(path))).decode()

    @asynccontextmanager
    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
        seconds: float,
        silence: float,
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Events after `resource_version`, bookmarks included, as the server sends them; `cache` makes sense of them.

        Args:
            kind: what to watch.
            namespace: None for all.
            resource_version: of the list or of the last event.
            label_selector: as the API takes it.
            field_selector: as the API takes it.
            metadata_only: have the server send nothing else of each object.
            seconds: after which the server ends the watch.
            silence: seconds without a byte after which the watch is taken for dead: Unavailable.

        Raises:
            Expired: the server does not remember that version any more.
        """
        asked = request.watch(
            kind,
            namespace=namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
            metadata_only=metadata_only,
            seconds=seconds,
        )
        await self._limit.acquire()
        timeout = aiohttp.ClientTimeout(total=None, connect=self._timeout, sock_read=silence)
        async with AsyncExitStack() as stack:
            with transport_errors(asked):
                response = await stack.enter_async_context(self._connection.exchange(asked, timeout=timeout))
                if response.status >= 300:
                    raise self._refusal(asked, response, await response.read())
            yield await stack.enter_async_context(aclosing(events(asked, response)))

    async def _send(self, asked: Request) -> Object:
        return decoded(asked, await self._patiently(asked))

    async def _patiently(self, asked: Request) -> bytes:
        # The server did not begin with a request that it answers with 429, so any verb may be sent again.
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Throttled),
            wait=_as_the_server_asked,
            stop=stop_before_delay(self._timeout),
            reraise=True,
        )
        return await retrying(self._exchange, asked)

    async def _exchange(self, asked: Request) -> bytes:
        async with self._in_flight:
            await self._limit.acquire()
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            with transport_errors(asked):
                async with self._connection.exchange(asked, timeout=timeout) as response:
                    content = await response.read()
        if response.status >= 300:
            raise self._refusal(asked, response, content)
        return content

    def _refusal(self, asked: Request, response: aiohttp.ClientResponse, content: bytes) -> OmeflowError:
        pause = retry_after(response.headers.get("Retry-After"))
        if response.status == 429 and pause is None:
            pause = THROTTLE_PAUSE
        if response.status in (429, 503) and pause is not None:
            self._limit.pause(pause)
        return refusal(asked, status=response.status, content=content, retry_after=pause)


def _as_the_server_asked(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after if isinstance(error, Throttled) else None) or THROTTLE_PAUSE
