"""Where kinds live on the API server, and how messages name objects."""

from typing import Any

import pytest

from omeflow.api import kinds
from omeflow.api.kinds import Kind, kind_of, title


@pytest.mark.parametrize(
    ("kind", "arguments", "path"),
    [
        (kinds.POD, {}, "/api/v1/pods"),
        (kinds.POD, {"namespace": "serving"}, "/api/v1/namespaces/serving/pods"),
        (kinds.POD, {"name": "p", "namespace": "serving"}, "/api/v1/namespaces/serving/pods/p"),
        (kinds.NODE, {"name": "n"}, "/api/v1/nodes/n"),
        (kinds.NODE, {"name": "n", "namespace": "ignored"}, "/api/v1/nodes/n"),
        (
            kinds.ROLE_BASED_GROUP,
            {"name": "chat", "namespace": "serving"},
            "/apis/workloads.x-k8s.io/v1alpha2/namespaces/serving/rolebasedgroups/chat",
        ),
        (kinds.ROLE_BASED_GROUP, {}, "/apis/workloads.x-k8s.io/v1alpha2/rolebasedgroups"),
        (
            kinds.INFERENCE_SERVICE,
            {"name": "chat", "namespace": "serving", "subresource": "status"},
            "/apis/ome.io/v1beta1/namespaces/serving/inferenceservices/chat/status",
        ),
        (kinds.CLUSTER_BASE_MODEL, {"name": "llama"}, "/apis/ome.io/v1beta1/clusterbasemodels/llama"),
    ],
)
def test_path_of_a_kind(kind: Kind, arguments: dict[str, str], path: str) -> None:
    assert kind.path(**arguments) == path


@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_a_manifest_finds_its_kind(kind: Kind) -> None:
    assert kind_of({"apiVersion": kind.api_version, "kind": str(kind)}) is kind


def test_no_two_kinds_have_the_same_path() -> None:
    assert len({kind.path() for kind in kinds.ALL}) == len(kinds.ALL)


@pytest.mark.parametrize(("version", "kind"), [("v1", "Secret"), ("apps/v1beta1", "Deployment")])
def test_an_unknown_kind_or_version_is_not_touched(version: str, kind: str) -> None:
    with pytest.raises(KeyError):
        kind_of({"apiVersion": version, "kind": kind})


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            {"kind": "RoleBasedGroup", "metadata": {"name": "chat", "namespace": "serving"}},
            "RoleBasedGroup serving/chat",
        ),
        ({"kind": "Node", "metadata": {"name": "n"}}, "Node n"),
        ({"kind": "Node", "metadata": {"name": "n", "namespace": ""}}, "Node n"),
    ],
)
def test_how_messages_name_an_object(obj: dict[str, Any], expected: str) -> None:
    assert title(obj) == expected
