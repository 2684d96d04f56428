"""The applies of a RoleBasedGroup: no live count changes, whoever owns it (design rules 1 and 3, rbg.md 4)."""

import pytest
from applied_group import ADAPTER, AppliedGroup
from hypothesis import given
from hypothesis import strategies as st
from rbg_samples import OWNER, Json, desired, group, version, versions

from omeflow.api.errors import FieldOwned
from omeflow.api.rollouts import owner_reference
from strategies.contract import Apply, RoleVersion
from strategies.rbg.group import applies, live_counts, removal

ROLES = ["engine", "decoder", "router"]


def role_of(apply: Apply, role: str) -> Json:
    found: list[Json] = [item for item in apply.manifest["spec"]["roles"] if item["name"] == role]
    return found[0]


def created(*roles: RoleVersion) -> AppliedGroup:
    made = AppliedGroup()
    carry_out(made, applies(OWNER, versions(*roles), None))
    return made


def carry_out(target: AppliedGroup, planned: list[Apply]) -> None:
    for apply in planned:
        target.apply(apply)


def seeded_by_omeflow_alone() -> AppliedGroup:
    """The group after a creation whose seeds did not go out: the worker died."""
    made = AppliedGroup()
    made.apply(applies(OWNER, versions(version(1, "engine"), version(1, "router")), None)[0])
    return made


def test_a_new_group_is_created_at_min_replicas_and_seeded_role_by_role() -> None:
    whole, *seeds = applies(OWNER, versions(version(1, "engine", minimum=3), version(1, "router", minimum=1)), None)
    assert (whole.manager, whole.force) == ("omeflow", False)
    assert (role_of(whole, "engine")["replicas"], role_of(whole, "router")["replicas"]) == (3, 1)
    assert [(seed.manager, seed.manifest["spec"]["roles"], seed.force) for seed in seeds] == [
        ("omeflow-seed-engine", [{"name": "engine", "replicas": 3}], False),
        ("omeflow-seed-router", [{"name": "router", "replicas": 1}], False),
    ]


def test_the_group_is_labelled_owned_and_marked() -> None:
    [whole, *_] = applies(OWNER, versions(version(1, "engine"), version(2, "router")), None)
    assert whole.manifest["metadata"] == {
        "name": "chat",
        "namespace": "serving",
        "labels": {"ome.io/inferenceservice": "chat"},
        "annotations": {"omeflow.io/engine-attempt": "1", "omeflow.io/router-attempt": "2"},
        "ownerReferences": [owner_reference("chat", "u1")],
    }
    assert role_of(whole, "engine")["annotations"] == {"omeflow.io/attempt": "1"}
    assert role_of(whole, "router")["annotations"] == {"omeflow.io/attempt": "2"}
    assert role_of(whole, "router")["standalonePattern"] == desired("router").body["standalonePattern"]


def test_a_role_may_be_created_with_no_pods() -> None:
    assert role_of(applies(OWNER, versions(version(1, "engine", minimum=0)), None)[0], "engine")["replicas"] == 0


def test_an_update_gives_the_template_and_leaves_the_count_out() -> None:
    made = created(version(1, "engine"), version(1, "router"))
    [whole] = applies(OWNER, versions(version(2, "engine", "img:2"), version(1, "router")), made.live())
    assert (whole.manager, whole.force) == ("omeflow", True)
    assert whole.manifest["metadata"]["uid"] == "g1"
    assert "replicas" not in role_of(whole, "engine")
    assert "replicas" not in role_of(whole, "router")


@pytest.mark.parametrize(
    ("owned_by", "seeds"),
    [("omeflow alone", True), ("nobody", True), ("its seed manager", False), ("the scaling adapter", False)],
)
def test_a_count_is_seeded_before_omeflow_would_drop_its_last_owner(owned_by: str, seeds: bool) -> None:
    made = seeded_by_omeflow_alone() if owned_by == "omeflow alone" else created(version(1, "engine"))
    if owned_by == "the scaling adapter":
        made.scale("engine", 7)
    live = made.live()
    if owned_by == "nobody":
        live["metadata"]["managedFields"] = []
    first = applies(OWNER, versions(version(2, "engine")), live)[0]
    assert (first.manager == "omeflow-seed-engine") is seeds
    if seeds:
        assert first.manifest["spec"] == {"roles": [{"name": "engine", "replicas": 2}]}
        assert not first.force


def test_a_live_count_is_seeded_and_not_min_replicas() -> None:
    live = group({"name": "engine", "replicas": 5})
    first = applies(OWNER, versions(version(2, "engine", minimum=2)), live)[0]
    assert first.manifest["spec"] == {"roles": [{"name": "engine", "replicas": 5}]}


def test_a_creation_that_was_cut_short_is_completed_without_a_change_of_counts() -> None:
    made = seeded_by_omeflow_alone()
    carry_out(made, applies(OWNER, versions(version(1, "engine"), version(1, "router")), made.live()))
    assert made.counts == {"engine": 2, "router": 2}
    assert made.count_owners("engine") == {"omeflow-seed-engine"}


def test_a_role_that_joins_is_created_at_its_minimum_and_the_others_keep_their_counts() -> None:
    made = created(version(1, "engine"))
    made.scale("engine", 6)
    planned = applies(OWNER, versions(version(1, "engine"), version(2, "router", minimum=1)), made.live())
    assert [apply.manager for apply in planned] == ["omeflow", "omeflow-seed-router"]
    assert "replicas" not in role_of(planned[0], "engine")
    assert role_of(planned[0], "router")["replicas"] == 1
    carry_out(made, planned)
    assert made.counts == {"engine": 6, "router": 1}


def test_every_apply_says_why_it_is_made() -> None:
    made = seeded_by_omeflow_alone()
    roles = versions(version(1, "engine"), version(1, "router"), version(2, "decoder"))
    for apply in [*applies(OWNER, roles, None), *applies(OWNER, roles, made.live())]:
        assert apply.why
    assert applies(OWNER, versions(version(1, "engine")), None)[0].why == "roles engine; created at engine 2"


def test_a_role_is_removed_in_order() -> None:
    made = created(version(1, "engine"), version(1, "router", minimum=3))
    back, own, release, drop = removal(
        OWNER, versions(version(2, "engine")), versions(version(1, "router")), made.live()
    )
    assert (back.manager, back.force) == ("omeflow", True)
    assert all("replicas" not in role for role in back.manifest["spec"]["roles"])
    assert (own.manager, own.force, role_of(own, "router")["replicas"]) == ("omeflow", False, 3)
    assert "replicas" not in role_of(own, "engine")
    assert (release.manager, "spec" in release.manifest) == ("omeflow-seed-router", False)
    assert (drop.manager, [role["name"] for role in drop.manifest["spec"]["roles"]]) == ("omeflow", ["engine"])
    assert own.manifest["metadata"]["uid"] == drop.manifest["metadata"]["uid"] == "g1"
    assert drop.manifest["metadata"]["annotations"] == {"omeflow.io/engine-attempt": "2"}


@pytest.mark.parametrize("scaled", [False, True])
def test_a_removed_role_leaves_no_stub_and_changes_no_other_count(scaled: bool) -> None:
    made = created(version(1, "engine", minimum=4), version(1, "router"))
    if scaled:
        made.scale("router", 5)
    carry_out(made, removal(OWNER, versions(version(1, "engine")), versions(version(1, "router")), made.live()))
    assert (made.roles, made.stubs, made.counts) == (["engine"], [], {"engine": 4})


def test_a_role_is_removed_although_somebody_edited_another_role() -> None:
    made = created(version(1, "engine"), version(1, "router"))
    edit = {"metadata": {}, "spec": {"roles": [{"name": "engine", "standalonePattern": {"template": "theirs"}}]}}
    made.apply(Apply(edit, "", manager="kubectl-edit", force=True))
    carry_out(made, removal(OWNER, versions(version(1, "engine")), versions(version(1, "router")), made.live()))
    assert made.roles == ["engine"]


def test_no_role_moves_on_while_another_is_removed() -> None:
    update: Json = {"maxUnavailable": 1, "maxSurge": 0}
    stopped = {"rollingUpdate": {**update, "partition": 1}}
    engine, router = (
        RoleVersion(2, desired(role, "img:2", rolloutStrategy={"rollingUpdate": update}))
        for role in ("engine", "router")
    )
    live = group(*({"name": role, "replicas": 2, "rolloutStrategy": stopped} for role in ("engine", "router")))
    back, own, _, drop = removal(OWNER, versions(engine), versions(router), live)
    for apply in (back, own, drop):
        assert [role["rolloutStrategy"] for role in apply.manifest["spec"]["roles"] if role["name"] == "engine"] == [
            stopped
        ]
    for apply in (back, own):
        assert role_of(apply, "router")["rolloutStrategy"] == stopped


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4])
def test_a_removal_that_was_cut_short_is_completed(done: int) -> None:
    made = created(version(1, "engine", minimum=4), version(1, "router", minimum=3))
    staying, leaving = versions(version(1, "engine")), versions(version(1, "router"))
    carry_out(made, removal(OWNER, staying, leaving, made.live())[:done])
    assert made.counts["engine"] == 4
    carry_out(made, removal(OWNER, staying, leaving, made.live()))
    assert (made.roles, made.stubs, made.counts) == (["engine"], [], {"engine": 4})


def test_a_role_that_is_gone_is_not_removed_again() -> None:
    made = created(version(1, "engine"))
    assert removal(OWNER, versions(version(1, "engine")), versions(version(1, "router")), made.live()) == []
    assert removal(OWNER, versions(version(1, "engine")), versions(version(1, "router")), None) == []


def test_counts_are_read_as_stored() -> None:
    assert live_counts(group({"name": "engine", "replicas": 3}, {"name": "router"})) == {"engine": 3, "router": 1}
    assert live_counts(None) == {}


class Service:
    """A service that is rolled out, scaled, extended and reduced; `expected` is what its scaler last said."""

    def __init__(self) -> None:
        self.group = AppliedGroup()
        self.roles: dict[str, RoleVersion] = {}
        self.expected: dict[str, int] = {}
        self.attempt = 0

    def roll_out(self, wanted: list[str], *, stop_after: int, scaled_between: int | None) -> None:
        """Give the group these roles; the worker may die between two applies, and the scaler may act there."""
        self.attempt += 1
        keep = {role: version for role, version in self.roles.items() if role not in wanted}
        given = {role: version(self.attempt, role, f"img:{self.attempt}", minimum=3) for role in wanted}
        self.roles = {**given, **keep}
        planned = applies(OWNER, self.roles, self.live())
        counted = {
            role["name"]
            for apply in planned
            if apply.manager == "omeflow"
            for role in apply.manifest["spec"]["roles"]
            if "replicas" in role
        }
        assert not counted & set(self.group.roles)
        for step, apply in enumerate(planned[:stop_after]):
            if step == 1 and scaled_between is not None and wanted[0] in self.group.roles:
                self.scale(wanted[0], scaled_between)
            try:
                self.group.apply(apply)
            except FieldOwned:
                break  # somebody wrote in between: the step is tried again
        for role in self.group.roles:
            self.expected.setdefault(role, 3)
        carry_out(self.group, applies(OWNER, self.roles, self.live()))
        for role in self.group.roles:
            self.expected.setdefault(role, 3)

    def remove(self, leaving: str) -> None:
        staying = {role: version for role, version in self.roles.items() if role != leaving}
        if staying and leaving in self.roles:
            carry_out(self.group, removal(OWNER, staying, {leaving: self.roles[leaving]}, self.live()))
            self.roles = staying
            self.expected.pop(leaving)

    def scale(self, role: str, count: int) -> None:
        if role in self.group.roles:
            self.group.scale(role, count)
            self.expected[role] = count

    def live(self) -> dict[str, object] | None:
        return self.group.live() if self.group.roles else None


actions = st.one_of(
    st.tuples(
        st.just("roll out"),
        st.lists(st.sampled_from(ROLES), min_size=1, unique=True),
        st.integers(0, 6),
        st.none() | st.integers(0, 9),
    ),
    st.tuples(st.just("scale"), st.sampled_from(ROLES), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.sampled_from(ROLES)),
)


@given(st.lists(actions, max_size=12))
def test_whatever_happens_counts_are_the_scalers_and_no_stub_is_left(history: list[tuple[object, ...]]) -> None:
    service = Service()
    for action in history:
        match action:
            case ("roll out", list(wanted), int(stop_after), scaled):
                service.roll_out(wanted, stop_after=stop_after, scaled_between=scaled)  # type: ignore[arg-type]
            case ("scale", str(role), int(count)):
                service.scale(role, count)
            case ("remove", str(role)):
                service.remove(role)
        assert service.group.counts == service.expected
        assert service.group.stubs == []
        assert set(service.group.roles) == set(service.roles)
        for role in service.group.roles:
            assert service.group.count_owners(role) & {ADAPTER, f"omeflow-seed-{role}"}


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_removal_that_is_decided_anew_in_the_midst_keeps_the_count_until_the_role_goes(done: int) -> None:
    engine, decoder = version(1, "engine"), version(1, "decoder", minimum=3)
    made = created(engine, decoder)
    for apply in removal(OWNER, versions(engine), versions(decoder), made.live())[:done]:
        made.apply(apply)

    for apply in removal(OWNER, versions(engine), versions(decoder), made.live()):
        assert made.counts["decoder"] == 3
        made.apply(apply)

    assert made.roles == ["engine"]
