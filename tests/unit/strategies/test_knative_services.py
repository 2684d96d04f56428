"""A component that scales to zero: bounds, limits and the split of traffic of its Knative Service (ome.md 9.4)."""

from typing import Any

import pytest
from rbg_samples import CONTAINER, OWNER, Json, config

from omeflow.components.types import DeploymentMode
from strategies.single_component.knative_service import knative_service


def service(*, rolled_out: str | None = None, **component: Any) -> Json:
    return knative_service(OWNER, config(mode=DeploymentMode.SERVERLESS, **component), rolled_out=rolled_out)


def annotations(**component: Any) -> dict[str, str]:
    return dict(service(**component)["spec"]["template"]["metadata"]["annotations"])


def test_bounds_are_annotations_of_the_template() -> None:
    prefix = "autoscaling.knative.dev/"
    assert annotations() == {f"{prefix}class": f"kpa.{prefix[:-1]}", f"{prefix}min-scale": "1"}
    assert annotations(min_replicas=0, max_replicas=3, scale_target=7, scale_metric="rps") == {
        f"{prefix}class": f"kpa.{prefix[:-1]}",
        f"{prefix}min-scale": "0",
        f"{prefix}max-scale": "3",
        f"{prefix}target": "7",
        f"{prefix}metric": "rps",
    }
    own = {f"{prefix}class": "hpa.autoscaling.knative.dev"}
    assert annotations(annotations=own)[f"{prefix}class"] == own[f"{prefix}class"]


def test_what_knative_reads_of_the_service_is_not_in_the_template() -> None:
    made = service(
        annotations={"serving.knative.dev/rollout-duration": "380s", "team": "a"},
        labels={"component": "engine", "networking.knative.dev/visibility": "cluster-local"},
        pod_labels={"volcano.sh/queue-name": "q"},
    )
    template = made["spec"]["template"]["metadata"]
    assert made["metadata"]["annotations"] == {"serving.knative.dev/rollout-duration": "380s"}
    assert made["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"
    assert made["metadata"]["labels"]["volcano.sh/queue-name"] == "q"
    assert template["labels"] == {"component": "engine"}
    assert "serving.knative.dev/rollout-duration" not in template["annotations"]
    assert template["annotations"]["team"] == "a"


def test_limits_of_a_request() -> None:
    assert service()["spec"]["template"]["spec"] == {"containers": [CONTAINER]}
    assert service(timeout_seconds=300, container_concurrency=0)["spec"]["template"]["spec"] == {
        "containers": [CONTAINER],
        "timeoutSeconds": 300,
        "responseStartTimeoutSeconds": 300,
        "containerConcurrency": 0,
    }


LATEST = {"latestRevision": True, "percent": 100}


@pytest.mark.parametrize(
    ("canary", "rolled_out", "traffic"),
    [
        (None, None, [LATEST]),
        (None, "chat-engine-00001", [LATEST]),
        (10, None, [LATEST]),
        (10, "", [LATEST]),
        (100, "chat-engine-00001", [LATEST]),
        (
            10,
            "chat-engine-00001",
            [
                {"latestRevision": True, "percent": 10},
                {"revisionName": "chat-engine-00001", "latestRevision": False, "percent": 90, "tag": "prev"},
            ],
        ),
        (
            0,
            "chat-engine-00001",
            [
                {"latestRevision": True, "percent": 0},
                {"revisionName": "chat-engine-00001", "latestRevision": False, "percent": 100, "tag": "prev"},
            ],
        ),
    ],
)
def test_a_canary_gets_its_share_once_there_is_a_revision_to_keep_the_rest(
    canary: int | None, rolled_out: str | None, traffic: list[Json]
) -> None:
    assert service(rolled_out=rolled_out, canary_traffic_percent=canary)["spec"]["traffic"] == traffic


def test_the_latest_revision_may_have_a_tag() -> None:
    tagged = service(annotations={"ome.io/enable-tag-routing": "true"})
    assert tagged["spec"]["traffic"] == [{**LATEST, "tag": "latest"}]
