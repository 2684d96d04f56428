"""What an attempt will do: which roles roll, in which stages, and which steps have nothing to do."""

import pytest
from attempt_samples import ALL, BOTH, Cluster, inputs, render, running, shared, stages
from rbg_samples import version

from omeflow.api.rollouts import RolloutPlan
from strategies.contract import reference_to
from strategies.history import Former, History
from strategies.planning import expected_attempts, mixture, repair_plan


class TestCreation:
    def test_everything_is_new(self) -> None:
        planned = Cluster().plan(inputs(BOTH))
        assert stages(planned) == [["engine", "router"]]
        assert planned.plan.changed_roles == ["engine", "router"]
        assert planned.plan.serving == {}
        assert planned.plan.summary == "create engine, router"
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (True, True, True)
        assert planned.skipped == {"prune": "nothing is to be removed"}

    def test_what_a_service_does_not_have_is_skipped(self) -> None:
        planned = Cluster().plan(inputs({"engine": "img:1"}, scaled=False))
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (False, False, True)
        assert (
            planned.skipped["apply-rbac"] == planned.skipped["apply-autoscalers"] == "the service has no such objects"
        )


class TestUpdates:
    def test_only_the_edited_role_rolls(self) -> None:
        planned = running(ALL).plan(inputs(ALL | {"decoder": "img:2"}))
        assert stages(planned) == [["decoder"]]
        assert planned.plan.changed_roles == ["decoder"]
        assert planned.plan.serving == {"engine": 1, "decoder": 1, "router": 1}
        assert planned.plan.summary == "decoder: containers[main].image: img:1 -> img:2"

    def test_an_edit_that_changes_no_template_rolls_nothing(self) -> None:
        planned = running().plan(inputs(BOTH))
        assert stages(planned) == []
        assert planned.plan.summary == "no role's template changes"
        assert planned.skipped == {
            "apply-rbac": "nothing has changed",
            "apply-autoscalers": "nothing has changed",
            "apply-exposure": "nothing has changed",
            "prune": "nothing is to be removed",
        }

    def test_new_bounds_touch_the_autoscalers_only(self) -> None:
        planned = running().plan(inputs(BOTH, bounds=[2, 9]))
        assert stages(planned) == []
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (False, True, False)

    def test_a_role_that_joins(self) -> None:
        planned = running().plan(inputs(BOTH | {"decoder": "img:1", "engine": "img:2"}))
        assert stages(planned) == [["engine"], ["decoder"]]
        assert planned.plan.changed_roles == ["engine", "decoder"] or planned.plan.changed_roles == [
            "decoder",
            "engine",
        ]
        assert planned.plan.summary == "engine: containers[main].image: img:1 -> img:2; decoder: new role"
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (False, True, True)

    def test_a_role_that_leaves_goes_last(self) -> None:
        planned = running().plan(inputs({"engine": "img:2"}))
        assert stages(planned) == [["engine"]]
        assert planned.plan.removed_roles == ["router"]
        assert planned.plan.summary == "engine: containers[main].image: img:1 -> img:2; router: removed"
        assert {(gone["kind"], gone["name"]) for gone in planned.plan.prune} == {
            ("ServiceAccount", "chat-router"),
            ("Autoscaler", "chat-router"),
            ("Service", "chat-router"),
        }
        assert "prune" not in planned.skipped

    def test_a_role_that_has_not_settled_goes_first(self) -> None:
        cluster = running(ALL)
        cluster.roll_out(inputs(ALL | {"router": "img:2"}), stuck=True)
        planned = cluster.plan(inputs(ALL | {"router": "img:2", "engine": "img:2"}))
        assert stages(planned) == [["router"], ["engine"]]
        assert planned.plan.changed_roles == ["engine"]

    def test_a_role_that_is_scaled_after_it_converged_keeps_its_place(self) -> None:
        cluster = running(ALL)
        cluster.unsettled = {"router"}
        planned = cluster.plan(inputs(ALL | {"router": "img:2", "engine": "img:2"}))
        assert stages(planned) == [["engine"], ["router"]]

    def test_a_forced_attempt_does_every_step_and_rolls_nothing(self) -> None:
        planned = running().plan(inputs(BOTH), forced=True)
        assert stages(planned) == []
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (True, True, True)

    def test_a_forced_attempt_makes_no_objects_that_the_service_does_not_have(self) -> None:
        planned = running({"engine": "img:1"}).plan(inputs({"engine": "img:1"}), forced=True)
        assert planned.rbac is False
        assert planned.skipped["apply-rbac"] == "the service has no such objects"


class TestMovesToAnotherKindOfWorkload:
    DEPLOYMENTS = dict.fromkeys(BOTH, "Deployment")
    MOVED = DEPLOYMENTS | {"engine": "LeaderWorkerSet"}

    def cluster(self) -> Cluster:
        cluster = Cluster()
        cluster.roll_out(inputs(BOTH, kinds=self.DEPLOYMENTS))
        return cluster

    def test_the_former_workload_is_pruned_and_traffic_waits_for_the_new_one(self) -> None:
        planned = self.cluster().plan(inputs(BOTH, kinds=self.MOVED))
        assert stages(planned) == [["engine"]]
        assert planned.plan.summary == "engine: moves from Deployment chat-engine to LeaderWorkerSet chat-engine"
        assert planned.plan.prune == [{"apiVersion": "v1", "kind": "Deployment", "name": "chat-engine"}]
        assert planned.plan.switched == [
            {"apiVersion": "v1", "kind": kind, "name": "chat-engine"} for kind in ("Autoscaler", "Service")
        ]

    def test_what_is_new_leads_nobody_away(self) -> None:
        wanted = inputs(BOTH | {"decoder": "img:1"}, kinds=self.MOVED)
        assert {one["name"] for one in self.cluster().plan(wanted).plan.switched} == {"chat-engine"}

    def test_an_edit_before_the_move_has_converged_still_keeps_traffic_where_it_is(self) -> None:
        cluster = self.cluster()
        cluster.roll_out(inputs(BOTH, kinds=self.MOVED), stuck=True)
        planned = cluster.plan(inputs(BOTH | {"engine": "img:2"}, kinds=self.MOVED))
        assert {one["name"] for one in planned.plan.switched} == {"chat-engine"}
        assert [one["kind"] for one in planned.plan.prune] == ["Deployment"]

    def test_a_move_that_is_taken_back_removes_what_it_had_begun(self) -> None:
        cluster = self.cluster()
        cluster.roll_out(inputs(BOTH, kinds=self.MOVED), stuck=True)
        planned = cluster.plan(inputs(BOTH, kinds=self.DEPLOYMENTS))
        assert [one["kind"] for one in planned.plan.prune] == ["LeaderWorkerSet"]

    def test_once_it_has_converged_nothing_is_left_to_switch(self) -> None:
        cluster = self.cluster()
        cluster.roll_out(inputs(BOTH, kinds=self.MOVED))
        planned = cluster.plan(inputs(BOTH | {"engine": "img:2"}, kinds=self.MOVED))
        assert (planned.plan.switched, planned.plan.prune) == ([], [])

    def test_a_count_that_is_scaled_is_looked_up_where_it_is(self) -> None:
        plan = self.cluster().plan(inputs(BOTH, kinds=self.MOVED)).plan
        assert plan.counted == {"engine": {"apiVersion": "v1", "kind": "Deployment", "name": "chat-engine"}}

    def test_a_repair_switches_too(self) -> None:
        plan = RolloutPlan(switched=[{"kind": "Service"}])
        assert repair_plan(plan, render(inputs(BOTH))).switch
        assert not repair_plan(RolloutPlan(), render(inputs(BOTH))).switch


class TestSteps:
    def test_objects_are_applied_again_unless_every_attempt_since_convergence_wanted_them(self) -> None:
        cluster = running()
        cluster.roll_out(inputs(BOTH, bounds=[2, 9]), succeeded=False)
        assert cluster.plan(inputs(BOTH)).autoscalers is True  # the failed attempt may have applied its own
        assert cluster.plan(inputs(BOTH, bounds=[2, 9])).autoscalers is True  # or may not
        cluster.roll_out(inputs(BOTH))
        assert cluster.plan(inputs(BOTH)).autoscalers is False

    def test_objects_are_applied_as_long_as_nothing_has_converged(self) -> None:
        cluster = Cluster()
        cluster.roll_out(inputs(BOTH), stages=0)  # superseded as soon as it was planned: it has applied nothing
        planned = cluster.plan(inputs(BOTH))
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (True, True, True)

    def test_objects_of_failed_attempts_are_pruned_too(self) -> None:
        cluster = running({"engine": "img:1"})
        cluster.roll_out(inputs(BOTH), stages=0)
        planned = cluster.plan(inputs({"engine": "img:1"}))
        assert {gone["name"] for gone in planned.plan.prune} == {"chat-router"}
        assert planned.plan.removed_roles == []

    def test_what_was_pruned_before_the_last_convergence_is_not_pruned_again(self) -> None:
        cluster = running()
        cluster.roll_out(inputs({"engine": "img:1"}))
        assert cluster.plan(inputs({"engine": "img:2"})).plan.prune == []

    def test_a_scaler_that_is_not_wanted_any_more_is_pruned(self) -> None:
        planned = running().plan(inputs(BOTH, scaled=False))
        assert [gone["kind"] for gone in planned.plan.prune] == ["Autoscaler", "Autoscaler"]
        assert planned.plan.prune[0] == {"apiVersion": "v1", "kind": "Autoscaler", "name": "chat-engine"}
        assert planned.autoscalers is False

    def test_without_any_record_every_step_is_done(self) -> None:
        cluster = running()
        planned = cluster.plan(inputs(BOTH), without=[1])
        assert (planned.rbac, planned.autoscalers, planned.exposure) == (True, True, True)


class TestAnotherVersionOfOmeflow:
    """Design rule 11: an upgrade rolls nothing, and the next real change takes the difference along."""

    def test_a_difference_of_the_renderer_is_pending_and_rolls_nothing(self) -> None:
        cluster = running()
        cluster.present_code = "2"
        planned = cluster.plan(inputs(BOTH, bounds=[2, 9]))
        assert stages(planned) == []
        assert planned.plan.changed_roles == []
        assert [*planned.plan.pending] == ["engine", "router"]
        assert planned.plan.summary == (
            "this version of omeflow renders engine differently; it goes out with the role's next change; "
            "this version of omeflow renders router differently; it goes out with the role's next change"
        )

    def test_what_is_pending_serves_as_it_was(self) -> None:
        cluster = running()
        before = dict(cluster.serving)
        cluster.present_code = "2"
        cluster.roll_out(inputs(BOTH, bounds=[2, 9]))
        assert cluster.serving == before

    def test_the_next_real_change_takes_it_along(self) -> None:
        cluster = running()
        cluster.present_code = "2"
        changed = BOTH | {"engine": "img:2"}
        planned = cluster.roll_out(inputs(changed))
        assert stages(planned) == [["engine"]]
        assert [*planned.plan.pending] == ["router"]
        assert cluster.serving["engine"].desired.body["renderer"] == "2"
        assert "renderer" not in cluster.serving["router"].desired.body
        assert [*cluster.plan(inputs(changed)).plan.pending] == ["router"]

    def test_recorded_inputs_that_the_present_code_refuses_are_compared_as_recorded(self) -> None:
        cluster = running(refused="2")
        cluster.present_code = "2"
        planned = cluster.plan(inputs(BOTH))
        assert planned.plan.changed_roles == ["engine", "router"]
        assert planned.plan.pending == {}

    def test_a_role_that_the_present_code_does_not_make_of_recorded_inputs_is_compared_as_recorded(self) -> None:
        cluster = running({"engine": "img:1"})
        cluster.serving["router"] = version(1, "router", "img:1")
        cluster.attempts[0] = Former(1, True, inputs({"engine": "img:1"}), render(inputs(BOTH)))
        assert cluster.plan(inputs(BOTH)).plan.changed_roles == []


class TestMissingRecords:
    def test_a_role_whose_record_is_gone_is_rolled(self) -> None:
        cluster = running()
        cluster.roll_out(inputs(BOTH | {"engine": "img:2"}))
        planned = cluster.plan(inputs(BOTH | {"engine": "img:2"}), without=[2])
        assert stages(planned) == [["engine"]]
        assert planned.plan.serving == {"router": 1}

    def test_a_role_that_no_attempt_of_ours_made_is_left_alone(self) -> None:
        cluster = running({"engine": "img:1"})
        cluster.serving["sidecar"] = version(0, "sidecar")
        assert cluster.plan(inputs({"engine": "img:1"})).plan.removed_roles == []


class TestMixture:
    def test_roles_behind_the_stage_stay_as_they_serve(self) -> None:
        cluster = running(ALL)
        new = inputs(dict.fromkeys(ALL, "img:2"))
        planned, wanted = cluster.plan(new), render(new)
        for stage, expected in enumerate([(2, 1, 1), (2, 2, 1), (2, 2, 2)]):
            after = mixture(planned.plan, 2, wanted, cluster.history(), stage=stage)
            assert tuple(one.attempt for one in after.values()) == expected
            for one in after.values():
                image = one.desired.body["standalonePattern"]["template"]["spec"]["containers"][0]["image"]
                assert image == f"img:{one.attempt}"

    def test_a_stage_of_an_unsettled_role_changes_no_template(self) -> None:
        cluster = running(ALL)
        stuck = ALL | {"engine": "img:2"}
        cluster.roll_out(inputs(stuck), stuck=True)
        wanted = inputs(stuck | {"router": "img:2"})
        planned = cluster.plan(wanted)
        assert mixture(planned.plan, 3, render(wanted), cluster.history(), stage=0) == cluster.serving

    def test_a_role_that_leaves_stays_until_it_is_pruned(self) -> None:
        cluster = running()
        new = inputs({"engine": "img:2"})
        planned = cluster.plan(new)
        after = mixture(planned.plan, 2, render(new), cluster.history(), stage=len(planned.plan.stages))
        assert [(role, one.attempt) for role, one in after.items()] == [("engine", 2), ("router", 1)]

    def test_a_role_that_joins_is_not_there_before_its_stage(self) -> None:
        cluster = running({"engine": "img:1"})
        new = inputs({"engine": "img:2", "router": "img:1"})
        planned = cluster.plan(new)
        assert [*mixture(planned.plan, 2, render(new), cluster.history(), stage=0)] == ["engine"]

    def test_which_attempts_a_stage_expects(self) -> None:
        plan = RolloutPlan(changed_roles=["engine", "router"], serving={"engine": 3, "decoder": 4})
        assert expected_attempts(plan, 7, ["engine", "decoder"]) == {"engine": 7, "decoder": 4}
        assert expected_attempts(plan, 7, ["router"]) == {"router": 7}


class TestRepair:
    @pytest.mark.parametrize(("summary", "told"), [("create engine", "repair of create engine"), ("", "repair")])
    def test_everything_is_done_once_more_in_one_stage(self, summary: str, told: str) -> None:
        repair = repair_plan(RolloutPlan(summary=summary), render(inputs(BOTH)))
        [stage] = repair.stages
        assert (stage.name, stage.roles) == ("repair", ["engine", "router"])
        assert stage.reason == "objects were changed or removed"
        assert (repair.rbac, repair.autoscalers, repair.exposure, repair.prune) == (True, True, True, False)
        assert repair.changed_roles == []
        assert repair.summary == told

    def test_what_a_service_does_not_have_is_not_repaired(self) -> None:
        repair = repair_plan(RolloutPlan(), render(inputs({"engine": "img:1"}, scaled=False)))
        assert (repair.rbac, repair.autoscalers, repair.exposure) == (False, False, True)


class TestHistory:
    @pytest.fixture
    def history(self) -> History:
        cluster = running({"engine": "img:1"})
        cluster.roll_out(inputs({"engine": "img:2"}), stages=0)
        return cluster.history()

    def test_a_role_as_an_attempt_rendered_it(self, history: History) -> None:
        assert history.role(2, "engine") == render(inputs({"engine": "img:2"})).roles["engine"]
        assert history.role(2, "router") is None
        assert history.role(9, "engine") is None

    def test_what_an_attempt_read(self, history: History) -> None:
        assert history.inputs(2) == inputs({"engine": "img:2"})
        assert history.inputs(9) is None

    def test_what_serves_is_what_is_known(self, history: History) -> None:
        assert {role: one.attempt for role, one in history.serving({"engine": 2, "router": 1}).items()} == {"engine": 2}
        assert history.serving({"engine": 9}) == {}

    def test_what_may_be_in_the_cluster(self, history: History) -> None:
        assert [former.number for former in history.since_converged()] == [1, 2]
        assert [former.number for former in History([]).since_converged()] == []

    def test_which_objects_are_ours(self, history: History) -> None:
        assert history.made(reference_to(shared("Service", "chat-engine")))
        assert not history.made(reference_to(shared("Service", "chat-router")))


def test_serving_roles_without_records_are_applied_anew_together_before_all_others() -> None:
    cluster = Cluster()
    cluster.roll_out(inputs(ALL))
    cluster.roll_out(inputs(ALL | {"engine": "img:2"}))
    new = inputs(ALL | {"engine": "img:3"})
    planned = cluster.plan(new, without=[1])
    assert stages(planned) == [["decoder", "router"], ["engine"]]
    after = mixture(planned.plan, 3, render(new), cluster.history(without=[1]), stage=0)
    assert {role: version.attempt for role, version in after.items()} == {"engine": 2, "decoder": 3, "router": 3}
    assert "decoder: applied anew, its record is gone" in planned.plan.summary
