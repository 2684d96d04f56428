"""Roles in proportion, told step by step: what a scaler, a revert or a bad image do to it, and that it ends as wanted.

Beside what a test says, the skew holds after each write (`story_skew`).
"""

import re

import pytest
from story import Story
from story_service import BAD, LWS, RBG, SOMEBODY, Role
from test_field_reports import instances, told, until

from omeflow.api.names import DECODER, ENGINE

TWO_TO_ONE = {"roles": {DECODER: 2, ENGINE: 1}, "maxSkew": 25}
every_backend = pytest.mark.parametrize("backend", [RBG, LWS])


def serving(backend: str, *, decoders: int = 8, engines: int = 4) -> Story:
    story = told(backend, scaled_by=SOMEBODY, engine=Role(minimum=engines), decoder=Role(minimum=decoders))
    story.give_ratio(TWO_TO_ONE)
    return story


def give_both(story: Story, image: str) -> None:
    story.edit(story.spec.edited(ENGINE, image=image).edited(DECODER, image=image), f"edit both: image {image}")


def steps(story: Story) -> list[str]:
    """As they were told, without those that were told again."""
    found = [match[1] for line in story.log if (match := re.search(r"attempt \d+: (decoder \d.*|engine \d.*)", line))]
    return [step for index, step in enumerate(found) if step not in found[index - 1 : index]]


def new(story: Story, image: str = "v2") -> dict[str, int]:
    return {role: instances(story, role)[image] for role in (DECODER, ENGINE)}


def half_way(story: Story) -> None:
    """With what a LeaderWorkerSet runs on top, which is new, too."""
    until(story, lambda: new(story)[DECODER] >= 4 and new(story)[ENGINE] >= 2)


@every_backend
def test_two_new_decoders_come_with_each_new_engine(backend: str) -> None:
    story = serving(backend)
    give_both(story, "v2")
    story.end()
    assert steps(story) == [
        "decoder 2 of 8, engine 1 of 4",
        "decoder 4 of 8, engine 2 of 4",
        "decoder 6 of 8, engine 3 of 4",
        "decoder 8 of 8, engine 4 of 4",
    ]
    assert new(story) == {DECODER: 8, ENGINE: 4}


@every_backend
def test_a_scale_down_in_the_middle_takes_the_new_instances_and_they_come_again(backend: str) -> None:
    """RBG 269: the partition stayed above the count, and the rollout never ended."""
    story = serving(backend)
    give_both(story, "v2")
    half_way(story)
    story.scale(DECODER, 4)
    story.end()
    assert new(story) == {DECODER: 4, ENGINE: 4}


@every_backend
def test_a_scale_up_in_the_middle_is_taken_into_the_proportion(backend: str) -> None:
    story = serving(backend)
    give_both(story, "v2")
    half_way(story)
    story.scale(ENGINE, 7)
    story.end()
    assert new(story) == {DECODER: 8, ENGINE: 7}


@every_backend
def test_one_instance_of_each_is_one_step(backend: str) -> None:
    """RBG 307: a role of one replica was given partition 1, and stalled for ever."""
    story = serving(backend, decoders=1, engines=1)
    give_both(story, "v2")
    story.end()
    assert steps(story) == ["decoder 1 of 1, engine 1 of 1"]


@every_backend
def test_a_revert_in_the_middle_leads_back(backend: str) -> None:
    story = serving(backend)
    give_both(story, "v2")
    half_way(story)
    give_both(story, "v1")
    story.end()
    assert new(story, "v1") == {DECODER: 8, ENGINE: 4}


@every_backend
def test_a_bad_image_goes_no_further_than_the_first_step_and_is_fixed_forward(backend: str) -> None:
    story = serving(backend)
    give_both(story, BAD)
    story.settle()
    assert story.omeflow.last.phase == "Progressing"
    bad = new(story, BAD)
    assert 1 <= bad[DECODER] <= 2
    assert bad[ENGINE] == 1
    give_both(story, "v2")
    story.end()
    assert new(story) == {DECODER: 8, ENGINE: 4}


def test_an_instance_that_a_former_edit_broke_below_the_partition_stalls_nobody() -> None:
    """Found by a random story: it used up RBG's budget, and the first step could not be made."""
    story = serving(RBG, decoders=2, engines=1)
    story.kill("chat-decoder-0")
    story.give_image(DECODER, BAD)
    story.settle()
    assert instances(story, DECODER) == {BAD: 1, "v1": 1}
    give_both(story, "v2")
    story.end()
    assert new(story) == {DECODER: 2, ENGINE: 1}


@every_backend
def test_one_role_of_the_ratio_alone_has_nothing_to_wait_for(backend: str) -> None:
    story = serving(backend)
    story.give_image(DECODER, "v2")
    story.end()
    assert steps(story) == []
    assert new(story) == {DECODER: 8, ENGINE: 0}


@every_backend
def test_a_ratio_that_is_taken_away_in_the_middle_lets_each_role_go_in_its_turn(backend: str) -> None:
    story = serving(backend)
    give_both(story, "v2")
    half_way(story)
    story.give_ratio(None)
    story.end()
    assert [stage.name for stage in story.omeflow.last.planned.plan.stages] == ["engine", "decoder"]
    assert new(story) == {DECODER: 8, ENGINE: 4}


@every_backend
def test_a_ratio_that_is_given_in_the_middle_holds_from_then_on(backend: str) -> None:
    story = serving(backend)
    story.give_ratio(None)
    give_both(story, "v2")
    until(story, lambda: new(story) == {DECODER: 0, ENGINE: 2})
    story.give_ratio(TWO_TO_ONE)
    story.end()
    assert steps(story)[-1] == "decoder 8 of 8, engine 4 of 4"


@every_backend
def test_an_edit_of_both_in_the_middle_begins_anew(backend: str) -> None:
    story = serving(backend)
    give_both(story, "v2")
    half_way(story)
    give_both(story, "v3")
    story.end()
    assert new(story, "v3") == {DECODER: 8, ENGINE: 4}
