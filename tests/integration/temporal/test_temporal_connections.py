"""Connections to a Temporal that wants TLS, a client certificate or an API key, told by Temporal's own variables."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from keyed_server import keyed_server
from tls_in_front import Pair, authority, issued, tls_in_front

from omeflow.api.errors import OmeflowError, Terminal
from omeflow.api.messages import PAUSE, ControlRequest
from omeflow.cli.attempts import ask, ensure_taken
from workers.settings import Settings
from workers.temporal import DevServer, connect, dev_server, ensure_search_attributes
from workers.watching.queue import Service

Environment = Callable[..., None]


class Certificates:
    def __init__(self, directory: Path) -> None:
        self.ours, self.others = authority(directory, "ours"), authority(directory, "others")
        self.server = issued(directory, "server", by=self.ours)
        self.expired = issued(directory, "expired", by=self.ours, expired=True)
        self.client = issued(directory, "client", by=self.ours)
        self.stranger = issued(directory, "stranger", by=self.others)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevServer]:
    async with dev_server(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mutual(plain: DevServer, certificates: Certificates) -> AsyncIterator[str]:
    """The address of a server that wants a client certificate of ours."""
    async with tls_in_front(plain.address, certificates.server, clients=certificates.ours) as address:
        yield address


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)

    def trust(
        ca: Pair | None = None, *, client: Pair | None = None, key: Pair | None = None, **variables: object
    ) -> None:
        files = {
            "TLS_SERVER_CA_CERT_PATH": ca and ca.crt,
            "TLS_CLIENT_CERT_PATH": client and client.crt,
            "TLS_CLIENT_KEY_PATH": (key or client) and (key or client).pem,  # type: ignore[union-attr]
        }
        for name, value in {**files, **variables}.items():
            if value is not None:
                monkeypatch.setenv(f"TEMPORAL_{name}", str(value))

    return trust


async def refusal(address: str) -> OmeflowError:
    with pytest.raises(OmeflowError) as caught:
        await connect(Settings(temporal_address=address))
    return caught.value


async def test_a_client_with_the_right_certificates_works_over_mutual_tls(
    mutual: str, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours, client=certificates.client, ADDRESS=mutual)
    client = await connect(Settings())
    await ensure_search_attributes(client)
    assert await client.service_client.check_health()


async def test_a_profile_file_says_the_same(
    mutual: str, certificates: Certificates, environment: Environment, tmp_path: Path
) -> None:
    profile = tmp_path / "temporal.toml"
    profile.write_text(
        f'[profile.staging]\naddress = "{mutual}"\n[profile.staging.tls]\n'
        f'server_ca_cert_path = "{certificates.ours.crt}"\n'
        f'client_cert_path = "{certificates.client.crt}"\nclient_key_path = "{certificates.client.pem}"\n'
    )
    environment(CONFIG_FILE=profile, PROFILE="staging")
    assert await (await connect(Settings())).service_client.check_health()


async def test_a_server_that_another_authority_signed_is_refused(
    mutual: str, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.others, client=certificates.client)
    error = await refusal(mutual)
    assert isinstance(error, Terminal)
    assert str(error).startswith(
        f"Temporal at {mutual} shows a certificate that omeflow does not trust: TEMPORAL_TLS_SERVER_CA_CERT_PATH must"
    )


async def test_without_a_client_certificate_the_error_says_what_may_be_missing(
    mutual: str, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours)
    assert "TEMPORAL_TLS_CLIENT_CERT_PATH" in str(await refusal(mutual))


async def test_a_client_certificate_of_another_authority_is_refused(
    mutual: str, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours, client=certificates.stranger)
    assert "TEMPORAL_TLS_CLIENT_CERT_PATH" in str(await refusal(mutual))


async def test_a_key_of_another_certificate_is_named(
    mutual: str, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours, client=certificates.client, key=certificates.stranger)
    assert "TEMPORAL_TLS_CLIENT_KEY_PATH is not the key of" in str(await refusal(mutual))


async def test_a_certificate_for_another_name_is_said(
    mutual: str, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours, client=certificates.client, TLS_SERVER_NAME="temporal.example")
    assert "set TEMPORAL_TLS_SERVER_NAME" in str(await refusal(mutual))


async def test_an_expired_certificate_is_said(
    plain: DevServer, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours)
    async with tls_in_front(plain.address, certificates.expired, clients=None) as address:
        assert "has expired or is not valid yet" in str(await refusal(address))


async def test_a_server_that_wants_tls_says_nothing_so_the_error_does(mutual: str, environment: Environment) -> None:
    environment()
    assert "it may want TLS (TEMPORAL_TLS=true" in str(await refusal(mutual))


async def test_a_server_without_tls_is_named_where_tls_was_asked_for(
    plain: DevServer, certificates: Certificates, environment: Environment
) -> None:
    environment(certificates.ours, client=certificates.client)
    assert "does not speak TLS: set TEMPORAL_TLS=false" in str(await refusal(plain.address))


@pytest.mark.parametrize(
    "variables",
    [{"PROFILE": "none"}, {"TLS_SERVER_CA_CERT_PATH": "/none"}, {"TLS_CLIENT_CERT_PATH": __file__}],
    ids=["no such profile", "no such file", "a certificate without key"],
)
async def test_settings_that_cannot_be_read_are_no_traceback(
    environment: Environment, variables: dict[str, str]
) -> None:
    environment(**variables)
    assert str(await refusal("127.0.0.1:1")).startswith("the settings for Temporal are wrong (")


async def test_an_api_key_arrives_and_a_wrong_one_is_refused_by_name(environment: Environment) -> None:
    async with keyed_server("the-right-key") as server:
        environment(API_KEY="the-right-key", TLS="false", NAMESPACE="team.acct")
        await connect(Settings(temporal_address=server.address))
        assert server.calls[0]["authorization"] == "Bearer the-right-key"
        environment(API_KEY="a-wrong-key")
        error = await refusal(server.address)
    assert "refuses omeflow: look at TEMPORAL_API_KEY" in str(error)
    assert "a-wrong-key" not in str(error)


async def test_an_api_key_switches_tls_on_and_arrives_through_it(
    certificates: Certificates, environment: Environment
) -> None:
    async with (
        keyed_server("the-right-key") as server,
        tls_in_front(server.address, certificates.server, clients=None) as address,
    ):
        environment(certificates.ours, API_KEY="the-right-key")
        await connect(Settings(temporal_address=address))
        assert server.calls[0]["authorization"] == "Bearer the-right-key"
        environment(TLS_SERVER_CA_CERT_PATH=certificates.others.crt)
        await refusal(address)
        assert len(server.calls) == 1, "the key was sent to a server that is not trusted"


async def test_the_command_ends_with_that_one_line(
    mutual: str, certificates: Certificates, environment: Environment, tmp_path: Path
) -> None:
    environment(certificates.others, client=certificates.client)
    command = [sys.executable, "-m", "omeflow.cli.main", "worker", "--temporal-address", mutual]
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 1
    (line,) = said.decode().splitlines()
    assert line.startswith(f"error: Terminal: Temporal at {mutual} shows a certificate that omeflow does not trust")


async def test_a_namespace_that_there_is_not_is_named_and_not_taken_for_a_run_that_there_is_not(
    plain: DevServer, environment: Environment
) -> None:
    environment()
    client = await connect(Settings(temporal_address=plain.address, temporal_namespace="nowhere"))
    request = ControlRequest(uid="u", attempt=1, by="somebody", gate="", to=0)
    sentence = "Namespace nowhere is not found. Create it, or name another with --temporal-namespace"
    with pytest.raises(Terminal, match=sentence):
        await ensure_search_attributes(client)
    with pytest.raises(Terminal, match=sentence):
        await ask(client, Service("demo", "chat"), PAUSE, request)
    with pytest.raises(Terminal, match=sentence):
        await ensure_taken(client, Service("demo", "chat"))


async def test_a_service_without_an_open_run_has_nobody_to_ask(plain: DevServer, environment: Environment) -> None:
    environment()
    client = await connect(Settings(temporal_address=plain.address))
    request = ControlRequest(uid="u", attempt=1, by="somebody", gate="", to=0)
    assert await ask(client, Service("demo", "chat"), PAUSE, request) is None
    await ensure_taken(client, Service("demo", "chat"))  # one may be started
