"""A component as a role of a RoleBasedGroup (rbg.md 1.3 and 8.1).

The body carries no replica count, because counts belong to scalers (design rule 1), and no attempt mark, because the
mark says when a body was applied and not what it is.
"""

from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.kinds import ROLE_BASED_GROUP, SCALING_ADAPTER
from omeflow.components.types import ComponentConfig, DeploymentMode, Json
from strategies.autoscaling import first_count, is_scaled
from strategies.contract import DesiredRole, Owner
from strategies.digests import digest
from strategies.rbg.admission import created_anew
from strategies.rbg.asked import Asked
from strategies.surging import is_bound

LONGEST_NAME = 50
"""Bytes of `<service>-<role>`: pod names add an ordinal and a worker index and must stay host names (rbg.md 2.2)."""
RECREATE = "RecreatePod"
"""Type of the update of a role whose deploymentStrategy is Recreate."""

_LWS_ALIASES = {
    "LWS_LEADER_ADDRESS": "$(RBG_LWP_LEADER_ADDRESS)",
    "LWS_GROUP_SIZE": "$(RBG_LWP_GROUP_SIZE)",
    "LWS_WORKER_INDEX": "$(RBG_LWP_WORKER_INDEX)",
}


def desired_role(owner: Owner, config: ComponentConfig, annotations: Mapping[str, str] | None = None) -> DesiredRole:
    """The role of one component.

    Args:
        annotations: of the InferenceService itself; None for a component that stands alone.

    Raises:
        Invalid: the name is too long for pods, an update strategy cannot make progress, or an annotation asks for
            something that RBG cannot do.
    """
    asked = Asked(owner, config, annotations or {})
    if len(config.name.encode()) > LONGEST_NAME:
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: metadata.name is too long: {config.name} has"
            f" {len(config.name.encode())} bytes, and pods of a RoleBasedGroup need at most {LONGEST_NAME}; create the"
            " service under a shorter name"
        )
    body: Json = {
        "name": config.role,
        "scalingAdapter": {"enable": True},
        "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdate": _rolling_update(owner, config)},
    }
    if config.mode is DeploymentMode.MULTI_NODE:
        body["leaderWorkerPattern"] = _leader_worker(config, asked)
    else:
        body["standalonePattern"] = {"template": _template(config, asked, config.pod_spec)}
    decisive = body
    if told := asked.role_annotations():
        decisive = {**body, "told": told}  # under a name of their own: annotations do not count by themselves
        body["annotations"] = told
    scaled = is_scaled(config)
    return DesiredRole(
        role=config.role,
        body=body,
        digest=digest(decisive),
        min_replicas=first_count(config, scaled=scaled),
        scaled=scaled,
        workloads=[{"apiVersion": ROLE_BASED_GROUP.api_version, "kind": ROLE_BASED_GROUP.name, "name": owner.name}],
        counted={"apiVersion": SCALING_ADAPTER.api_version, "kind": SCALING_ADAPTER.name, "name": config.name},
    )


def _rolling_update(owner: Owner, config: ComponentConfig) -> Json:
    """The user's deploymentStrategy, else one at a time without surge: a spare GPU is rarely there.

    RBG's schema takes any text for a bound, and its controller then stops without a word in any status.
    """
    strategy = config.extension.deployment_strategy or {}
    if strategy.get("type") == "Recreate":
        return {"type": RECREATE, "maxUnavailable": "100%", "maxSurge": 0}
    given: dict[str, Any] = strategy.get("rollingUpdate") or {}
    update = {
        "type": "InPlaceIfPossible",
        "maxUnavailable": given.get("maxUnavailable", 1),
        "maxSurge": given.get("maxSurge", 0),
    }
    place = f"InferenceService {owner.namespace}/{owner.name}: spec.{config.role}.deploymentStrategy.rollingUpdate"
    bounds = {name: update[name] for name in ("maxUnavailable", "maxSurge")}
    if all(str(bound) in ("0", "0%") for bound in bounds.values()):
        raise Invalid(
            f"{place} has maxUnavailable 0 and maxSurge 0, so no pod could ever be replaced; raise one of them"
        )
    for name, bound in bounds.items():
        if not is_bound(bound):
            raise Invalid(f"{place}.{name} is {bound!r}: it must be a number of pods or a percentage")
    return update


def _leader_worker(config: ComponentConfig, asked: Asked) -> Json:
    """Leader and worker as exact templates: the base is the leader's, the worker's patch replaces all of it."""
    assert config.worker_pod_spec is not None
    worker = _template(config, asked, _with_aliases(config.worker_pod_spec))
    restarts = asked.restart_policy()
    return {
        "size": 1 + config.worker_size,
        "sharedServiceSelection": "All",
        "template": _template(config, asked, _with_aliases(config.pod_spec)),
        "workerTemplatePatch": {part: {"$patch": "replace", **content} for part, content in worker.items()},
        **({"restartPolicyConfig": restarts} if restarts else {}),
    }


def _template(config: ComponentConfig, asked: Asked, pod_spec: Json) -> Json:
    labels = {**config.labels, **config.pod_labels, **asked.pod_labels()}
    spec = asked.placed(created_anew(pod_spec, config.annotations))
    return {"metadata": {"labels": labels, "annotations": config.annotations}, "spec": spec}


def _with_aliases(pod_spec: Json) -> Json:
    """Runtimes written for LeaderWorkerSet run unchanged: its variables as aliases of RBG's (rbg.md 2.4)."""
    containers = []
    for container in pod_spec.get("containers") or []:
        own = container.get("env") or []
        taken = {variable["name"] for variable in own}
        aliases = [{"name": name, "value": value} for name, value in _LWS_ALIASES.items() if name not in taken]
        containers.append({**container, "env": [*aliases, *own]})
    return {**pod_spec, "containers": containers}
