"""A component as a Deployment, and the applies that write it without ever changing a live count."""

from typing import Any

import pytest
from rbg_samples import OWNER, config

from omeflow.api.kinds import DEPLOYMENT, ROLE_BASED_GROUP
from omeflow.components.types import Components, DeploymentMode
from strategies.contract import Apply, Desired, Live, PlanRequest, RoleVersion
from strategies.single_component.deployment import deployment
from strategies.single_component.strategy import SingleComponentStrategy

Json = dict[str, Any]
STRATEGY = SingleComponentStrategy()


def planned(*configs: Any, **changes: Any) -> Desired:
    components = Components("chat", "serving", "llama", "srt", {one.role: one for one in configs}, **changes)
    return STRATEGY.plan(PlanRequest(OWNER, components))


class TestRendering:
    def test_everything_of_it_is_found_by_the_app_label(self) -> None:
        made = deployment(OWNER, config(pod_labels={"queue": "q"}, annotations={"a": "b"}))
        labels = {"component": "engine", "app": "chat-engine", "queue": "q"}
        template = made["spec"]["template"]["metadata"]
        assert made["metadata"]["labels"] == template["labels"] == labels
        assert made["metadata"]["annotations"] == template["annotations"] == {"a": "b"}
        assert made["spec"]["selector"] == {"matchLabels": {"app": "chat-engine"}}
        assert (template["name"], template["namespace"]) == ("chat-engine", "serving")

    def test_it_has_no_count_and_no_empty_annotations(self) -> None:
        made = deployment(OWNER, config())
        assert "replicas" not in made["spec"]
        assert "annotations" not in made["metadata"]
        assert "annotations" not in made["spec"]["template"]["metadata"]

    def test_a_long_name_is_shortened_in_the_label_only(self) -> None:
        made = deployment(OWNER, config(name=f"{'x' * 70}-engine"))
        assert made["metadata"]["name"] == f"{'x' * 70}-engine"
        assert len(made["spec"]["selector"]["matchLabels"]["app"]) == 63

    @pytest.mark.parametrize(
        ("given", "strategy"),
        [
            (None, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}),
            (
                {"type": "RollingUpdate"},
                {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            ),
            ({"type": "Recreate"}, {"type": "Recreate"}),
            (
                {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": "25%"}},
            ),
            (
                {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
                {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "50%"}},
            ),
        ],
    )
    def test_the_update_strategy(self, given: Json | None, strategy: Json) -> None:
        assert deployment(OWNER, config(deployment_strategy=given))["spec"]["strategy"] == strategy


class TestPlanning:
    def test_every_role_has_its_objects(self) -> None:
        wanted = planned(config("engine"), config("router"))
        assert [one["name"] for one in wanted.workloads] == ["chat-engine", "chat-router"]
        assert [scaler["spec"]["scaleTargetRef"]["name"] for scaler in wanted.autoscalers] == [
            "chat-engine",
            "chat-router",
        ]
        assert [one["kind"] for one in wanted.rbac] == ["ServiceAccount", "Role", "RoleBinding"]
        named = sorted((one["kind"], one["metadata"]["name"]) for one in wanted.exposure)
        assert named == [
            ("PodDisruptionBudget", "chat-engine"),
            ("PodDisruptionBudget", "chat-router"),
            ("Service", "chat"),
            ("Service", "chat-engine"),
            ("Service", "chat-router"),
        ]

    def test_the_count_is_held_by_the_deployment(self) -> None:
        [role] = planned(config(min_replicas=3)).roles.values()
        assert role.counted == role.workloads[0]
        assert (role.min_replicas, role.scaled) == (3, True)

    def test_several_nodes_have_a_leader_worker_set_that_nobody_scales(self) -> None:
        spread = config(
            mode=DeploymentMode.MULTI_NODE, worker_pod_spec={"containers": []}, worker_size=1, min_replicas=0
        )
        wanted = planned(spread)
        [role] = wanted.roles.values()
        assert [one["kind"] for one in role.workloads] == ["LeaderWorkerSet"]
        assert role.counted == role.workloads[0]
        assert (role.min_replicas, role.scaled) == (0, False)
        assert wanted.autoscalers == []
        assert [one["kind"] for one in wanted.exposure if one["metadata"]["name"] == "chat-engine"] == ["Service"]

    def test_knative_counts_by_itself(self) -> None:
        wanted = planned(config(mode=DeploymentMode.SERVERLESS, min_replicas=0))
        [role] = wanted.roles.values()
        assert role.workloads == [{"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "chat-engine"}]
        assert role.counted is None
        assert wanted.autoscalers == []

    def test_a_virtual_deployment_has_no_objects(self) -> None:
        wanted = planned(mode=DeploymentMode.VIRTUAL)
        assert (wanted.roles, wanted.shared) == ({}, [])

    def test_new_bounds_change_no_template(self) -> None:
        before, after = planned(config(min_replicas=1)), planned(config(min_replicas=4, max_replicas=9))
        assert before.roles["engine"].digest == after.roles["engine"].digest
        assert before.autoscalers != after.autoscalers


def version(attempt: int = 2, *, minimum: int = 2, image: str = "img:1") -> RoleVersion:
    pod = {"containers": [{"name": "main", "image": image}]}
    return RoleVersion(attempt, planned(config(min_replicas=minimum, pod_spec=pod)).roles["engine"])


def fields(value: Any) -> Json:
    """Everything of a manifest, as managed fields."""
    if not isinstance(value, dict):
        return {}
    return {f"f:{key}": fields(item) for key, item in value.items()}


def live(of: RoleVersion, *, count: int | None = 5, count_owners: tuple[str, ...] = ("omeflow-seed-engine",)) -> Json:
    """The Deployment as that version was applied, with a count that belongs to somebody."""
    [manifest] = of.desired.body.values()
    metadata = manifest["metadata"]
    marks = {"omeflow.io/engine-attempt": str(of.attempt)}
    stored = {**manifest, "metadata": {**metadata, "annotations": marks}, "spec": {**manifest["spec"]}}
    owned = fields({key: stored[key] for key in ("metadata", "spec")})
    if "omeflow" in count_owners:
        owned["f:spec"]["f:replicas"] = {}
    entries = [{"manager": "omeflow", "operation": "Apply", "fieldsV1": owned}]
    entries += [
        {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
        for manager in count_owners
        if manager != "omeflow"
    ]
    stored["metadata"] |= {"uid": "d1", "managedFields": entries}
    if count is not None:
        stored["spec"]["replicas"] = count
    return stored


def applies(wanted: RoleVersion, found: Json | None) -> list[Apply]:
    return STRATEGY.workload(OWNER, {"engine": wanted}, Live({DEPLOYMENT: [found] if found else []}))


def counts(given: list[Apply]) -> list[tuple[str, int | None]]:
    return [(apply.manager, apply.manifest["spec"].get("replicas")) for apply in given]


class TestWriting:
    def test_it_is_created_at_its_minimum_and_the_count_is_seeded(self) -> None:
        given = applies(version(minimum=3), None)
        assert counts(given) == [("omeflow", 3), ("omeflow-seed-engine", 3)]
        assert given[0].manifest["metadata"]["annotations"] == {"omeflow.io/engine-attempt": "2"}
        assert not any(apply.force for apply in given)

    def test_the_mark_is_on_the_object_only(self) -> None:
        [whole, _] = applies(version(), None)
        assert "omeflow.io" not in str(whole.manifest["spec"])

    def test_a_knative_service_has_the_mark_as_a_label_and_no_annotations_of_ours(self) -> None:
        idle = planned(config(mode=DeploymentMode.SERVERLESS, min_replicas=0)).roles["engine"]
        [whole] = STRATEGY.workload(OWNER, {"engine": RoleVersion(2, idle)}, Live({}))
        assert whole.manifest["metadata"]["labels"]["omeflow.io/engine-attempt"] == "2"
        assert "annotations" not in whole.manifest["metadata"]
        assert "omeflow.io" not in str(whole.manifest["spec"])

    @pytest.mark.parametrize("owners", [("omeflow-seed-engine",), ("kube-controller-manager",), ("kubectl", "keda")])
    def test_a_new_template_leaves_a_count_that_somebody_holds_alone(self, owners: tuple[str, ...]) -> None:
        [whole] = applies(version(2, image="img:2"), live(version(1), count_owners=owners))
        assert counts([whole]) == [("omeflow", None)]
        assert whole.force
        assert whole.manifest["metadata"]["uid"] == "d1"

    @pytest.mark.parametrize("owners", [("omeflow",), ()])
    def test_a_count_that_only_we_hold_or_nobody_is_seeded_before_it_is_left_out(self, owners: tuple[str, ...]) -> None:
        seed, whole = applies(version(2, image="img:2"), live(version(1), count=7, count_owners=owners))
        assert counts([seed, whole]) == [("omeflow-seed-engine", 7), ("omeflow", None)]
        assert not seed.force
        assert seed.manifest["metadata"]["uid"] == "d1"

    def test_what_is_as_it_was_applied_is_not_applied_again(self) -> None:
        assert applies(version(2), live(version(2))) == []
        assert applies(version(2), live(version(2), count_owners=("omeflow",))) == []

    def test_what_somebody_took_is_taken_back(self) -> None:
        taken = live(version(2))
        del taken["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]
        [whole] = applies(version(2), taken)
        assert counts([whole]) == [("omeflow", None)]

    def test_a_mark_of_another_attempt_is_written_anew(self) -> None:
        [whole] = applies(version(3), live(version(2)))
        assert whole.manifest["metadata"]["annotations"]["omeflow.io/engine-attempt"] == "3"

    def test_objects_of_other_kinds_and_names_are_not_looked_at(self) -> None:
        other = live(version(2))
        other["metadata"]["name"] = "chat-router"
        given = STRATEGY.workload(OWNER, {"engine": version(2)}, Live({DEPLOYMENT: [other], ROLE_BASED_GROUP: [other]}))
        assert counts(given)[0] == ("omeflow", 2)

    def test_roles_that_leave_share_no_object_with_others(self) -> None:
        assert STRATEGY.removal(OWNER, {"engine": version()}, ["router"], Live({})) == []
