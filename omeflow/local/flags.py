"""The command lines of the control plane. Pure: paths and ports in, arguments out.

Each flag that is not self-evident says what goes wrong without it (verified on Kubernetes 1.34, kwok 0.7).
"""

from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = (
    "deployment",
    "replicaset",
    "statefulset",
    "garbage-collector",
    "namespace",
    "serviceaccount",
    "disruption",
    "job",
    "endpointslice",
    "node-lifecycle",  # without it every node keeps the taint not-ready and no pod is ever scheduled
)
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.1/16"

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a cluster keeps its files, and its ports on the loopback interface."""

    directory: Path
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    audit: bool = False

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def etcd_data(self) -> Path:
        return self.directory / "etcd" / "data"

    @property
    def certificates(self) -> Path:
        return self.directory / "pki"

    @property
    def certificate_authority(self) -> Path:
        """The API server's self-signed certificate, with the authority that signed it."""
        return self.certificates / "apiserver.crt"

    @property
    def certificate_key(self) -> Path:
        return self.certificates / "apiserver.key"

    @property
    def service_account_key(self) -> Path:
        return self.certificates / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        return self.certificates / "tokens.csv"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def installed(self) -> Path:
        """Says which definitions the data hold, by the name of their snapshot."""
        return self.directory / "etcd" / "definitions"

    @property
    def stages(self) -> Path:
        return self.directory / "kwok.yaml"

    @property
    def audit_policy(self) -> Path:
        return self.directory / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        return self.directory / "logs" / "audit.log"


def etcd(layout: Layout) -> list[str]:
    client, peer = (f"http://127.0.0.1:{port}" for port in (layout.etcd_port, layout.etcd_peer_port))
    return [
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # data outlives a killed process, not a power cut: right for a cluster to play with
        "--log-level=warn",
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    arguments = [
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        f"--secure-port={layout.api_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # it would refuse a loopback address, for ever
        f"--cert-dir={layout.certificates}",  # makes its own certificate there
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        "--disable-admission-plugins=ServiceAccount",  # else a pod waits for an account's token, which nobody mounts
    ]
    if layout.audit:
        arguments += [
            f"--audit-policy-file={layout.audit_policy}",
            f"--audit-log-path={layout.audit_log}",
            "--audit-log-maxsize=100000",  # MB; else a new file begins at 100, and who reads the log misses the former
        ]
    return arguments


def kube_controller_manager(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--controllers={','.join(f'{name}-controller' for name in CONTROLLERS)}",
        f"--service-account-private-key-file={layout.service_account_key}",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--secure-port=0",
    ]


def kube_scheduler(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--secure-port=0",
    ]


def kwok(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={layout.stages}",
        "--manage-all-nodes=true",
        # Without leases node-lifecycle gives the nodes up after a minute of load and takes Ready from their pods.
        "--node-lease-duration-seconds=40",
        f"--cidr={POD_RANGE}",
    ]
