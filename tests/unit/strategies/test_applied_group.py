"""The model of server-side apply does what rbg.md 4.2 recorded from an API server, row by row."""

import pytest
from applied_group import ADAPTER, AppliedGroup
from rbg_samples import Json

from omeflow.api.errors import FieldOwned
from strategies.contract import Apply


def orchestrate(group: AppliedGroup, *roles: Json, manager: str = "orch", force: bool = False) -> None:
    group.apply(Apply({"metadata": {}, "spec": {"roles": list(roles)}}, "", manager=manager, force=force))


def role(count: int | None = None, name: str = "engine") -> Json:
    return {"name": name, "standalonePattern": {}} | ({} if count is None else {"replicas": count})


@pytest.fixture
def group() -> AppliedGroup:
    return AppliedGroup()


def test_a_count_that_nobody_gives_is_one_and_owned_by_nobody(group: AppliedGroup) -> None:
    orchestrate(group, role())
    assert (group.counts, group.count_owners("engine")) == ({"engine": 1}, set())


def test_a_scaled_count_stays_when_it_is_left_out(group: AppliedGroup) -> None:
    orchestrate(group, role())
    group.scale("engine", 5)
    orchestrate(group, role())
    assert (group.counts, group.count_owners("engine")) == ({"engine": 5}, {ADAPTER})


def test_another_count_conflicts_and_force_takes_it(group: AppliedGroup) -> None:
    orchestrate(group, role())
    group.scale("engine", 5)
    with pytest.raises(FieldOwned):
        orchestrate(group, role(2))
    orchestrate(group, role(2), force=True)
    assert (group.counts, group.count_owners("engine")) == ({"engine": 2}, {"orch"})


def test_a_count_falls_back_when_its_only_owner_leaves_it_out(group: AppliedGroup) -> None:
    orchestrate(group, role(3))
    orchestrate(group, role())
    assert group.counts == {"engine": 1}


def test_a_count_that_the_adapter_took_stays(group: AppliedGroup) -> None:
    orchestrate(group, role(3))
    group.scale("engine", 4)
    orchestrate(group, role())
    assert group.counts == {"engine": 4}


def test_an_update_without_change_owns_nothing(group: AppliedGroup) -> None:
    orchestrate(group, role(3))
    group.scale("engine", 3)
    assert group.count_owners("engine") == {"orch"}


def test_a_co_owned_count_stays(group: AppliedGroup) -> None:
    orchestrate(group, role(3))
    orchestrate(group, {"name": "engine", "replicas": 3}, manager="seed")
    orchestrate(group, role())
    assert (group.counts, group.count_owners("engine")) == ({"engine": 3}, {"seed"})


def test_a_role_that_another_applier_co_owns_leaves_a_stub(group: AppliedGroup) -> None:
    orchestrate(group, role(3), role(name="router"))
    orchestrate(group, {"name": "engine", "replicas": 3}, manager="seed")
    orchestrate(group, role(name="router"))
    assert group.stubs == ["engine"]


def test_an_empty_intent_releases_the_count(group: AppliedGroup) -> None:
    orchestrate(group, role(3))
    orchestrate(group, {"name": "engine", "replicas": 3}, manager="seed")
    orchestrate(group, role())
    orchestrate(group, manager="seed")
    assert group.counts == {"engine": 1}


def test_an_empty_intent_after_the_adapter_scaled_changes_nothing(group: AppliedGroup) -> None:
    orchestrate(group, role())
    orchestrate(group, {"name": "engine", "replicas": 1}, manager="seed")
    group.scale("engine", 4)
    orchestrate(group, manager="seed")
    assert group.counts == {"engine": 4}


def test_a_role_of_which_the_adapter_owns_the_count_is_removed_completely(group: AppliedGroup) -> None:
    orchestrate(group, role(), role(name="router"))
    group.scale("engine", 4)
    orchestrate(group, role(name="router"))
    assert group.roles == ["router"]
