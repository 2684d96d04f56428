"""Merging a runtime's component with a service's (ome.md 6.1 to 6.3)."""

import copy
from typing import Any

import pytest
from component_shapes import COMPONENT
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import Invalid
from omeflow.api.quantities import canonical_quantity, whole_number
from omeflow.components.canonical import canonical
from omeflow.components.merging import MERGE_KEYS, merge, merge_component, merge_list

Json = dict[str, Any]


def merged(base: Json, patch: Json) -> Json:
    stated = canonical(patch, path="spec.engine")
    return merge_component(base=canonical(base, path="runtime"), patch=stated, field="spec.engine")


# Lists


@pytest.mark.parametrize(
    ("base", "patch", "result"),
    [
        ("A B C", "X", "X A B C"),
        ("A B C", "B X", "A b X C"),
        ("A B C", "X B", "X A b C"),
        ("A B C", "C A", "B c a"),
        ("", "X Y", "X Y"),
        ("A B", "", "A B"),
        ("A B C P", "C A M", "B c a M P"),
    ],
)
def test_elements_keep_the_order_that_kubernetes_gives_them(base: str, patch: str, result: str) -> None:
    known = base.split()
    order = merge_list(
        [{"name": name} for name in known],
        [{"name": name, "value": "new"} for name in patch.split()],
        key="name",
        field="env",
    )
    assert " ".join(
        one["name"].lower() if "value" in one and one["name"] in known else one["name"] for one in order
    ) == (result)


@pytest.mark.parametrize("field", sorted(MERGE_KEYS))
def test_lists_with_a_key_merge_by_element(field: str) -> None:
    key = MERGE_KEYS[field]
    base, patch = [{key: "a", "x": "1"}, {key: "b", "y": "1"}], [{key: "b", "y": "2"}]
    assert merge({field: base}, {field: patch})[field] == [{key: "a", "x": "1"}, {key: "b", "y": "2"}]


@pytest.mark.parametrize("field", ["args", "command", "tolerations", "envFrom", "hostnames"])
def test_other_lists_are_replaced(field: str) -> None:
    assert merged({field: ["a", "b"]}, {field: ["c"]}) == {field: ["c"]}


def test_a_port_given_for_two_protocols_keeps_the_second() -> None:
    base = [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    patch = [{"containerPort": 53, "protocol": "TCP", "name": "dns"}]
    assert merge_list(base, patch, key="containerPort", field="ports") == [patch[0], base[1]]


# Maps and scalars


def test_maps_merge_at_every_depth_and_scalars_overwrite() -> None:
    base = {"nodeSelector": {"a": "1", "b": "1"}, "runner": {"image": "old", "securityContext": {"runAsUser": 1}}}
    patch = {"nodeSelector": {"b": "2"}, "runner": {"image": "new", "securityContext": {"privileged": False}}}
    assert merged(base, patch) == {
        "nodeSelector": {"a": "1", "b": "2"},
        "runner": {"image": "new", "securityContext": {"runAsUser": 1, "privileged": False}},
    }


@pytest.mark.parametrize(
    ("base", "patch", "result"),
    [
        ({"hostNetwork": True}, {"hostNetwork": False}, {"hostNetwork": True}),
        ({"maxReplicas": 3}, {"maxReplicas": 0}, {"maxReplicas": 3}),
        ({"schedulerName": "x"}, {"schedulerName": ""}, {"schedulerName": "x"}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": []}, {"tolerations": [{"key": "a"}]}),
        ({"labels": {"a": "1"}}, {"labels": {}}, {"labels": {"a": "1"}}),
        ({"schedulerName": "x"}, {"schedulerName": None}, {"schedulerName": "x"}),
        ({"minReplicas": 3}, {"minReplicas": 0}, {"minReplicas": 0}),
        ({"enableServiceLinks": True}, {"enableServiceLinks": False}, {"enableServiceLinks": False}),
        ({"labels": {"a": "1"}}, {"labels": {"a": ""}}, {"labels": {"a": ""}}),
        ({"runner": {"name": "ome-container"}}, {"runner": {"name": ""}}, {"runner": {"name": "ome-container"}}),
        ({"runner": "x"}, {"runner": {"image": "i"}}, {"runner": {"image": "i"}}),
        ({"runner": {"image": "i"}}, {"runner": {"resources": {}}}, {"runner": {"image": "i"}}),
    ],
)
def test_zeros_that_go_leaves_out_override_nothing(base: Json, patch: Json, result: Json) -> None:
    assert merged(base, patch) == result


@pytest.mark.parametrize(
    ("directive", "result"), [("replace", {"labels": {"b": "2"}}), ("delete", {})], ids=["replace", "delete"]
)
def test_a_map_of_the_user_can_carry_a_directive(directive: str, result: Json) -> None:
    assert merged({"labels": {"a": "1"}}, {"labels": {"$patch": directive, "b": "2"}}) == result


@pytest.mark.parametrize("labels", [{"$patch": "merge"}, {"$retainKeys": "a"}])
def test_a_directive_without_meaning_is_refused(labels: Json) -> None:
    with pytest.raises(Invalid, match=r'spec\.engine\.labels has the key "\$'):
        merged({}, {"labels": labels})


# What Kubernetes allows one of (ome.md 16.63)


@pytest.mark.parametrize(
    ("base", "patch", "result"),
    [
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]},
            {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]},
            {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]},
        ),
        (
            {"runner": {"env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}},
            {"runner": {"env": [{"name": "E", "value": "1"}]}},
            {"runner": {"env": [{"name": "E", "value": "1"}]}},
        ),
        (
            {"runner": {"readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 5}}},
            {"runner": {"readinessProbe": {"httpGet": {"port": 2}}}},
            {"runner": {"readinessProbe": {"httpGet": {"port": 2}, "periodSeconds": 5}}},
        ),
        (
            {"deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}},
            {"deploymentStrategy": {"type": "Recreate"}},
            {"deploymentStrategy": {"type": "Recreate"}},
        ),
        (
            {"deploymentStrategy": {"type": "Recreate"}},
            {"deploymentStrategy": {"rollingUpdate": {"maxSurge": 0}}},
            {"deploymentStrategy": {"rollingUpdate": {"maxSurge": 0}}},
        ),
        (
            {"deploymentStrategy": {"type": "RollingUpdate"}},
            {"deploymentStrategy": {"rollingUpdate": {"maxSurge": 2}}},
            {"deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2}}},
        ),
        ({"maxUnavailable": 1}, {"minAvailable": "50%"}, {"minAvailable": "50%"}),
        ({"maxUnavailable": 1}, {"minReplicas": 1}, {"maxUnavailable": 1, "minReplicas": 1}),
    ],
)
def test_a_choice_of_the_service_takes_the_place_of_the_runtimes(base: Json, patch: Json, result: Json) -> None:
    assert merged(base, patch) == result


# Components


def test_an_empty_component_takes_everything_but_the_accelerator_from_the_runtime() -> None:
    assert merged({"hostIPC": True, "acceleratorOverride": {"acceleratorClass": "h100"}}, {}) == {"hostIPC": True}


def test_without_a_template_the_component_is_the_services() -> None:
    assert merged({}, {"hostIPC": True, "volumes": [{"name": "v", "emptyDir": {}}]}) == {
        "hostIPC": True,
        "volumes": [{"name": "v", "emptyDir": {}}],
    }


# Canonical form


def test_canonical_form_fills_in_what_is_always_written() -> None:
    value = {
        "runner": {
            "ports": [{"containerPort": 80}],
            "env": [
                {"name": "G", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "E", "value": ""},
            ],
            "resources": {"limits": {"cpu": "1000m", "memory": None}},
        },
        "volumes": [
            {"name": "v", "emptyDir": {"sizeLimit": "0.5Gi"}},
            {"name": "h", "hostPath": {"path": "/", "type": ""}},
        ],
    }
    assert canonical(value, path="spec.engine") == {
        "runner": {
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "env": [
                {"name": "G", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
                {"name": "E"},
            ],
            "resources": {"limits": {"cpu": "1"}},
        },
        "volumes": [
            {"name": "v", "emptyDir": {"sizeLimit": "512Mi"}},
            {"name": "h", "hostPath": {"path": "/", "type": ""}},
        ],
    }


@pytest.mark.parametrize(
    "value",
    [
        {"volumes": [{"name": "v", "iscsi": {"lun": 0}}]},
        {"securityContext": {"sysctls": [{"name": "kernel.x", "value": ""}]}},
        {"runner": {"livenessProbe": {"httpGet": {"port": 0, "httpHeaders": [{"name": "H", "value": ""}]}}}},
    ],
    ids=str,
)
def test_zeros_that_the_server_requires_stay(value: Json) -> None:
    assert canonical(value, path="spec.engine") == value


def test_a_quantity_that_is_none_is_named_with_its_place() -> None:
    with pytest.raises(Invalid, match=r'spec\.engine\.runner\.resources\.limits\["cpu"\] is "lots": it must be'):
        canonical({"runner": {"resources": {"limits": {"cpu": "lots"}}}}, path="spec.engine")


@pytest.mark.parametrize(
    ("given_as", "spelled"),
    [
        (8, "8"),
        ("8", "8"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("0.1", "100m"),
        (0.5, "500m"),
        ("1000", "1k"),
        ("1100", "1100"),
        ("120000k", "120M"),
        ("0", "0"),
        ("0Gi", "0"),
        ("600Gi", "600Gi"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("1023Ki", "1023Ki"),
        ("0.5Ki", "512"),
        ("0.3Gi", "322122547200m"),
        ("1e3", "1e3"),
        ("1E6", "1e6"),
        ("12E", "12E"),
        ("0.1n", "1n"),
        ("-2000m", "-2"),
        (" 2 ", "2"),
    ],
)
def test_quantities_are_spelled_as_go_does(given_as: str | int | float, spelled: str) -> None:
    assert canonical_quantity(given_as) == spelled


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_spelling_a_quantity_changes_neither_its_value_nor_itself_again(number: int, suffix: str) -> None:
    spelled = canonical_quantity(f"{number}{suffix}")
    assert canonical_quantity(spelled) == spelled
    assert whole_number(spelled) == whole_number(f"{number}{suffix}")


# Properties


@given(COMPONENT, COMPONENT)
def test_merging_never_fails_and_changes_neither_side(base: Json, patch: Json) -> None:
    before = copy.deepcopy((base, patch))
    result = merged(base, patch)
    assert (base, patch) == before
    assert canonical(result, path="spec.engine") == result


@given(COMPONENT)
def test_merging_nothing_into_a_template_gives_the_template(base: Json) -> None:
    assert merged(base, {}) == canonical(base, path="runtime")


@given(COMPONENT)
def test_merging_a_component_into_itself_gives_itself(component: Json) -> None:
    assert merged(component, component) == canonical(component, path="spec.engine")


@given(COMPONENT, COMPONENT)
def test_every_value_of_the_service_is_in_the_result(base: Json, patch: Json) -> None:
    contained(canonical(patch, path="spec.engine"), merged(base, patch))


def contained(part: Any, whole: Any) -> None:
    if isinstance(part, dict):
        assert part.keys() <= whole.keys()
        for field, value in part.items():
            if field in MERGE_KEYS:
                by_key = {element[MERGE_KEYS[field]]: element for element in whole[field]}
                for element in value:
                    contained(element, by_key[element[MERGE_KEYS[field]]])
            else:
                contained(value, whole[field])
    else:
        assert part == whole
