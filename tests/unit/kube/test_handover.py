"""Handing fields over: everything that a controller wrote by update becomes omeflow's, and no value changes."""

from typing import Any

from omeflow.api.handover import handed_over, was_written_by, written_by
from omeflow.api.ownership import owners

Json = dict[str, Any]
ENV = 'k:{"name":"A"}'
FIELDS: Json = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {"f:containers": {'k:{"name":"main"}': {".": {}, "f:name": {}, "f:env": {ENV: {".": {}}}}}},
        "f:args": {},
        "f:tags": {'v:"one"': {}},
    },
}


def entry(manager: str, operation: str, fields: Json, **more: str) -> Json:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


def deployment(*entries: Json) -> Json:
    containers = [
        {"name": "main", "image": "i", "env": [{"name": "B", "value": "theirs"}, {"name": "A", "value": None}]},
        {"name": "beside", "image": "j"},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "chat",
            "namespace": "demo",
            "labels": {"app": "chat", "b": "c"},
            "managedFields": entries,
        },
        "spec": {
            "replicas": 3,
            "template": {"containers": containers, "creationTimestamp": None},
            "args": ["x", "y"],
            "tags": ["two", "one"],
        },
    }


def fields_of(entries: list[Json], manager: str) -> Json:
    [found] = [one for one in entries if one["manager"] == manager]
    assert found["operation"] == "Apply"
    fields: Json = found["fieldsV1"]
    return fields


def test_what_a_controller_wrote_is_omeflows_and_its_count_the_seeds() -> None:
    live = deployment(entry("manager", "Update", FIELDS))
    entries = handed_over(live, "manager", counted_by="omeflow-seed-engine")
    assert {one["manager"] for one in entries} == {"omeflow", "omeflow-seed-engine"}
    assert fields_of(entries, "omeflow-seed-engine") == {"f:spec": {"f:replicas": {}}}
    taken = fields_of(entries, "omeflow")
    assert "f:replicas" not in taken["f:spec"]
    assert taken["f:spec"]["f:template"] == FIELDS["f:spec"]["f:template"]


def test_entries_of_others_and_of_a_status_stay() -> None:
    others = [
        entry("manager", "Update", {"f:status": {}}, subresource="status"),
        entry("kubectl", "Update", {"f:spec": {"f:paused": {}}}),
    ]
    live = deployment(entry("manager", "Update", FIELDS), *others)
    assert [one for one in handed_over(live, "manager") if one["manager"] != "omeflow"] == others


def test_handing_over_twice_and_over_what_omeflow_has_already_is_one_entry() -> None:
    live = deployment(
        entry("omeflow", "Apply", {"f:spec": {"f:tags": {}, "f:more": {}}}), entry("manager", "Update", FIELDS)
    )
    once = handed_over(live, "manager", counted_by="omeflow-seed-engine")
    live["metadata"]["managedFields"] = once
    assert handed_over(live, "manager", counted_by="omeflow-seed-engine") == once
    assert fields_of(once, "omeflow")["f:spec"]["f:tags"] == {".": {}, 'v:"one"': {}}
    assert owners(live, ("spec", "more")) == {"omeflow"}
    assert owners(live, ("spec", "replicas")) == {"omeflow-seed-engine"}


def test_what_was_written_is_a_manifest_of_those_fields_only() -> None:
    live = deployment(entry("manager", "Update", FIELDS))
    assert written_by(live, ["manager", "omeflow"]) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": "demo", "labels": {"app": "chat"}},
        "spec": {
            "replicas": 3,
            "template": {"containers": [{"name": "main", "env": [{"name": "A"}]}]},
            "args": ["x", "y"],
            "tags": ["one"],
        },
    }


def test_a_status_alone_is_nothing_that_somebody_wrote() -> None:
    assert was_written_by(deployment(entry("manager", "Update", FIELDS)), "manager")
    status = entry("manager", "Update", {"f:status": {}}, subresource="status")
    assert not was_written_by(deployment(status, entry("manager", "Apply", FIELDS)), "manager")
