"""What to install on a cluster that does not serve a kind: the end of every such refusal."""

from collections.abc import Sequence

from omeflow.api.kinds import Kind

_PROVIDERS = {
    "workloads.x-k8s.io": "RBG v0.7.0 or later (github.com/sgl-project/rbg)",
    "leaderworkerset.x-k8s.io": "LeaderWorkerSet v0.5.1 or later (github.com/kubernetes-sigs/lws)",
    "ray.io": "KubeRay v1.2 or later (github.com/ray-project/kuberay)",
    "serving.knative.dev": "Knative Serving (knative.dev)",
    "keda.sh": "KEDA v2 (keda.sh)",
    "networking.istio.io": "Istio (istio.io)",
    "gateway.networking.k8s.io": "the Gateway API (gateway-api.sigs.k8s.io)",
}


def remedy(lacking: Sequence[Kind]) -> str:
    """What the cluster lacks and what to do about it, in a sentence."""
    kinds = ", ".join(f"{kind} {kind.api_version}" for kind in lacking)
    providers = dict.fromkeys(_PROVIDERS.get(kind.group, f"what provides {kind.group}") for kind in lacking)
    return f"the cluster does not serve {kinds}, which the service needs; install {' and '.join(providers)}"
