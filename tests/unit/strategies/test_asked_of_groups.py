"""What a service asks of RBG by annotation, and what is refused (rbg.md 6)."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from rbg_samples import CONTAINER, OWNER, Json, config, version

from omeflow.api.errors import Invalid
from omeflow.components.types import ComponentConfig, Components, DeploymentMode
from strategies.contract import DesiredRole, PlanRequest, RoleVersion
from strategies.rbg.group import applies
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy

PREFIX = "rbg.workloads.x-k8s.io/"
GANG = {"omeflow.io/gang-scheduling": "Group"}
ZONE = {"omeflow.io/exclusive-topology": "topology.kubernetes.io/zone"}


def wide(role: str = "engine", **more: Any) -> ComponentConfig:
    workers = {"worker_pod_spec": {"containers": [CONTAINER]}, "worker_size": 1}
    return config(role, mode=DeploymentMode.MULTI_NODE, **workers, **more)


def planned(
    service: dict[str, str], *given: ComponentConfig, strategy: Any = None, **of_components: dict[str, str]
) -> dict[str, DesiredRole]:
    """The roles of a service with these annotations; keywords are annotations of components."""
    configs = {}
    for one in given or (config("engine"), config("router")):
        merged = {**service, **of_components.get(one.role, {})}
        configs[one.role] = replace(one, annotations=merged)
    components = Components("chat", "serving", "llama", "srt", configs, annotations=service)
    desired = (strategy or RBGStrategy()).plan(PlanRequest(OWNER, components, service))
    return dict(desired.roles)


def group_of(roles: dict[str, DesiredRole], attempts: dict[str, int] | None = None) -> Json:
    versions = {role: RoleVersion((attempts or {}).get(role, 1), desired) for role, desired in roles.items()}
    return applies(OWNER, versions, None)[0].manifest


def refused(service: dict[str, str], *given: ComponentConfig, **more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        planned(service, *given, **more)
    return str(caught.value)


class TestGangs:
    def test_a_gang_is_asked_of_the_group_with_its_options(self) -> None:
        options = {"gang-timeout": "2m", "gang-queue": "gpus", "gang-priority-class": "high"}
        roles = planned(GANG | {f"omeflow.io/{key}": text for key, text in options.items()})
        told = group_of(roles)["metadata"]["annotations"]
        assert {key.removeprefix(PREFIX): text for key, text in told.items() if key.startswith(PREFIX)} == {
            "group-gang-scheduling": "true",
            "group-gang-scheduling-timeout": "120",
            "group-gang-scheduling-volcano-queue": "gpus",
            "group-gang-scheduling-volcano-priority": "high",
        }

    def test_it_makes_every_role_differ_because_nobody_looks_at_a_groups_annotations_alone(self) -> None:
        plain, ganged = planned({}), planned(GANG)
        for role in plain:
            assert plain[role].digest != ganged[role].digest
            told = {**ganged[role].body.pop("annotations")}
            assert told == {f"{PREFIX}group-gang-scheduling": "true"}
            assert (
                ganged[role].body["standalonePattern"]["template"]["spec"]
                == (plain[role].body["standalonePattern"]["template"]["spec"])
            )

    @pytest.mark.parametrize(("attempts", "ganged"), [({"engine": 2}, True), ({"router": 2}, False)])
    def test_while_roles_differ_the_newest_attempt_speaks_for_the_group(
        self, attempts: dict[str, int], ganged: bool
    ) -> None:
        mixed = {"engine": planned(GANG)["engine"], "router": planned({})["router"]}
        assert (f"{PREFIX}group-gang-scheduling" in group_of(mixed, attempts)["metadata"]["annotations"]) is ganged

    def test_a_gang_of_each_instance_is_asked_of_the_roles(self) -> None:
        manifest = group_of(planned({"omeflow.io/gang-scheduling": "Instance"}))
        for role in manifest["spec"]["roles"]:
            assert role["annotations"] == {
                "omeflow.io/attempt": "1",
                f"{PREFIX}role-instance-gang-scheduling": "true",
            }
        assert not any("gang" in key for key in manifest["metadata"]["annotations"])

    @pytest.mark.parametrize(
        ("annotations", "why"),
        [
            ({"gang-scheduling": "true"}, "gang-scheduling] is 'true', and has to be Group or Instance"),
            ({"gang-timeout": "2m"}, "gang-timeout] is '2m', and needs omeflow.io/gang-scheduling: Group"),
            ({"gang-scheduling": "Group", "gang-timeout": "120"}, "has to be a duration such as 90s or 5m"),
            ({"gang-scheduling": "Instance", "gang-queue": "q"}, "and needs omeflow.io/gang-scheduling: Group"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, annotations: dict[str, str], why: str) -> None:
        sentence = refused({f"omeflow.io/{key}": text for key, text in annotations.items()})
        assert sentence.startswith("InferenceService serving/chat: metadata.annotations[omeflow.io/gang-")
        assert why in sentence
        assert sentence.endswith("; correct or remove it")

    def test_a_component_cannot_ask_for_it_alone(self) -> None:
        assert refused({}, engine=GANG) == (
            "InferenceService serving/chat: spec.engine.annotations[omeflow.io/gang-scheduling] counts for the service"
            " as a whole; move it to metadata.annotations"
        )


class TestPlaces:
    def test_pods_of_all_sorts_are_kept_together_and_away_from_other_groups(self) -> None:
        roles = planned(ZONE, wide("engine"), config("router"))
        pattern = roles["engine"].body["leaderWorkerPattern"]
        templates = [pattern["template"], pattern["workerTemplatePatch"]]
        templates.append(roles["router"].body["standalonePattern"]["template"])
        for template in templates:
            assert template["metadata"]["labels"]["omeflow.io/exclusive"] == "true"
            affinity = template["spec"]["affinity"]
            [together] = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert together["topologyKey"] == "topology.kubernetes.io/zone"
            assert together["labelSelector"]["matchLabels"] == {
                f"{PREFIX}group-name": "chat",
                "omeflow.io/exclusive": "true",
            }
            [apart] = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert apart["topologyKey"] == "topology.kubernetes.io/zone"
            assert apart["namespaceSelector"] == {}
            exists, others = apart["labelSelector"]["matchExpressions"]
            assert exists == {"key": f"{PREFIX}group-uid", "operator": "Exists"}
            assert others["values"] == [hashlib.sha1(b"serving/chat").hexdigest()]

    def test_the_users_own_affinity_stays(self) -> None:
        own = {"nodeAffinity": {"x": 1}, "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": ["mine"]}}
        roles = planned(ZONE, config("engine", pod_spec={"containers": [CONTAINER], "affinity": own}))
        affinity = roles["engine"].body["standalonePattern"]["template"]["spec"]["affinity"]
        assert affinity["nodeAffinity"] == {"x": 1}
        assert affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0] == "mine"

    def test_a_component_may_stay_out_of_it(self) -> None:
        roles = planned(ZONE, router={"omeflow.io/exclusive-topology": "None"})
        assert roles["router"].body == planned({})["router"].body | {
            "standalonePattern": {
                "template": {
                    "metadata": {
                        "labels": {"component": "router"},
                        "annotations": {"omeflow.io/exclusive-topology": "None"},
                    },
                    "spec": {"containers": [CONTAINER]},
                }
            }
        }
        assert "affinity" in roles["engine"].body["standalonePattern"]["template"]["spec"]

    @pytest.mark.parametrize("mode", ["Preferred", "Required"])
    def test_pods_may_return_to_their_nodes(self, mode: str) -> None:
        roles = planned({}, engine={"omeflow.io/in-place-scheduling": mode})
        assert roles["engine"].body["annotations"] == {f"{PREFIX}role-inplace-scheduling": mode}
        assert "annotations" not in roles["router"].body

    def test_a_wrong_value_is_refused_where_it_stands(self) -> None:
        assert refused({}, router={"omeflow.io/in-place-scheduling": "yes"}) == (
            "InferenceService serving/chat: spec.router.annotations[omeflow.io/in-place-scheduling] is 'yes', and has"
            " to be Preferred or Required; correct or remove it"
        )

    @pytest.mark.parametrize("key", ["", "a zone", "zone/", "/zone", "a/b/zone", "Example.org/zone", "-zone", "z" * 64])
    def test_a_place_that_no_node_can_have_is_refused_before_any_pod_is(self, key: str) -> None:
        assert "has to be the key of a node's label, or None" in refused({"omeflow.io/exclusive-topology": key})

    @pytest.mark.parametrize("key", ["topology.kubernetes.io/zone", "rack", "a/rack", "example.org/Rack_1", "z" * 63])
    def test_any_label_of_a_node_may_be_the_place(self, key: str) -> None:
        role = planned({"omeflow.io/exclusive-topology": key})["router"]
        pod = role.body["standalonePattern"]["template"]["spec"]
        [together] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert together["topologyKey"] == key


class TestRestarts:
    @pytest.mark.parametrize(
        ("annotations", "expected"),
        [
            ({}, None),
            ({"restart-policy": "None"}, {"type": "None"}),
            (
                {"restart-policy": "RecreateRoleInstanceOnPodRestart"},
                {"type": "RecreateRoleInstanceOnPodRestart"},
            ),
            (
                {"restart-delay": "10s", "restart-max-delay": "5m"},
                {"type": "RecreateRoleInstanceOnPodRestart", "baseDelaySeconds": 10, "maxDelaySeconds": 300},
            ),
            (
                {"restart-delay": "1m"},
                {"type": "RecreateRoleInstanceOnPodRestart", "baseDelaySeconds": 60, "maxDelaySeconds": 600},
            ),
        ],
    )
    def test_what_becomes_of_an_instance_whose_pod_restarts(
        self, annotations: dict[str, str], expected: Json | None
    ) -> None:
        told = {f"omeflow.io/{key}": text for key, text in annotations.items()}
        roles = planned(told, wide("engine"), config("router"))
        assert roles["engine"].body["leaderWorkerPattern"].get("restartPolicyConfig") == expected
        assert (roles["engine"].digest == planned({}, wide("engine"))["engine"].digest) is (expected is None)
        assert roles["router"].digest == planned({}, config("engine"), config("router"))["router"].digest

    @pytest.mark.parametrize(
        ("annotations", "why"),
        [
            ({"restart-policy": "Always"}, "has to be RecreateRoleInstanceOnPodRestart or None"),
            ({"restart-policy": "None", "restart-delay": "1m"}, "counts with omeflow.io/restart-policy: Recreate"),
            ({"restart-delay": "20m"}, "leaves omeflow.io/restart-max-delay (600 s) below"),
            ({"restart-max-delay": "soon"}, "has to be a duration such as 90s or 5m"),
        ],
    )
    def test_a_wrong_value_is_refused(self, annotations: dict[str, str], why: str) -> None:
        assert why in refused({f"omeflow.io/{key}": text for key, text in annotations.items()}, wide("engine"))

    def test_single_pods_have_no_restart_policy_of_their_own(self) -> None:
        alone = {"omeflow.io/restart-policy": "None"}
        assert "the service has none: the kubelet restarts single pods" in refused(alone)
        assert "spec.router.annotations[omeflow.io/restart-policy] is 'None'" in refused(
            {}, wide("engine"), config("router"), router=alone
        )


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("group-gang-scheduling", "omeflow.io/gang-scheduling"),
        ("role-instance-gang-scheduling", "omeflow.io/gang-scheduling"),
        ("group-exclusive-topology", "omeflow.io/exclusive-topology"),
        ("role-inplace-scheduling", "omeflow.io/in-place-scheduling"),
    ],
)
def test_rbgs_own_words_would_reach_nobody_and_are_refused(key: str, remedy: str) -> None:
    assert refused({f"{PREFIX}{key}": "true"}) == (
        f"InferenceService serving/chat: metadata.annotations[{PREFIX}{key}] is for the RoleBasedGroup, which omeflow"
        f" writes; ask with annotation {remedy}"
    )
    assert f"spec.router.annotations[{PREFIX}{key}]" in refused({}, router={f"{PREFIX}{key}": "true"})


def test_what_rbg_reads_of_pods_goes_through() -> None:
    ignored = {f"{PREFIX}restart-trigger-policy": "Ignore"}
    template = planned({}, router=ignored)["router"].body["standalonePattern"]["template"]
    assert template["metadata"]["annotations"] == ignored


@pytest.mark.parametrize("key", ["gang-scheduling", "exclusive-topology", "restart-policy"])
def test_other_backends_refuse_what_only_a_group_offers(key: str) -> None:
    asked = {f"omeflow.io/{key}": "Group"}
    assert refused(asked, strategy=SingleComponentStrategy()) == (
        f"InferenceService serving/chat: metadata.annotations[omeflow.io/{key}] asks for what only a RoleBasedGroup"
        " offers; remove it, or set metadata.annotations[ome.io/deploymentMode] to RoleBasedGroup"
    )
    assert "spec.router.annotations" in refused({}, strategy=SingleComponentStrategy(), router=asked)
    planned({}, strategy=SingleComponentStrategy())


def test_a_record_without_annotations_is_applied_as_before() -> None:
    manifest = applies(OWNER, {"engine": version(1, "engine")}, None)[0].manifest
    assert manifest["metadata"]["annotations"] == {"omeflow.io/engine-attempt": "1"}
    assert manifest["spec"]["roles"][0]["annotations"] == {"omeflow.io/attempt": "1"}


def test_a_warm_up_is_asked_for_or_not() -> None:
    assert "has to be true or false" in refused({"omeflow.io/warm-up": "yes"})
    asked = planned({"omeflow.io/warm-up": "true"}, router={"omeflow.io/warm-up": "false"})
    assert {role: one.digest for role, one in asked.items()} == {role: one.digest for role, one in planned({}).items()}


class TestGrowingTogether:
    @staticmethod
    def policies(service: dict[str, str]) -> list[Json]:
        configs = {role: config(role, annotations=service) for role in ("engine", "decoder", "router")}
        components = Components("chat", "serving", "llama", "srt", configs, annotations=service)
        desired = RBGStrategy().plan(PlanRequest(OWNER, components, service))
        return [one for one in desired.autoscalers if one["kind"] == "CoordinatedPolicy"]

    def test_engine_and_decoder_grow_within_a_skew(self) -> None:
        assert self.policies({}) == []
        [policy] = self.policies({"omeflow.io/coordinated-scaling": "25%"})
        assert policy["metadata"]["name"] == "chat"  # of the group's name, else RBG does not look at it
        assert policy["spec"]["policies"] == [
            {
                "name": "scaling",
                "roles": ["engine", "decoder"],
                "strategy": {"scaling": {"maxSkew": "25%", "progression": "OrderReady"}},
            }
        ]

    @pytest.mark.parametrize("skew", ["25", "0%", "101%", "a few", ""])
    def test_a_skew_that_would_stop_the_group_is_refused(self, skew: str) -> None:
        with pytest.raises(Invalid, match=r"coordinated-scaling\] is .*; it has to be a percentage from 1% to 100%"):
            self.policies({"omeflow.io/coordinated-scaling": skew})

    def test_who_waits_for_each_other_is_refused(self) -> None:
        with pytest.raises(Invalid, match="so that none would ever be scheduled; remove one of the two"):
            self.policies(GANG | {"omeflow.io/coordinated-scaling": "25%"})

    def test_nobody_to_grow_with_is_refused(self) -> None:
        sentence = refused({"omeflow.io/coordinated-scaling": "25%"})
        assert sentence.endswith("is for an engine and a decoder, and spec.decoder is not set; remove it")
