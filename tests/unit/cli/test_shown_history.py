"""The table of attempts, in a log of 80 columns: nothing of it is cut off."""

from rich.console import Console

from omeflow.api.rollouts import Actor, InferenceRollout, Phase, Spec, Status
from omeflow.cli.rollout_history import table_of

IMAGE = "registry.example/a-team/with-a-long-name/sglang-with-everything:0.5.0"


def said(record: InferenceRollout, *, width: int = 80) -> list[str]:
    """The lines of the last column."""
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table_of([record]))
    head, *lines = captured.get().splitlines()
    return [line[head.index("cause, outcome") :].rstrip() for line in lines]


def test_cause_outcome_and_what_people_did_stand_below_one_another() -> None:
    record = InferenceRollout(spec=Spec(number=3, cause="edit", detail="generation 1 -> 2"))
    record.status = Status(
        phase=Phase.SUCCEEDED,
        started_at="2026-11-23T01:52:45Z",
        message="router: containers[router].image: a -> b",
        actors=[Actor(verb="pause", by="alice", at="2026-11-23T01:52:48.849621+00:00")],
    )
    assert said(record) == [
        "edit: generation 1 -> 2",
        "router: containers[router].image: a ->",
        "b",
        "pause by alice at 2026-11-23T01:52:48Z",
    ]


def test_a_word_that_is_longer_than_its_column_goes_on_in_the_next_line() -> None:
    record = InferenceRollout(spec=Spec(number=1, cause="edit"))
    record.status = Status(phase=Phase.FAILED, started_at="2026-11-23T01:52:45Z", message=IMAGE)
    assert "".join(said(record)) == f"edit{IMAGE}"
