"""Who takes a field back after every repair is named, and left alone; who took one once is not."""

import pytest

from omeflow.rollout.contest import REPAIRS, WINDOW, Contest, Taken

IMAGE = Taken("Deployment serving/chat-engine: .spec.template.image", ("argocd",))


def fought(*takers: tuple[str, ...], pace: float = 60.0) -> Contest:
    contest = Contest()
    for number, by in enumerate(takers):
        contest.repaired([Taken(IMAGE.field, by)], now=number * pace)
    return contest


def test_the_one_who_always_takes_it_back_is_named_with_the_field() -> None:
    said = fought(*[("argocd",)] * REPAIRS).decide([IMAGE])
    assert said.startswith("argocd takes Deployment serving/chat-engine: .spec.template.image back")


@pytest.mark.parametrize(
    ("contest", "taken"),
    [
        (fought(*[("argocd",)] * (REPAIRS - 1)), [IMAGE]),
        (fought(("argocd",), ("kubectl",), ("argocd",)), [IMAGE]),
        (fought(*[("argocd",)] * REPAIRS, pace=WINDOW), [IMAGE]),
        (fought(*[("argocd",)] * REPAIRS), []),
        (fought(*[("argocd",)] * REPAIRS), [Taken(IMAGE.field, ("kubectl",))]),
        (fought(*[()] * REPAIRS), [Taken(IMAGE.field, ())]),
    ],
    ids=["too few", "different ones", "long ago", "nothing is lost", "somebody new", "nobody known"],
)
def test_everything_else_is_repaired(contest: Contest, taken: list[Taken]) -> None:
    assert not contest.decide(taken)


def test_one_that_is_settled_begins_anew() -> None:
    contest = fought(*[("argocd",)] * REPAIRS)
    contest.settle()
    assert not contest.decide([IMAGE])
