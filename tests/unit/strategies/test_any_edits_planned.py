"""Whatever was edited and superseded: the last edit is what serves, and only what changed rolls (design section 3)."""

from attempt_samples import Cluster, attempts, inputs, running, stages
from hypothesis import given
from hypothesis import strategies as st

images = st.fixed_dictionaries(
    {"engine": st.sampled_from(["img:1", "img:2", "img:3"])},
    optional={
        "decoder": st.sampled_from(["img:1", "img:2", "img:3"]),
        "router": st.sampled_from(["img:1", "img:2", "img:3"]),
    },
)
edits = st.tuples(images, st.none() | st.integers(0, 3), st.booleans())


def served_images(cluster: Cluster) -> dict[str, str]:
    return {
        role: one.desired.body["standalonePattern"]["template"]["spec"]["containers"][0]["image"]
        for role, one in cluster.serving.items()
    }


def carry_out(history: list[tuple[dict[str, str], int | None, bool]]) -> Cluster:
    """Edits in a row, each of them superseded after some stages, the last of which may be stuck."""
    cluster = Cluster()
    for wanted, stages_done, stuck in history:
        before = dict(cluster.serving)
        planned = cluster.roll_out(inputs(wanted), stages=stages_done, stuck=stuck)
        for role, one in cluster.serving.items():
            if role not in planned.plan.changed_roles:
                assert one == before[role], "an unchanged role got another version"
    return cluster


@given(st.lists(edits, max_size=6), images)
def test_whatever_was_superseded_the_last_edit_is_what_serves(
    history: list[tuple[dict[str, str], int | None, bool]], last: dict[str, str]
) -> None:
    cluster = carry_out(history)
    cluster.roll_out(inputs(last))
    assert served_images(cluster) == last
    assert cluster.unsettled & set(cluster.serving) == set()
    settled = cluster.plan(inputs(last))
    assert (stages(settled), settled.plan.removed_roles, settled.plan.prune) == ([], [], [])


@given(images, images, st.integers(0, 3), st.booleans())
def test_a_revert_from_the_middle_of_a_rollout_leads_back(
    former: dict[str, str], edit: dict[str, str], stages_done: int, stuck: bool
) -> None:
    cluster = running(former)
    cluster.roll_out(inputs(edit), stages=stages_done, stuck=stuck)
    untouched = {role for role, one in cluster.serving.items() if one.attempt == 1}
    cluster.roll_out(inputs(former))
    assert served_images(cluster) == former
    assert all(attempts(cluster)[role] == 1 for role in untouched if role in former)


@given(st.lists(edits, max_size=5), images)
def test_a_role_keeps_its_attempt_until_its_template_changes(
    history: list[tuple[dict[str, str], int | None, bool]], last: dict[str, str]
) -> None:
    cluster = carry_out(history)
    before, had = attempts(cluster), served_images(cluster)
    cluster.roll_out(inputs(last))
    for role, number in attempts(cluster).items():
        same = role in had and had[role] == last[role]
        assert number == (before[role] if same else len(cluster.attempts))


@given(st.lists(edits, max_size=5), images)
def test_planning_twice_gives_the_same_plan(
    history: list[tuple[dict[str, str], int | None, bool]], last: dict[str, str]
) -> None:
    cluster = carry_out(history)
    assert cluster.plan(inputs(last)) == cluster.plan(inputs(last))


@given(images, images, st.integers(0, 3))
def test_another_version_of_omeflow_rolls_the_same_roles(
    former: dict[str, str], edit: dict[str, str], stages_done: int
) -> None:
    cluster = running(former)
    cluster.roll_out(inputs(edit), stages=stages_done)
    same = cluster.plan(inputs(former)).plan
    cluster.present_code = "2"
    other = cluster.plan(inputs(former)).plan
    assert (other.stages, other.changed_roles) == (same.stages, same.changed_roles)
    assert set(other.pending) == set(cluster.serving) & set(former) - set(other.changed_roles)
