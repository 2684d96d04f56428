"""Real managers of backends, which tests hold the simulated ones against. The environment names their binaries."""

import asyncio
import base64
import datetime
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes.aio import client, config

from clusters.backends import Backend
from omeflow.kube.client import Cluster
from omeflow.local import crds
from omeflow.local.ports import free_ports
from omeflow.local.processes import ManagedProcess
from omeflow.local.readiness import until

_LWS_WEBHOOKS = "omeflow-tests-lws"
_SETS = "leaderworkerset-x-k8s-io-v1-leaderworkerset"
_PODS = "-v1-pod"


@asynccontextmanager
async def rbg_manager(binary: Path, kubeconfig: Path, directory: Path) -> AsyncIterator[Backend]:
    """RoleBasedGroup's manager, ready; its webhooks are not needed (rbg.md)."""
    (port,) = free_ports(1)
    arguments = [
        "--enable-webhooks=none",
        f"--kubeconfig={kubeconfig}",
        f"--health-probe-bind-address=127.0.0.1:{port}",
        "--metrics-bind-address=0",
    ]
    command = [binary, *arguments]
    async with Backend(lambda: _running("rbg-manager", command, directory, health=port), real=True) as backend:
        yield backend


@asynccontextmanager
async def lws_manager(binary: Path, kubeconfig: Path, directory: Path) -> AsyncIterator[Backend]:
    """LeaderWorkerSet's manager, ready, with its webhooks, which label the pods (other-workloads.md 2.4).

    While it is stopped, the API server goes on asking its webhooks, and refuses what they would have to answer.
    """
    health, webhooks = free_ports(2)
    certificate = _certificate(directory / "certificates")
    settings = {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"host": "127.0.0.1", "port": webhooks, "certDir": str(directory / "certificates")},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
    }
    file = directory / "lws.yaml"
    file.write_text(yaml.safe_dump(settings))
    command = [binary, f"--config={file}", f"--kubeconfig={kubeconfig}"]
    async with Cluster.connect(kubeconfig=kubeconfig, timeout=60) as cluster:
        await crds.establish(cluster, [_any_shape("DisaggregatedSet"), _any_shape("DisaggregatedSetRoleScaler")])

    def manager() -> AbstractAsyncContextManager[None]:
        return _running("lws-manager", command, directory, health=health, listens=webhooks)

    async with (
        Backend(manager, real=True) as backend,
        _admission(kubeconfig, f"https://127.0.0.1:{webhooks}", certificate),
    ):
        yield backend


@asynccontextmanager
async def _running(
    name: str, command: Sequence[str | Path], directory: Path, *, health: int, listens: int | None = None
) -> AsyncIterator[None]:
    """The manager, once it says that it is ready and, if it has webhooks, listens."""
    manager = ManagedProcess(name, command=command, directory=directory)

    async def ready() -> bool:
        manager.check()
        try:
            if listens is not None:
                _, writer = await asyncio.open_connection("127.0.0.1", listens)
                writer.close()
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{health}/readyz") as response:
                return response.status == 200
        except (OSError, aiohttp.ClientConnectionError):
            return False

    await manager.start()
    try:
        await until(ready, what=f"{name} to be ready")
        yield
    finally:
        await manager.stop()


@asynccontextmanager
async def _admission(kubeconfig: Path, url: str, certificate: bytes) -> AsyncIterator[None]:
    """The API server asks the manager's webhooks while inside."""
    await config.load_kube_config(config_file=str(kubeconfig))
    bundle = base64.b64encode(certificate).decode()

    def webhook(path: str, resource: str, group: str, operations: list[str], **more: Any) -> dict[str, Any]:
        rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}
        return {
            "name": f"{path.strip('/').partition('-')[0]}-{resource}.lws.test",
            "clientConfig": {"url": f"{url}{path}", "caBundle": bundle},
            "rules": [rule],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            **more,
        }

    def both(verb: str) -> dict[str, Any]:
        mine = {"matchExpressions": [{"key": "leaderworkerset.sigs.k8s.io/name", "operator": "Exists"}]}
        sets = webhook(f"/{verb}-{_SETS}", "leaderworkersets", "leaderworkerset.x-k8s.io", ["CREATE", "UPDATE"])
        pods = webhook(f"/{verb}-{_PODS}", "pods", "", ["CREATE"], objectSelector=mine)
        return {"metadata": {"name": _LWS_WEBHOOKS}, "webhooks": [sets, pods]}

    async with client.ApiClient() as connection:
        api = client.AdmissionregistrationV1Api(connection)
        await api.create_mutating_webhook_configuration(both("mutate"))
        await api.create_validating_webhook_configuration(both("validate"))
        try:
            yield
        finally:
            await api.delete_mutating_webhook_configuration(_LWS_WEBHOOKS)
            await api.delete_validating_webhook_configuration(_LWS_WEBHOOKS)


def _certificate(directory: Path) -> bytes:
    """A certificate for this machine's loopback address, where the manager looks for it; in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "omeflow-tests")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    directory.mkdir(parents=True)
    (directory / "tls.crt").write_bytes(certificate)
    (directory / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate


def _any_shape(kind: str) -> dict[str, Any]:
    """The definition of a kind that the manager wants served, and no test uses."""
    plural, group = f"{kind.lower()}s", "disaggregatedset.x-k8s.io"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version | {"subresources": {"status": {}}}],
        },
    }
