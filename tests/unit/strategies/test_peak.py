"""What an attempt runs beyond what runs before it: beside what serves until the end, or for a stage."""

from typing import Any

import single_component_samples as samples
from rbg_samples import CONTAINER, OWNER, config, group

from omeflow.api.kinds import DEPLOYMENT, ROLE_BASED_GROUP
from omeflow.api.policies import Policy
from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import Stage
from omeflow.components.types import DeploymentMode
from strategies.contract import Desired, DesiredRole, Live, Strategy
from strategies.peak import brought_up
from strategies.rbg import roles as rbg_roles
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component import roles as single_roles
from strategies.single_component.strategy import SingleComponentStrategy

Json = dict[str, Any]
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
SEVERAL_NODES: Json = {
    "mode": DeploymentMode.MULTI_NODE,
    "worker_pod_spec": {"containers": [CONTAINER | {"image": "worker:1"}]},
    "worker_size": 2,
}

SPEC: Json = {"replicas": 4, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


def pods(strategy: Strategy, live: Live, *roles: DesiredRole, **policy: Any) -> list[tuple[int, int]]:
    """Of a rollout of these roles, one by one: the pods that stay and those that go again, by stage."""
    stages = [Stage(name=one.role, roles=[one.role]) for one in roles]
    plan = RolloutPlan(stages=stages, policy=Policy(name="careful", said={"roles": policy}))
    brought = brought_up(strategy, "chat", plan, Desired({one.role: one for one in roles}, [], [], []), live)
    return [(sum(one.pods for one in stage.staying), sum(one.pods for one in stage.passing)) for stage in brought]


def group_role(role: str, **changes: Any) -> DesiredRole:
    return rbg_roles.desired_role(OWNER, config(role, **changes))


def single(**changes: Any) -> DesiredRole:
    return single_roles.desired_role(OWNER, config(**changes), configuration={})


def test_a_group_that_comes_beside_what_serves_stays_whole() -> None:
    roles = group_role("engine", min_replicas=3), group_role("router", min_replicas=1)
    assert pods(RBGStrategy(), Live({}), *roles) == [(3, 0), (1, 0)]


def test_a_role_of_a_group_that_has_half_moved_stays_and_one_that_is_there_surges() -> None:
    live = Live({ROLE_BASED_GROUP: [group({"name": "engine", "replicas": 3})]})
    roles = group_role("engine", min_replicas=3, deployment_strategy=SURGE), group_role("router", min_replicas=1)
    assert pods(RBGStrategy(), live, *roles) == [(0, 1), (1, 0)]


def test_a_deployment_that_is_updated_surges() -> None:
    live = samples.live(samples.deployment(2), samples.replica_set(1))
    assert pods(SingleComponentStrategy(), live, single(min_replicas=2)) == [(0, 1)]


def test_a_policy_that_limits_the_surge_limits_the_peak() -> None:
    live = samples.live(samples.deployment(4), samples.replica_set(1))
    live = Live({**live.objects, DEPLOYMENT: [{**samples.deployment(4), "spec": SPEC}]})
    assert pods(SingleComponentStrategy(), live, single(min_replicas=4), engine={"maxSurge": "75%"}) == [(0, 3)]
    assert pods(SingleComponentStrategy(), live, single(min_replicas=4), engine={"maxSurge": 0}) == [(0, 0)]


def test_groups_of_pods_that_take_the_place_of_a_deployment_stay() -> None:
    live = samples.live(samples.deployment(2), samples.replica_set(1))
    assert pods(SingleComponentStrategy(), live, single(**SEVERAL_NODES, min_replicas=2)) == [(6, 0)]
