"""How a process reaches an API server: address, trust, credentials, one HTTP session.

Finding and refreshing credentials (kubeconfig, exec plugins, OIDC, rotated tokens) is the `kubernetes` package's work.
Its REST client is not used: it decodes into models, and its session reads the environment. Whom we trust is said by
the kubeconfig alone; SSL_CERT_FILE, REQUESTS_CA_BUNDLE and ~/.netrc are about other servers.
"""

import asyncio
import logging
import os
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from yarl import URL

from omeflow.api.errors import Terminal
from omeflow.kube.request import Request

log = logging.getLogger(__name__)

DEFAULT_KUBECONFIG = Path("~/.kube/config")
REFRESH_SECONDS = 60.0
"""How long credentials are used before their source is asked again; client-go re-reads token files as often."""
PLUGIN_SECONDS = 30.0
KEEP_ALIVE = 75.0
"""Seconds that an idle connection is kept; the API server closes it after 90."""
READ_BUFFER = 2**21
"""Bytes; one watch event may hold an object of etcd's 1.5 MiB."""

purpose: ContextVar[str] = ContextVar("purpose", default="")
"""What requests are for, as the User-Agent says it behind the process: the step that makes them."""

_UNREADABLE = (ConfigException, OSError, TimeoutError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError)


class Connection:
    """One HTTP session to one API server, with credentials that stay valid.

    Attributes:
        server: base URL.
    """

    def __init__(self, configuration: Any, *, user_agent: str) -> None:
        rest = RESTClientObject(configuration)
        if isinstance(configuration.refresh_api_key_hook, _KubeconfigCredentials):
            configuration.refresh_api_key_hook.ssl_context = rest.ssl_context
        self.server: str = configuration.host.rstrip("/")
        self._user_agent = user_agent
        self._configuration = configuration
        self._proxy = configuration.proxy or _environment_proxy(self.server)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=rest.ssl_context, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=READ_BUFFER,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def exchange(
        self, asked: Request, *, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; the body of the answer is read within the context."""
        headers = {"User-Agent": f"{self._user_agent} ({what})" if (what := purpose.get()) else self._user_agent}
        headers["Accept"] = asked.accept
        if asked.body is not None:
            headers["Content-Type"] = asked.content_type
        if authorization := await self._authorization():
            headers["Authorization"] = authorization
        async with self._session.request(
            asked.method,
            URL(self.server + asked.path).with_query(dict(asked.query)),
            data=None if asked.body is None else orjson.dumps(asked.body),
            headers=headers,
            timeout=timeout,
            proxy=self._proxy,
            server_hostname=self._configuration.tls_server_name,
            allow_redirects=False,
        ) as response:
            yield response

    async def _authorization(self) -> str | None:
        try:
            token: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        except _UNREADABLE as error:
            # The credentials in hand may well be valid still; if not, the server says so.
            log.warning("credentials for %s are not refreshed: %s", self.server, error)
            token = self._configuration.api_key.get("BearerToken")
        return token.strip() if token else None


async def configure(*, kubeconfig: Path | None = None, context: str | None = None) -> Any:
    """Find an API server and credentials for it.

    Args:
        kubeconfig: file; None looks at $KUBECONFIG, at ~/.kube/config and, in a pod, at its ServiceAccount.
        context: context of the kubeconfig; None for its current one.

    Returns:
        a `kubernetes.aio.client.Configuration`.

    Raises:
        Terminal: there is none, or it cannot be read.
    """
    configuration = Configuration()
    # Certificates of many clusters lack extensions that Python's strict mode (3.13) wants and kubectl does not.
    configuration.disable_strict_ssl_verification = True
    source = _kubeconfig_source(kubeconfig)
    try:
        if source is not None:
            async with asyncio.timeout(PLUGIN_SECONDS):
                loader = await load_kube_config(
                    config_file=source, context=context, client_configuration=configuration, persist_config=False
                )
            _check_plugin(loader, configuration)
            configuration.refresh_api_key_hook = _KubeconfigCredentials(loader, configuration)
            return configuration
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(client_configuration=configuration)
            return configuration
    except _UNREADABLE as error:
        where = source or "the pod's ServiceAccount"
        raise Terminal(f"cannot connect with {where}: {str(error) or type(error).__name__}") from error
    raise Terminal(
        f"no cluster: neither $KUBECONFIG nor {DEFAULT_KUBECONFIG} names one, and this is no pod; "
        "set KUBECONFIG or pass --kubeconfig"
    )


class _KubeconfigCredentials:
    """Asks the kubeconfig's source of credentials again once they are a minute old.

    The loader runs an exec plugin or an OIDC refresh only when what it holds is about to expire.
    """

    def __init__(self, loader: Any, configuration: Any) -> None:
        self.ssl_context: Any = None
        self._loader = loader
        self._lock = asyncio.Lock()
        self._asked = time.monotonic()
        self._certificate = _stamp(configuration.cert_file)

    async def __call__(self, configuration: Any) -> None:
        async with self._lock:
            if time.monotonic() - self._asked < REFRESH_SECONDS:
                return
            self._asked = time.monotonic()
            async with asyncio.timeout(PLUGIN_SECONDS):
                await self._loader.load_and_set(configuration)
            if (certificate := _stamp(configuration.cert_file)) != self._certificate and self.ssl_context is not None:
                # New connections present the new certificate.
                self.ssl_context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
                self._certificate = certificate


def _kubeconfig_source(kubeconfig: Path | None) -> str | None:
    if kubeconfig is not None:
        if not kubeconfig.expanduser().is_file():
            raise Terminal(f"kubeconfig {kubeconfig} does not exist")
        return str(kubeconfig.expanduser())
    if named := os.environ.get("KUBECONFIG"):
        if not any(Path(path).expanduser().is_file() for path in named.split(os.pathsep) if path):
            raise Terminal(f"KUBECONFIG={named} names no file that exists")
        return named
    default = DEFAULT_KUBECONFIG.expanduser()
    return str(default) if default.is_file() else None


def _check_plugin(loader: Any, configuration: Any) -> None:
    """Refuse to go on without credentials where a plugin should have given some: the loader only logs its failure."""
    user = loader._user
    if user is not None and "exec" in user and not (configuration.api_key or configuration.cert_file):
        raise Terminal(f"credential plugin {user['exec']['command']} gave no credentials; run it by hand to see why")


def _stamp(path: str | None) -> tuple[str, int] | None:
    return (path, os.stat(path).st_mtime_ns) if path else None


def _environment_proxy(server: str) -> str | None:
    """HTTPS_PROXY and NO_PROXY, as kubectl honours them."""
    url = URL(server)
    if urllib.request.proxy_bypass(url.host or ""):
        return None
    return urllib.request.getproxies().get(url.scheme)
