"""A component as a Deployment (ome.md 9.1.1).

The count is not part of it: counts belong to scalers (design rule 1).
"""

from omeflow.api.kinds import DEPLOYMENT
from omeflow.components.types import ComponentConfig, Json
from strategies.contract import Manifest, Owner
from strategies.manifests import owned
from strategies.single_component.serving_pods import app_label

_DEFAULT_ROLLING_UPDATE = {"maxUnavailable": 0, "maxSurge": 1}
_SERVER_DEFAULT = {"maxUnavailable": "25%", "maxSurge": "25%"}


def deployment_labels(config: ComponentConfig) -> dict[str, str]:
    """What a Deployment, its pods, its HorizontalPodAutoscaler and its budget are labelled with (ome.md 9.1)."""
    return {**config.labels, **app_label(config), **config.pod_labels}


def deployment(owner: Owner, config: ComponentConfig) -> Manifest:
    labels = deployment_labels(config)
    metadata: Json = {"name": config.name, "namespace": config.namespace, "labels": labels}
    if config.annotations:
        metadata["annotations"] = config.annotations
    return owned(
        DEPLOYMENT,
        owner,
        config.name,
        labels=labels,
        annotations=config.annotations,
        spec={
            "selector": {"matchLabels": app_label(config)},
            "strategy": _strategy(config),
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "template": {"metadata": metadata, "spec": config.pod_spec},
        },
    )


def _strategy(config: ComponentConfig) -> Json:
    """The user's deploymentStrategy, with both bounds of a rolling update.

    A bound that only the server filled in belongs to nobody, so nothing would take it away again, and the server
    refuses it beside type Recreate.
    """
    given = config.extension.deployment_strategy or {}
    kind = given.get("type") or "RollingUpdate"
    if kind != "RollingUpdate":
        return {**given, "type": kind}
    bounds = given.get("rollingUpdate")
    return {"type": kind, "rollingUpdate": _DEFAULT_ROLLING_UPDATE if bounds is None else {**_SERVER_DEFAULT, **bounds}}
