"""A component that scales to zero as a Knative Service (ome.md 9.4).

Knative has no count: its autoscaler's bounds are annotations of the template, so that new bounds make a new revision.
"""

from typing import Any

from omeflow.api.kinds import KNATIVE_SERVICE
from omeflow.components.types import ComponentConfig, Json
from strategies.contract import Manifest, Owner
from strategies.manifests import owned

_OF_THE_SERVICE = ("serving.knative.dev/rollout-duration", "serving.knative.openshift.io/enablePassthrough")
_VISIBILITY = "networking.knative.dev/visibility"
_SCALING = "autoscaling.knative.dev/"
_TAG_ROUTING = "ome.io/enable-tag-routing"


def knative_service(owner: Owner, config: ComponentConfig, *, rolled_out: str | None) -> Manifest:
    """The Knative Service of a component.

    Args:
        rolled_out: the revision that had all traffic last (`status.components[…].latestRolledoutRevision`), which keeps
            what a canary does not get; None or empty if there has been none.
    """
    annotations = config.annotations
    return owned(
        KNATIVE_SERVICE,
        owner,
        config.name,
        labels={**config.labels, **config.pod_labels},
        annotations={key: text for key, text in annotations.items() if key in _OF_THE_SERVICE},
        spec={
            "template": {
                "metadata": {
                    "labels": {key: text for key, text in config.labels.items() if key != _VISIBILITY},
                    "annotations": _template_annotations(config),
                },
                "spec": {**_limits(config), **config.pod_spec},
            },
            "traffic": _traffic(config, rolled_out),
        },
    )


def smallest_scale(service: Manifest) -> int:
    """Pods that a new revision comes up with: at least one, even where it may scale to none."""
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    given = str(annotations.get(f"{_SCALING}min-scale", ""))
    return max(1, int(given)) if given.isdecimal() else 1


def _template_annotations(config: ComponentConfig) -> dict[str, str]:
    extension = config.extension
    kept = {key: text for key, text in config.annotations.items() if key not in _OF_THE_SERVICE}
    scaling: dict[str, Any] = {
        "min-scale": extension.least,
        "max-scale": extension.max_replicas or None,
        "target": extension.scale_target,
        "metric": extension.scale_metric,
    }
    given = {f"{_SCALING}{key}": str(value) for key, value in scaling.items() if value is not None}
    return {f"{_SCALING}class": f"kpa.{_SCALING.rstrip('/')}"} | kept | given


def _limits(config: ComponentConfig) -> Json:
    extension = config.extension
    limits = {
        "timeoutSeconds": extension.timeout_seconds,
        "responseStartTimeoutSeconds": extension.timeout_seconds,
        "containerConcurrency": extension.container_concurrency,
    }
    return {field: limit for field, limit in limits.items() if limit is not None}


def _traffic(config: ComponentConfig, rolled_out: str | None) -> list[Json]:
    canary = config.extension.canary_traffic_percent
    share = 100 if canary is None or not rolled_out else canary
    tag = {"tag": "latest"} if config.annotations.get(_TAG_ROUTING) == "true" else {}
    latest = {"latestRevision": True, "percent": share, **tag}
    if share >= 100:
        return [latest]
    return [
        latest,
        {"revisionName": rolled_out, "latestRevision": False, "percent": 100 - share, "tag": "prev"},
    ]
