"""What a policy asks for and a backend cannot keep is refused by name, never dropped (design section 4)."""

from typing import Any

import pytest
from attempt_samples import Cluster, DictionaryStrategy, inputs
from limit_samples import SEVERAL_NODES, rendered

from omeflow.api.errors import PolicyRefused
from omeflow.api.policies import BUILT_IN, policy_of
from omeflow.api.rollouts import RolloutPlan, pack, unpack
from omeflow.components.types import DeploymentMode
from strategies.contract import Capabilities
from strategies.manager import default_manager
from strategies.planning import repair_plan
from strategies.policing import ensure_kept
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy

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
        ensure_kept(policy(**spec), strategy(**can), {}, service="serving/chat")
        return
    with pytest.raises(PolicyRefused) as refusal:
        ensure_kept(policy(**spec), strategy(**can), {}, service="serving/chat")
    sentence = str(refusal.value)
    assert sentence.startswith(f"InferenceService serving/chat: RolloutPolicy careful asks for {refused}, and strategy")
    assert "remove that field" in sentence


@pytest.mark.parametrize("name", ["RBG", "SingleComponent"])
def test_the_shipped_strategies_keep_an_order_with_gates(name: str) -> None:
    shipped = default_manager().named(name)
    ensure_kept(policy(order=ORDER, gates=GATES), shipped, {}, service="serving/chat")
    ensure_kept(BUILT_IN, shipped, {}, service="serving/chat")


SHIPPED = {
    "RoleBasedGroup": (RBGStrategy(), {}),
    "LeaderWorkerSet": (SingleComponentStrategy(), SEVERAL_NODES),
    "Deployment": (SingleComponentStrategy(), {}),
    "Recreate": (SingleComponentStrategy(), {"deployment_strategy": {"type": "Recreate"}}),
    "RoleBasedGroup, Recreate": (RBGStrategy(), {"deployment_strategy": {"type": "Recreate"}}),
    "Knative": (SingleComponentStrategy(), {"mode": DeploymentMode.SERVERLESS}),
}
ALL = {"maxUnavailable", "maxSurge", "partition"}


@pytest.mark.parametrize(
    ("backend", "kept"),
    [
        ("RoleBasedGroup", ALL),
        ("LeaderWorkerSet", ALL),
        ("Deployment", {"maxUnavailable", "maxSurge"}),
        ("Recreate", set()),
        ("RoleBasedGroup, Recreate", set()),
        ("Knative", set()),
    ],
)
def test_limits_are_refused_field_by_field_where_a_backend_has_none(backend: str, kept: set[str]) -> None:
    used, changes = SHIPPED[backend]
    roles = {"engine": rendered(used, **changes)}
    for field in ALL:
        asked = policy(roles={"engine": {field: 1}, "decoder": {"partition": 1}})
        if field in kept:
            ensure_kept(asked, used, roles, service="serving/chat")
            continue
        with pytest.raises(PolicyRefused) as refusal:
            ensure_kept(asked, used, roles, service="serving/chat")
        sentence = str(refusal.value)
        assert f"RolloutPolicy careful asks for spec.roles.engine.{field}, which engine, " in sentence
        assert "remove that field" in sentence


@pytest.mark.parametrize("backend", SHIPPED)
def test_a_ratio_is_refused_where_a_role_cannot_be_updated_by_steps(backend: str) -> None:
    used, changes = SHIPPED[backend]
    by_steps = {} if isinstance(used, RBGStrategy) else SEVERAL_NODES
    roles = {"decoder": rendered(used, "decoder", **by_steps), "engine": rendered(used, **changes)}
    if backend in ("RoleBasedGroup", "LeaderWorkerSet"):
        ensure_kept(policy(ratio=RATIO), used, roles, service="serving/chat")
        return
    kind = roles["engine"].workloads[0]["kind"]
    with pytest.raises(
        PolicyRefused, match=f"asks for spec.ratio, and engine, {kind} chat.* cannot be updated step by"
    ):
        ensure_kept(policy(ratio=RATIO), used, roles, service="serving/chat")


@pytest.mark.parametrize("backend", SHIPPED)
def test_a_role_that_is_alone_of_its_ratio_is_refused_nothing(backend: str) -> None:
    used, changes = SHIPPED[backend]
    roles = {role: rendered(used, role, **changes) for role in ("engine", "router")}
    ensure_kept(policy(ratio=RATIO), used, roles, service="serving/chat")


@pytest.mark.parametrize(
    ("backend", "limits", "own"),
    [
        ("Deployment", {"maxSurge": 0}, "maxUnavailable 0, maxSurge 1"),
        ("RoleBasedGroup", {"maxUnavailable": "0%"}, "maxUnavailable 1, maxSurge 0"),
    ],
)
def test_limits_that_let_nothing_be_replaced_are_refused(backend: str, limits: dict[str, Any], own: str) -> None:
    used, changes = SHIPPED[backend]
    roles = {"engine": rendered(used, **changes)}
    with pytest.raises(PolicyRefused, match=f"for {own}, so no instance could ever be replaced; raise spec.roles.eng"):
        ensure_kept(policy(roles={"engine": limits}), used, roles, service="serving/chat")
    both = {"maxSurge": 0, "maxUnavailable": 1}
    ensure_kept(policy(roles={"engine": both}), used, roles, service="serving/chat")


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
