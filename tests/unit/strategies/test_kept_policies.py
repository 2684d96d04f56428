"""What a policy asks for and a backend cannot keep is refused by name, never dropped (design section 4)."""

from typing import Any

import pytest
from attempt_samples import Cluster, DictionaryStrategy, inputs

from omeflow.api.errors import PolicyRefused
from omeflow.api.policies import BUILT_IN, policy_of
from omeflow.api.rollouts import RolloutPlan, pack, unpack
from strategies.contract import Capabilities
from strategies.manager import default_manager
from strategies.planning import repair_plan
from strategies.policing import ensure_kept

GATES = [{"after": ["engine"], "approval": {}}]
ORDER = [["decoder"], ["engine"]]
RATIO = {"roles": {"decoder": 2, "engine": 1}, "maxSkew": 10}


def policy(**spec: Any) -> Any:
    return policy_of({"metadata": {"name": "careful", "namespace": "serving", "uid": "p1"}, "spec": spec})


def strategy(**can: bool) -> DictionaryStrategy:
    made = DictionaryStrategy(Cluster())
    made.capabilities = Capabilities(**can)
    return made


@pytest.mark.parametrize(
    ("spec", "can", "refused"),
    [
        ({"order": ORDER}, {"ordering": False}, "spec.order"),
        ({"gates": GATES}, {"ordering": False}, "spec.gates"),
        ({"ratio": RATIO}, {"ratio": False}, "spec.ratio"),
        ({"order": ORDER, "gates": GATES}, {"ordering": True}, ""),
        ({"ratio": RATIO}, {"ratio": True}, ""),
        ({"order": [["decoder", "engine"]]}, {"ordering": False}, ""),
        ({"deadline": "5m", "onFailure": "Rollback", "runtimeUpdates": "Manual"}, {"ordering": False}, ""),
    ],
)
def test_a_policy_is_refused_for_what_the_backend_cannot_keep_and_for_nothing_else(
    spec: dict[str, Any], can: dict[str, bool], refused: str
) -> None:
    if not refused:
        ensure_kept(policy(**spec), strategy(**can), service="serving/chat")
        return
    with pytest.raises(PolicyRefused) as refusal:
        ensure_kept(policy(**spec), strategy(**can), service="serving/chat")
    sentence = str(refusal.value)
    assert sentence.startswith(f"InferenceService serving/chat: RolloutPolicy careful asks for {refused}, and strategy")
    assert "remove that field" in sentence


@pytest.mark.parametrize("name", ["RBG", "SingleComponent"])
def test_the_shipped_strategies_keep_an_order_with_gates_and_no_ratio_yet(name: str) -> None:
    shipped = default_manager().named(name)
    ensure_kept(policy(order=ORDER, gates=GATES), shipped, service="serving/chat")
    ensure_kept(BUILT_IN, shipped, service="serving/chat")
    with pytest.raises(PolicyRefused, match=f"strategy {name} cannot update roles in proportion"):
        ensure_kept(policy(ratio=RATIO), shipped, service="serving/chat")


def test_a_plan_remembers_the_policy_that_it_followed() -> None:
    followed, cluster = policy(order=ORDER, deadline="90s"), Cluster()
    cluster.roll_out(inputs({"engine": "img:1", "decoder": "img:1"}))
    plan = cluster.plan(inputs({"engine": "img:2", "decoder": "img:2"}), policy=followed).plan
    assert [stage.name for stage in plan.stages] == ["decoder", "engine"]
    stored = RolloutPlan.model_validate(unpack(pack(plan.manifest())))
    assert stored.policy == followed
    assert stored.policy.spec.deadline == 90


def test_a_plan_of_a_release_without_policies_followed_what_is_built_in() -> None:
    assert RolloutPlan.model_validate({"stages": []}).policy == BUILT_IN


def test_a_repair_takes_no_longer_than_the_policy_lets_a_stage_take() -> None:
    cluster = Cluster()
    plan = cluster.plan(inputs({"engine": "img:1"}), policy=policy(deadline="90s")).plan
    [stage] = repair_plan(plan, cluster.render(inputs({"engine": "img:1"}))).stages
    assert stage.deadline_seconds == 90
