"""What is read for a service, and when it counts as changed (design section 3, design rule 6)."""

from dataclasses import replace
from typing import Any

import pytest
from component_samples import MODEL, RUNTIME, SERVICE, annotated, inputs, model, service
from hypothesis import given
from hypothesis import strategies as st

from omeflow.components.annotations import acts_on_annotation, propagated, reaches_pods_at_once
from omeflow.components.inputs import Inputs, fingerprint
from omeflow.components.resolution import resolve_inputs


def test_what_is_missing_is_named_and_nothing_raises() -> None:
    assert resolve_inputs(SERVICE, {}).missing == (
        "BaseModel prod/llama-3-8b",
        "ClusterBaseModel llama-3-8b",
        "ServingRuntime prod/srt-llama",
        "ClusterServingRuntime srt-llama",
    )
    assert resolve_inputs({"metadata": {"name": "x", "namespace": "y"}}, {}).missing == ()


def test_a_namespaced_model_hides_the_cluster_model_of_its_name() -> None:
    own = model(vendor="own") | {"kind": "BaseModel"}
    own["metadata"] = {"name": "llama-3-8b", "namespace": "prod"}
    read = inputs(SERVICE, own, MODEL, RUNTIME)
    assert read.model is not None
    assert (str(read.model), read.model.spec["vendor"]) == ("BaseModel prod/llama-3-8b", "own")
    assert fingerprint(read) == fingerprint(inputs(SERVICE, own, model(vendor="hidden"), RUNTIME))


def test_inputs_survive_the_attempt_record() -> None:
    read = resolve_inputs(SERVICE, {}, not_served=["LeaderWorkerSet", "BaseModel", "BaseModel"])
    assert Inputs.from_json(read.to_json()) == read
    assert read.not_served == ("BaseModel", "LeaderWorkerSet")
    full = inputs()
    assert Inputs.from_json(full.to_json().decode()) == full


@given(st.permutations(["metadata", "spec", "kind", "apiVersion"]))
def test_the_fingerprint_does_not_depend_on_the_order_of_fields(order: list[str]) -> None:
    assert fingerprint(inputs({field: SERVICE[field] for field in order})) == fingerprint(inputs())


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "another"},
        {"resourceVersion": "7"},
        {"generation": 3},
        {"managedFields": [{"manager": "kubectl"}]},
        {"annotations": {"team.example/ticket": "42"}},
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        {"annotations": {"autoscaling.knative.dev/min-scale": "3"}},
    ],
    ids=str,
)
def test_what_nobody_acts_on_does_not_count(change: dict[str, Any]) -> None:
    assert fingerprint(inputs(annotated(SERVICE, **change))) == fingerprint(inputs())


@pytest.mark.parametrize(
    "changed",
    [
        inputs(annotated(SERVICE, labels={"team": "search"})),
        inputs(annotated(SERVICE, annotations={"ome.io/deploymentMode": "RoleBasedGroup"})),
        inputs(annotated(SERVICE, annotations={"omeflow.io/rollout-policy": "slow"})),
        inputs(service(engine={})),
        inputs(SERVICE, model(vendor="other"), RUNTIME),
        inputs(SERVICE, annotated(MODEL, annotations={"models.ome.io/category": "LARGE"}), RUNTIME),
        inputs(SERVICE, MODEL),
        resolve_inputs(SERVICE, {}),
        resolve_inputs(SERVICE, {}, not_served=["LeaderWorkerSet"]),
    ],
)
def test_every_value_that_is_read_counts(changed: Inputs) -> None:
    assert fingerprint(changed) != fingerprint(inputs())


def test_annotations_of_a_model_that_nobody_reads_do_not_count() -> None:
    noisy = annotated(MODEL, annotations={"model.example/downloads": "7"}, resourceVersion="9")
    assert fingerprint(inputs(SERVICE, noisy, RUNTIME)) == fingerprint(inputs())


def test_an_annotation_counts_if_a_template_variable_reads_it() -> None:
    templated = service(engine={"runner": {"name": "ome-container", "args": ["{{ index .Annotations `team` }}"]}})
    before = annotated(templated, annotations={"team": "a", "other": "a"})
    assert fingerprint(inputs(annotated(before, annotations={"team": "b", "other": "a"}))) != fingerprint(
        inputs(before)
    )
    assert fingerprint(inputs(annotated(before, annotations={"team": "a", "other": "b"}))) == fingerprint(
        inputs(before)
    )


@pytest.mark.parametrize("place", ["annotation", "configuration"])
def test_an_annotation_counts_if_a_template_of_a_host_reads_it(place: str) -> None:
    template = "{{ .Name }}.{{ index .Annotations `team` }}.dev"
    own = {"ome.io/ingress-domain-template": template} if place == "annotation" else {}
    configuration = {"ingress": {"domainTemplate": template}} if place == "configuration" else {}

    def read(**annotations: str) -> str:
        found = inputs(annotated(SERVICE, annotations=own | annotations))
        return fingerprint(replace(found, configuration=configuration))

    assert read(team="a", other="a") != read(team="b", other="a")
    assert read(team="a", other="a") == read(team="a", other="b")


@pytest.mark.parametrize(
    ("key", "starts_a_run", "restarts_pods"),
    [
        ("ome.io/volcano-queue", True, True),
        ("rdma.ome.io/profile", True, True),
        ("prometheus.ome.io/port", True, True),
        ("autoscaling.keda.sh/threshold", True, True),
        ("serving.knative.dev/rollout-duration", True, True),
        ("serving.knative.openshift.io/enablePassthrough", True, True),
        ("kueue-enabled", True, True),
        ("volcano", True, True),
        ("omeflow.io/rollout-policy", True, False),
        ("rbg.workloads.x-k8s.io/group-gang-scheduling", True, False),  # refused: its removal is what is waited for
        ("rbg.workloads.x-k8s.io/role-inplace-scheduling", True, False),
        ("rbg.workloads.x-k8s.io/restart-trigger-policy", False, False),
        ("service.beta.kubernetes.io/aws-load-balancer-scheme", True, False),
        ("service.kubernetes.io/topology-mode", True, False),
        ("cloud.google.com/neg", True, False),
        ("networking.gke.io/load-balancer-type", True, False),
        ("nginx.ingress.kubernetes.io/proxy-read-timeout", True, False),
        ("kubernetes.io/ingress.class", True, False),
        ("cert-manager.io/cluster-issuer", True, False),
        ("external-dns.alpha.kubernetes.io/hostname", True, False),
        ("internal.ome.io/storage-initializer-sourceuri", False, False),
        ("kubectl.kubernetes.io/last-applied-configuration", False, False),
        ("prometheus.io/scrape", False, False),
        ("notome.io/key", False, False),
        ("team", False, False),
    ],
)
def test_which_annotations_mean_something(key: str, starts_a_run: bool, restarts_pods: bool) -> None:
    assert acts_on_annotation(key) is starts_a_run
    assert reaches_pods_at_once(key) is restarts_pods


def test_four_annotations_stay_on_the_service() -> None:
    stay = [
        "autoscaling.knative.dev/min-scale",
        "autoscaling.knative.dev/max-scale",
        "internal.ome.io/storage-initializer-sourceuri",
        "kubectl.kubernetes.io/last-applied-configuration",
    ]
    assert propagated(dict.fromkeys([*stay, "team"], "x")) == {"team": "x"}
