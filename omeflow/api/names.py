"""Names that appear on the wire: labels, annotations, field managers, and the functions that build object names.

One home, because two spellings of the same key are a bug that no type checker sees.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

ENGINE = "engine"
DECODER = "decoder"
ROUTER = "router"
ROLES = (ENGINE, DECODER, ROUTER)

CLUSTER_DOMAIN = "cluster.local"
"""The DNS domain of Services, unless a setting says another one (ome.md 1.7)."""

FIELD_MANAGER = "omeflow"
STATUS_MANAGER = "omeflow-status"
RECORD_MANAGER = "omeflow-record"
UPSTREAM_MANAGER = "manager"
"""OME's own controller, which writes by update under the name of its binary (ome.md 2.1)."""
UPSTREAM_FINALIZER = "inferenceservice.finalizers"
"""OME's controller puts it on every InferenceService that it sees (ome.md 14.4): who has it is in its hands."""

DEPLOYMENT_MODE = "ome.io/deploymentMode"
AUTOSCALER_CLASS = "ome.io/autoscalerClass"
TARGET_UTILIZATION = "ome.io/targetUtilizationPercentage"
ISVC_LABEL = "ome.io/inferenceservice"

RBG_PREFIX = "rbg.workloads.x-k8s.io/"
GROUP_NAME = f"{RBG_PREFIX}group-name"
ROLE_NAME = f"{RBG_PREFIX}role-name"
COMPONENT_INDEX = f"{RBG_PREFIX}component-index"

PREFIX = "omeflow.io/"
"""What annotations of omeflow's own begin with."""
ATTEMPT = f"{PREFIX}attempt"
"""Annotation of a role, which its workload carries too: the attempt whose template it has."""

ROLLOUT_POLICY = f"{PREFIX}rollout-policy"
"""Annotation of a service: name of the RolloutPolicy, in its namespace, that its changes follow (design section 7)."""


def seed_manager(role: str) -> str:
    """Field manager that co-owns nothing but the role's replica count (design rule 3)."""
    return f"{FIELD_MANAGER}-seed-{role}"


def role_attempt(role: str) -> str:
    """Annotation on the workload object: the attempt whose template the role has (design section 3)."""
    return f"{PREFIX}{role}-attempt"


def in_upstreams_hands(service: Mapping[str, Any]) -> bool:
    """Whether OME's own controller works on an InferenceService, or left it without having been taken over from."""
    return UPSTREAM_FINALIZER in (service["metadata"].get("finalizers") or ())


def component_name(service: str, role: str) -> str:
    """Name of a component's objects (ome.md 8.1)."""
    return f"{service}-{role}"


def truncate(name: str, limit: int) -> str:
    """Shorten a name to `limit` bytes: eight hexadecimal digits of its SHA-256, a dash and its end (ome.md 8.2)."""
    if len(name.encode()) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    keep = limit - 9
    return digest[:limit] if keep <= 0 else f"{digest}-{name[-keep:]}"


def dns_label(name: str) -> str:
    """Shorten a name to a DNS label of at most 63 bytes that starts with a letter (ome.md 8.2, trunc63)."""
    short = truncate(name, 63)
    return f"a{short[1:]}" if short != name and short[0].isdigit() else short


def ray_name(name: str) -> str:
    """Shorten a name to its last 50 characters, of which the first is a letter, as KubeRay does (ome.md 8.2)."""
    short = name[-50:]
    return f"r{short[1:]}" if short and not short[0].isalpha() else short
