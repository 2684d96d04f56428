"""What is asked, without asking it."""

import pytest

from omeflow.api.kinds import CLUSTER_BASE_MODEL, DEPLOYMENT, POD
from omeflow.kube import request

CHAT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat", "namespace": "serving"}}


def test_an_apply_is_strict_and_says_who_applies() -> None:
    asked = request.apply(CHAT, manager="omeflow", force=False, dry_run=False, subresource=None)
    assert str(asked) == "PATCH /apis/apps/v1/namespaces/serving/deployments/chat"
    assert asked.query == {"fieldManager": "omeflow", "force": "false", "fieldValidation": "Strict"}
    assert asked.content_type == "application/apply-patch+yaml"
    assert asked.body is CHAT
    assert (asked.verb, asked.subject) == ("apply", "Deployment serving/chat")


def test_a_dry_run_of_a_subresource() -> None:
    asked = request.apply(CHAT, manager="omeflow-status", force=True, dry_run=True, subresource="status")
    assert asked.path.endswith("/deployments/chat/status")
    assert asked.query["dryRun"] == "All"
    assert asked.query["force"] == "true"


@pytest.mark.parametrize(
    ("uid", "version", "preconditions"),
    [
        (None, None, None),
        ("u", None, {"uid": "u"}),
        (None, "7", {"resourceVersion": "7"}),
        ("u", "7", {"uid": "u", "resourceVersion": "7"}),
    ],
)
def test_a_delete_carries_its_preconditions(
    uid: str | None, version: str | None, preconditions: dict[str, str] | None
) -> None:
    asked = request.delete(POD, "a", namespace="serving", uid=uid, resource_version=version, propagation="Foreground")
    assert asked.body.get("preconditions") == preconditions
    assert asked.body["propagationPolicy"] == "Foreground"


def test_a_page_after_the_first_continues_it() -> None:
    asked = request.collection(POD, namespace="serving", label_selector="a=b", token="next")
    assert str(asked) == "GET /api/v1/namespaces/serving/pods"
    assert asked.query == {"labelSelector": "a=b", "limit": "500", "continue": "next"}


def test_a_watch_asks_for_bookmarks_and_whole_seconds() -> None:
    asked = request.watch(CLUSTER_BASE_MODEL, resource_version="42", seconds=301.7)
    assert asked.path == "/apis/ome.io/v1beta1/clusterbasemodels"
    assert asked.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "42",
        "timeoutSeconds": "302",
    }


def test_a_count_is_written_through_the_scale_subresource() -> None:
    patch = {"spec": {"replicas": 3}}
    asked = request.merge_patch(
        DEPLOYMENT, "chat", namespace="serving", patch=patch, subresource="scale", manager="omeflow"
    )
    assert asked.path.endswith("/deployments/chat/scale")
    assert (asked.method, asked.verb) == ("PATCH", "scale")
    assert asked.content_type == "application/merge-patch+json"
