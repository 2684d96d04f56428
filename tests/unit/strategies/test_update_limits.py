"""How far a rolling update may go at a time: written with a role, and nothing that makes it roll."""

from typing import Any

import pytest
from applied_group import AppliedGroup
from clusters.server_side_apply import Fields
from limit_samples import SEVERAL_NODES, rendered
from rbg_samples import OWNER

from omeflow.api.kinds import DEPLOYMENT, LEADER_WORKER_SET, ROLE_BASED_GROUP, kind_of
from strategies.contract import Apply, Live, RoleVersion, Strategy, UpdateLimits
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy

Json = dict[str, Any]


def bounds(obj: Json) -> Json:
    """Of a workload object's rolling update, as it is written."""
    spec = obj["spec"]
    if kind_of(obj) == ROLE_BASED_GROUP:
        return dict(spec["roles"][0]["rolloutStrategy"]["rollingUpdate"])
    if kind_of(obj) == LEADER_WORKER_SET:
        return dict(spec["rolloutStrategy"]["rollingUpdateConfiguration"])
    return dict(spec["strategy"]["rollingUpdate"])


def whole(applies: list[Apply]) -> Json:
    [found] = [apply.manifest for apply in applies if apply.manager == "omeflow"]
    return found


def stored(applies: list[Apply]) -> Json:
    """The object that these applies leave behind."""
    fields, first = Fields(), applies[0].manifest
    obj = {key: first[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": first["metadata"]["name"]}}
    for apply in applies:
        obj = fields.apply(obj, apply.manifest, manager=apply.manager, force=apply.force)
    return obj | {"metadata": {**obj["metadata"], "uid": "w1", "managedFields": fields.managed()}}


CASES = [
    pytest.param(RBGStrategy(), {}, {"partition": 2}, id="RoleBasedGroup"),
    pytest.param(SingleComponentStrategy(), SEVERAL_NODES, {"partition": 2}, id="LeaderWorkerSet"),
    pytest.param(SingleComponentStrategy(), {}, {}, id="Deployment"),
]


@pytest.mark.parametrize(("strategy", "changes", "more"), CASES)
def test_limits_replace_those_that_a_role_is_rendered_with(strategy: Strategy, changes: Json, more: Json) -> None:
    role = rendered(strategy, **changes)
    limits = UpdateLimits(max_unavailable="50%", max_surge=0, **more)
    written = whole(strategy.workload(OWNER, {"engine": RoleVersion(1, role)}, Live({}), {"engine": limits}))
    update = bounds(written)
    assert {key: update[key] for key in ("maxUnavailable", "maxSurge", *more)} == {
        "maxUnavailable": "50%",
        "maxSurge": 0,
        **more,
    }


@pytest.mark.parametrize(("strategy", "changes", "more"), CASES)
def test_a_limit_that_is_not_given_is_as_the_role_is_rendered(strategy: Strategy, changes: Json, more: Json) -> None:
    role = rendered(strategy, **changes)
    version = {"engine": RoleVersion(1, role)}
    plain = whole(strategy.workload(OWNER, version, Live({})))
    assert whole(strategy.workload(OWNER, version, Live({}), {"engine": UpdateLimits()})) == plain
    assert whole(strategy.workload(OWNER, version, Live({}), {"router": UpdateLimits(max_surge=7)})) == plain
    surging = whole(strategy.workload(OWNER, version, Live({}), {"engine": UpdateLimits(max_surge=3)}))
    assert bounds(surging) == {**bounds(plain), "maxSurge": 3}


@pytest.mark.parametrize("mode", [{}, SEVERAL_NODES], ids=["Deployment", "LeaderWorkerSet"])
def test_an_object_is_written_again_when_its_limits_change_and_not_before(mode: Json) -> None:
    strategy = SingleComponentStrategy()
    version = {"engine": RoleVersion(1, rendered(strategy, **mode))}
    limits = {"engine": UpdateLimits(max_surge="10%")}
    found = stored(strategy.workload(OWNER, version, Live({}), limits))
    live = Live({kind_of(found): [found]})
    assert strategy.workload(OWNER, version, live, limits) == []
    assert (
        bounds(whole(strategy.workload(OWNER, version, live, {"engine": UpdateLimits(max_surge=2)})))["maxSurge"] == 2
    )
    assert "10%" not in bounds(whole(strategy.workload(OWNER, version, live))).values()


def test_a_partition_goes_with_the_limits_and_zero_is_no_other_than_none() -> None:
    strategy = SingleComponentStrategy()
    version = {"engine": RoleVersion(1, rendered(strategy, **SEVERAL_NODES))}
    found = stored(strategy.workload(OWNER, version, Live({}), {"engine": UpdateLimits(partition=1)}))
    live = Live({LEADER_WORKER_SET: [found]})
    assert "partition" not in bounds(whole(strategy.workload(OWNER, version, live)))
    [lifted] = strategy.workload(OWNER, version, live, {"engine": UpdateLimits(partition=0)})
    plain = stored(strategy.workload(OWNER, version, Live({})))
    assert bounds(lifted.manifest)["partition"] == 0
    assert (
        strategy.workload(OWNER, version, Live({LEADER_WORKER_SET: [plain]}), {"engine": UpdateLimits(partition=0)})
        == []
    )


def test_a_role_of_a_group_loses_its_partition_with_the_limits_and_keeps_its_count() -> None:
    strategy, group = RBGStrategy(), AppliedGroup()
    version = {"engine": RoleVersion(1, rendered(strategy, min_replicas=2))}
    for apply in strategy.workload(OWNER, version, Live({}), {"engine": UpdateLimits(partition=1)}):
        group.apply(apply)
    group.scale("engine", 5)
    assert bounds(group.live())["partition"] == 1
    for apply in strategy.workload(OWNER, version, Live({ROLE_BASED_GROUP: [group.live()]})):
        group.apply(apply)
    assert "partition" not in bounds(group.live())
    assert group.counts == {"engine": 5}


def test_what_is_not_updated_by_and_by_has_no_limits() -> None:
    strategy = SingleComponentStrategy()
    role = rendered(strategy, deployment_strategy={"type": "Recreate"})
    [made, _] = strategy.workload(OWNER, {"engine": RoleVersion(1, role)}, Live({}), {"engine": UpdateLimits(1, 1)})
    assert made.manifest["spec"]["strategy"] == {"type": "Recreate"}
    assert kind_of(made.manifest) == DEPLOYMENT
