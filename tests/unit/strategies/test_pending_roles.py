"""What only another version of omeflow would change, told between attempts (design rule 11)."""

from dataclasses import replace
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.rollouts import InferenceRollout, Phase, RolloutPlan, Spec, Status, pack
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from strategies.contract import Desired, PlanRequest
from strategies.manager import StrategyManager
from strategies.pending import in_a_sentence, pending_roles
from strategies.rbg.strategy import RBGStrategy
from strategies.render import render

Json = dict[str, Any]
MODEL: Json = {"modelFormat": {"name": "safetensors", "version": "1.0.0"}, "storage": {"path": "/raid/llama"}}
RUNTIME: Json = {
    "supportedModelFormats": [{"name": "safetensors", "modelFormat": MODEL["modelFormat"]}],
    "engineConfig": {"runner": {"name": "ome-container", "image": "img:1"}},
    "routerConfig": {"runner": {"name": "router", "image": "router:1"}},
}
SPEC = {"model": {"name": "llama"}, "runtime": {"name": "srt"}, "engine": {"minReplicas": 2}, "router": {}}
INPUTS = Inputs(
    ServiceValues("chat", "serving", "u1", {}, {"ome.io/deploymentMode": "RoleBasedGroup"}, SPEC),
    ObjectValues("ClusterBaseModel", "llama", None, {}, MODEL),
    ObjectValues("ClusterServingRuntime", "srt", None, {}, RUNTIME),
)


class Next(RBGStrategy):
    """Renders the engine differently."""

    def plan(self, request: PlanRequest) -> Desired:
        desired = super().plan(request)
        return replace(desired, roles={**desired.roles, "engine": replace(desired.roles["engine"], digest="another")})


class Refusing(RBGStrategy):
    def plan(self, request: PlanRequest) -> Desired:
        raise Invalid("not any more")


FORMER = StrategyManager([RBGStrategy()], renderer="1")
PRESENT = StrategyManager([Next()], renderer="2")


def attempt(number: int, by: StrategyManager, *changed: str, cause: str = "edit", **serving: int) -> InferenceRollout:
    """A converged attempt that `by` rendered."""
    plan = RolloutPlan(changed_roles=list(changed), serving=serving)
    spec = Spec(
        number=number,
        cause=cause,
        renderer=by.renderer,
        objects=pack(render(INPUTS, by)[1].to_json()),
        plan=pack(plan.manifest()),
    )
    metadata = {"name": f"chat-{number}", "namespace": "serving"}
    return InferenceRollout(metadata=metadata, spec=spec, status=Status(phase=Phase.SUCCEEDED))


def test_a_role_that_another_version_rendered_otherwise_is_pending() -> None:
    created = attempt(1, FORMER, "engine", "router")
    assert pending_roles([created], INPUTS, PRESENT) == {"engine": in_a_sentence("engine")}


def test_a_role_that_has_not_changed_since_the_upgrade_is_pending_still() -> None:
    created, edited = attempt(1, FORMER, "engine", "router"), attempt(2, PRESENT, "router", engine=1, router=1)
    assert [*pending_roles([created, edited], INPUTS, PRESENT)] == ["engine"]


def test_what_this_version_rendered_is_not_pending() -> None:
    created, edited = attempt(1, FORMER, "engine", "router"), attempt(2, PRESENT, "engine", engine=1, router=1)
    assert pending_roles([created, edited], INPUTS, PRESENT) == {}
    assert pending_roles([attempt(1, FORMER, "engine", "router")], INPUTS, FORMER) == {}


def test_older_content_is_not_taken_for_that_of_another_version() -> None:
    created, replayed = attempt(1, FORMER, "engine", "router"), attempt(2, FORMER, "engine", cause="replay", router=1)
    assert pending_roles([created, replayed], INPUTS, PRESENT) == {}


def test_inputs_that_this_version_refuses_leave_nothing_pending() -> None:
    created = attempt(1, FORMER, "engine", "router")
    assert pending_roles([created], INPUTS, StrategyManager([Refusing()], renderer="2")) == {}
