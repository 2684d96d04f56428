"""What people do to a rollout, as steps find and leave it in records: rollbacks, waits, and who did what."""

from typing import Any

from working import Service, Taken, Working, does

from activities.record_wait import RecordWait
from omeflow.api.kinds import INFERENCE_ROLLOUT
from omeflow.api.messages import Action, Change
from omeflow.api.rollouts import InferenceRollout
from omeflow.api.steps import Attempt, Selection, Waiting, WaitRequest
from strategies.recorded import inputs_of

OLD, NEW, NEWER = (f"registry.example/sglang:{version}" for version in ("0.4.9", "0.5.0", "0.6.0"))
AT = "2026-11-22T11:00:00Z"


async def record(service: Service, number: int) -> InferenceRollout:
    stored = await service.cluster.get(INFERENCE_ROLLOUT, f"{service.name}-{number}", service.namespace)
    return InferenceRollout.model_validate(stored)


async def rolled_out_and_edited(service: Service, worker: Working) -> Taken:
    """Attempt 1 has converged; attempt 2, with a new image, is in hand."""
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine")
    second = await worker.take_up(service, "run/2")
    await second.apply()
    return second


async def roll_back(service: Service, worker: Working, key: str = "run/3", **asked: Any) -> Selection:
    change: Change = (await service.change("rollback")).model_copy(update={"detail": "alice asked for it", **asked})
    return await worker.choose(change, key, in_hand=2)


# ── rollbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_rollback_has_the_inputs_of_the_former_attempt_and_the_fingerprint_of_the_rejected_one(
    service: Service, worker: Working
) -> None:
    await rolled_out_and_edited(service, worker)
    chosen = await roll_back(service, worker)
    first, second, third = [await record(service, number) for number in (1, 2, 3)]
    assert chosen.attempt.number == 3
    assert inputs_of(third) == inputs_of(first)
    assert third.spec.fingerprint == second.spec.fingerprint != first.spec.fingerprint
    assert (third.spec.cause, third.spec.detail) == ("rollback", "to attempt 1: alice asked for it")
    assert third.spec.generation == second.spec.generation
    assert (await roll_back(service, worker)).attempt.number == 3  # the step was tried again


async def test_what_was_rolled_back_is_not_taken_up_again(service: Service, worker: Working) -> None:
    rejected = await rolled_out_and_edited(service, worker)
    await roll_back(service, worker)
    await rejected.close("Superseded")
    again = await worker.choose(await service.change(), "run/4", in_hand=3)
    assert again.up_to_date


async def test_an_edit_that_nobody_has_tried_yet_is_carried_out_after_the_rollback(
    service: Service, worker: Working
) -> None:
    await rolled_out_and_edited(service, worker)
    await service.give_image(NEWER, "engine")
    await roll_back(service, worker)
    assert (await record(service, 3)).spec.fingerprint == (await record(service, 2)).spec.fingerprint
    assert (await worker.choose(await service.change(), "run/4", in_hand=3)).attempt.number == 4


async def test_a_rollback_that_was_asked_for_before_a_newer_attempt_is_not_done(
    service: Service, worker: Working
) -> None:
    await rolled_out_and_edited(service, worker)
    refused = await roll_back(service, worker, after=1)
    assert (refused.up_to_date, refused.why) == (True, "attempt 2 is newer than attempt 1: look again")


async def test_a_rollback_whose_run_was_lost_goes_on_as_one(service: Service, worker: Working) -> None:
    await rolled_out_and_edited(service, worker)
    await roll_back(service, worker)
    resumed = await worker.choose(await service.change(), "another run/1")
    assert resumed.attempt.number == 4
    first, fourth = await record(service, 1), await record(service, 4)
    assert (fourth.spec.cause, inputs_of(fourth)) == ("rollback", inputs_of(first))
    assert fourth.spec.fingerprint == (await record(service, 2)).spec.fingerprint


async def test_a_rollback_stays_one_when_its_policy_is_edited(service: Service, worker: Working) -> None:
    await rolled_out_and_edited(service, worker)
    await roll_back(service, worker)
    planned = await worker.choose(await service.change("policy"), "run/4", in_hand=3)
    assert planned.attempt.number == 4
    first, fourth = await record(service, 1), await record(service, 4)
    assert (fourth.spec.cause, inputs_of(fourth)) == ("rollback", inputs_of(first))


async def test_a_rollback_applies_the_former_template(service: Service, worker: Working) -> None:
    await rolled_out_and_edited(service, worker)
    assert (await service.images())["engine"] == NEW
    await (await worker.take_up(service, "run/3", in_hand=2, cause="rollback")).carry_out()
    assert (await service.images())["engine"] == OLD
    assert (await service.marks())["engine"] == "3"


# ── waits and actors ────────────────────────────────────────────────────────────────────────────────────────────────


async def told(service: Service, worker: Working, attempt: Attempt, wait: Waiting, *actions: Action) -> None:
    step = RecordWait(service.cluster, worker.records)
    await does(step.run, WaitRequest(attempt=attempt, wait=wait, actions=list(actions)))


async def test_a_record_shows_a_pause_and_who_did_it_and_keeps_that_to_its_end(
    service: Service, worker: Working
) -> None:
    taken = await worker.take_up(service, "run/1")
    pause = Action(attempt=1, verb="pause", by="alice", at=AT)
    paused = Waiting(phase="Paused", name="paused", reason="paused by alice", deadline="2026-11-22T12:00:00+00:00")
    await told(service, worker, taken.attempt, paused, pause)
    await told(service, worker, taken.attempt, paused, pause)  # the step was tried again
    status = (await record(service, 1)).status
    assert (status.phase, status.message) == ("Paused", "paused by alice")
    assert status.wait
    assert (status.wait.name, status.wait.deadline) == ("paused", "2026-11-22T12:00:00Z")

    resume = Action(attempt=1, verb="resume", by="bob", at=AT)
    await told(service, worker, taken.attempt, Waiting(phase="Progressing"), resume)
    status = (await record(service, 1)).status
    assert (status.phase, status.wait, status.message) == ("Progressing", None, None)
    await taken.carry_out()
    ended = (await record(service, 1)).status
    assert (ended.phase, [(actor.verb, actor.by) for actor in ended.actors]) == (
        "Succeeded",
        [("pause", "alice"), ("resume", "bob")],
    )


async def test_a_role_whose_stage_was_skipped_is_planned_first_in_the_next_attempt(
    service: Service, worker: Working
) -> None:
    await (await worker.take_up(service, "run/1")).carry_out()
    await service.give_image(NEW, "engine")
    second = await worker.take_up(service, "run/2")
    await second.apply()
    skip = Action(attempt=2, verb="skip", by="alice", at=AT, what="stage engine")
    await told(service, worker, second.attempt, Waiting(phase="Progressing"), skip)
    await second.close("Succeeded")
    await service.give_image(NEWER, "router")
    third = await worker.take_up(service, "run/3")
    first = third.plan.stages[0]
    assert (first.name, first.reason) == ("engine", "the last template has not settled")
