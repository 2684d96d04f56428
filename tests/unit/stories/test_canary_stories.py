"""Canaries, told step by step: what a partition keeps back stays as it is until the policy says less.

Beside what a test says, every invariant of `story_checks` holds after each write.
"""

import pytest
from story import Story
from story_service import BAD, LWS, RBG, SOMEBODY, Role
from test_field_reports import instances, told

from omeflow.api.names import DECODER, ENGINE

every_backend = pytest.mark.parametrize("backend", [RBG, LWS])


def canary(backend: str, *, count: int = 4, kept: int | str = 2, image: str = "v2") -> Story:
    """A rollout that has gone as far as it may."""
    story = told(backend, scaled_by=SOMEBODY, engine=Role(minimum=count))
    story.keep_back({ENGINE: kept})
    story.give_image(ENGINE, image)
    story.settle()
    return story


def is_kept_back(story: Story) -> bool:
    last = story.omeflow.last
    return last.phase == "Progressing" and last.planned.plan.stages[-1].held and "keeps" in last.waits_for


@every_backend
@pytest.mark.parametrize(("kept", "old"), [(1, 1), (3, 3), (9, 3), ("50%", 2), ("99%", 3)])
def test_so_many_keep_their_template_and_nothing_runs_on_top(backend: str, kept: int | str, old: int) -> None:
    story = canary(backend, kept=kept)
    assert is_kept_back(story)
    assert instances(story, ready=True) == {"v1": old, "v2": 4 - old}


@every_backend
def test_less_in_the_policy_moves_more_and_nothing_in_it_all(backend: str) -> None:
    story = canary(backend, kept=3)
    for kept in (2, 1):
        story.keep_back({ENGINE: kept})
        story.settle()
        assert is_kept_back(story)
        assert instances(story, ready=True) == {"v1": kept, "v2": 4 - kept}
    story.keep_back({})
    story.settle()
    assert story.omeflow.last.phase == "Succeeded"
    assert instances(story, ready=True) == {"v2": 4}


@every_backend
def test_more_in_the_policy_takes_nothing_back(backend: str) -> None:
    story = canary(backend, kept=1)
    story.keep_back({ENGINE: 3})
    story.settle()
    assert is_kept_back(story)
    assert instances(story, ready=True)["v2"] >= 1
    story.end()
    assert instances(story, ready=True) == {"v2": 4}


@every_backend
def test_a_second_edit_replaces_the_canary_and_not_what_is_kept_back(backend: str) -> None:
    story = canary(backend)
    story.give_image(ENGINE, "v3")
    story.settle()
    assert instances(story, ready=True) == {"v1": 2, "v3": 2}
    story.end()
    assert instances(story, ready=True) == {"v3": 4}


@every_backend
def test_a_revert_ends_the_canary_and_waits_for_nobody(backend: str) -> None:
    story = canary(backend)
    story.give_image(ENGINE, "v1")
    story.settle()
    assert story.omeflow.last.phase == "Succeeded"
    assert instances(story, ready=True) == {"v1": 4}


@every_backend
def test_a_bad_canary_breaks_no_more_than_the_canary(backend: str) -> None:
    story = canary(backend, kept=3, image=BAD)
    assert "0 of 4" in story.omeflow.last.waits_for
    assert instances(story, ready=True)["v1"] >= 3
    story.give_image(ENGINE, "v1")
    story.settle()
    assert story.omeflow.last.phase == "Succeeded"
    assert instances(story, ready=True) == {"v1": 4}


@every_backend
@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_scaler_goes_on_beside_a_canary(backend: str, count: int) -> None:
    story = canary(backend)
    story.scale(ENGINE, count)
    story.settle()
    assert sum(instances(story, ready=True).values()) == count
    assert instances(story, ready=True)["v1"] == 2
    story.end()
    assert instances(story, ready=True) == {"v2": count}


@every_backend
def test_stages_behind_a_canary_follow_it_and_leave_it_as_it_is(backend: str) -> None:
    story = told(backend, engine=Role(minimum=3), decoder=Role(minimum=2))
    story.keep_back({ENGINE: 2})
    story.edit(story.spec.edited(ENGINE, image="v2").edited(DECODER, image="v2"), "edit both")
    story.settle()
    assert is_kept_back(story)
    assert instances(story, DECODER, ready=True) == {"v2": 2}
    assert instances(story, ready=True) == {"v1": 2, "v2": 1}
    story.end()
    assert instances(story, ready=True) == {"v2": 3}
