"""Roles in proportion: how far each may go now, whatever becomes of their instances and their counts meanwhile."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.steps import Ratio
from omeflow.rollout.ratio import in_words, next_partitions, partitions
from omeflow.rollout.roles import Ordinals, RoleState

DECODER, ENGINE, ROUTER = "decoder", "engine", "router"
TWO_TO_ONE = Ratio(weights={DECODER: 2, ENGINE: 1}, max_skew=25)


@dataclass
class Role:
    """A role whose backend replaces the highest ordinals first, down to its partition.

    Attributes:
        ready: whether it is at the wanted template and available, by ordinal; None: it has a former template.
    """

    ready: list[bool | None]
    partition: int = 0
    attempt: int = 2
    settled: bool = True

    @property
    def count(self) -> int:
        return len(self.ready)

    @property
    def new(self) -> set[int]:
        return {ordinal for ordinal, ready in enumerate(self.ready) if ready is not None}

    @property
    def available(self) -> set[int]:
        return {ordinal for ordinal, ready in enumerate(self.ready) if ready}

    def state(self, name: str) -> RoleState:
        known = Ordinals(frozenset(self.new), frozenset(self.available)) if self.attempt == 2 else None
        return RoleState(
            name,
            attempt=self.attempt,
            desired=self.count,
            settled=self.settled,
            partition=self.partition,
            ordinals=known,
        )

    def scale(self, count: int) -> None:
        """What comes on top is above the partition, and so at the wanted template."""
        self.ready = self.ready[:count] + [False] * (count - self.count)

    def kill(self, ordinal: int) -> None:
        """It comes back: below the partition as the backend knows it, with the former template."""
        if self.ready[ordinal] is not None:
            self.ready[ordinal] = False if ordinal >= self.partition else None

    @property
    def movable(self) -> list[int]:
        """Ordinals with something to do: the highest old one, and what is on its way."""
        old = [ordinal for ordinal in range(self.partition, self.count) if self.ready[ordinal] is None]
        return old[-1:] + [ordinal for ordinal, ready in enumerate(self.ready) if ready is False]

    def move(self, ordinal: int) -> None:
        self.ready[ordinal] = self.ready[ordinal] is not None


@dataclass
class Rolling:
    ratio: Ratio
    roles: dict[str, Role]
    steps: int = 0
    given: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = dict.fromkeys(self.roles, 2)

    @property
    def states(self) -> dict[str, RoleState]:
        return {name: role.state(name) for name, role in self.roles.items()}

    def begin(self) -> None:
        """The stage is applied: roles that have a former template get theirs."""
        for name, partition in partitions(self.ratio, self.states, self.given).items():
            self.roles[name].partition, self.roles[name].attempt = partition, 2

    def step(self) -> bool:
        found = next_partitions(self.ratio, self.states, self.given)
        for name, partition in found.items():
            self.roles[name].partition = partition
        self.steps += bool(found)
        return bool(found)

    def may_reach(self, name: str) -> int:
        """How many of its instances are new once all that may move have moved."""
        role = self.roles[name]
        return len(role.new | set(range(role.partition, role.count)))

    def bound(self, name: str, *, count: int | None = None) -> float:
        """By what has moved of the others, ready or not."""
        own, weights = self.roles[name].count if count is None else count, self.ratio.weights
        lead = max(1, self.ratio.max_skew * own / 100)
        unfinished = {other: role for other, role in self.roles.items() if other != name and len(role.new) < role.count}
        led = [len(role.new) * weights[name] / weights[other] + lead for other, role in unfinished.items()]
        return min([own, *led])

    @property
    def through(self) -> bool:
        return all(len(role.available) == role.count and role.partition == 0 for role in self.roles.values())

    def carry_through(self) -> None:
        while not self.through:
            movable = [(role, ordinal) for role in self.roles.values() for ordinal in role.movable]
            for role, ordinal in movable:
                role.move(ordinal)
            assert self.step() or movable, f"stalled: {self}"


counts = st.integers(0, 12)
ratios = st.builds(
    lambda weights, skew: Ratio(weights=weights, max_skew=skew),
    st.dictionaries(st.sampled_from([DECODER, ENGINE, ROUTER]), st.integers(1, 9), min_size=2),
    st.integers(1, 100),
)


def former(ratio: Ratio, sizes: list[int]) -> Rolling:
    """All instances are at the former template, and the stage has not begun."""
    names = list(ratio.weights)
    return Rolling(ratio, {name: Role([None] * size, attempt=1) for name, size in zip(names, sizes, strict=False)})


rollings = st.builds(former, ratios, st.lists(counts, min_size=3, max_size=3))


def test_the_worked_example_two_new_decoders_for_each_new_engine() -> None:
    rolling = former(TWO_TO_ONE, [8, 4])
    rolling.begin()
    told = [in_words({name: role.partition for name, role in rolling.roles.items()}, rolling.states)]
    while not rolling.through:
        for role in rolling.roles.values():
            role.ready[role.partition :] = [True] * (role.count - role.partition)
        if rolling.step():
            told.append(in_words({name: role.partition for name, role in rolling.roles.items()}, rolling.states))
    assert told == [
        "decoder 2 of 8, engine 1 of 4",
        "decoder 4 of 8, engine 2 of 4",
        "decoder 6 of 8, engine 3 of 4",
        "decoder 8 of 8, engine 4 of 4",
    ]


def test_a_role_of_one_instance_moves_with_the_first_step() -> None:
    rolling = former(Ratio(weights={DECODER: 1, ENGINE: 1}, max_skew=1), [1, 1])
    rolling.begin()
    assert {role.partition for role in rolling.roles.values()} == {0}


def test_a_role_that_is_through_holds_nobody_back() -> None:
    rolling = Rolling(TWO_TO_ONE, {DECODER: Role([None] * 8, 6), ENGINE: Role([True])})
    rolling.roles[DECODER].ready[6:] = [True, True]
    assert rolling.step()
    assert rolling.roles[DECODER].partition == 0


def test_a_step_waits_for_the_slowest_role() -> None:
    rolling = former(TWO_TO_ONE, [8, 4])
    rolling.begin()
    rolling.roles[DECODER].ready[6:] = [True, True]
    assert not rolling.step()
    rolling.roles[ENGINE].ready[3] = False
    assert not rolling.step(), "new, and not available"
    rolling.roles[ENGINE].ready[3] = True
    assert rolling.step()


def test_what_has_not_been_taken_up_yet_keeps_its_partition_and_holds_the_others() -> None:
    rolling = former(TWO_TO_ONE, [8, 4])
    rolling.begin()
    rolling.roles[DECODER].ready[6:] = [True, True]
    states = rolling.states
    blind = RoleState(ENGINE, attempt=2, desired=4, partition=3)
    assert partitions(TWO_TO_ONE, states | {ENGINE: blind}, rolling.given) == {DECODER: 6, ENGINE: 3}
    assert next_partitions(TWO_TO_ONE, states | {ENGINE: blind}, rolling.given) == {}


def test_a_scale_down_that_takes_the_new_instances_away_is_made_up_for() -> None:
    """RBG 269: the highest ordinals are the new ones, and the first to go."""
    rolling = former(TWO_TO_ONE, [8, 4])
    rolling.begin()
    rolling.roles[DECODER].ready[6:] = [True, True]
    rolling.roles[ENGINE].ready[3:] = [True]
    rolling.roles[DECODER].scale(6)
    assert rolling.step()
    assert {name: rolling.may_reach(name) for name in rolling.roles} == {DECODER: 3, ENGINE: 1}
    rolling.carry_through()


def test_a_scale_up_puts_a_role_ahead_which_stands_until_the_others_have_followed() -> None:
    rolling = former(TWO_TO_ONE, [4, 4])
    rolling.begin()
    rolling.roles[DECODER].ready[3:] = [True]
    rolling.roles[ENGINE].ready[3:] = [True]
    rolling.roles[DECODER].scale(8)
    for ordinal in range(4, 8):
        rolling.roles[DECODER].move(ordinal)
    assert rolling.step()
    assert rolling.may_reach(DECODER) == 5
    assert rolling.may_reach(ENGINE) == 3
    rolling.carry_through()


def test_a_template_that_comes_back_is_given_to_one_instance_until_it_is_known_which_have_it() -> None:
    rolling = Rolling(TWO_TO_ONE, {DECODER: Role([True] * 4 + [None] * 4, 4, attempt=1, settled=False)})
    rolling.roles[ENGINE] = Role([True] * 2 + [None] * 2, 2, attempt=1, settled=False)
    rolling.given[ENGINE] = 2
    rolling.begin()
    assert [role.partition for role in rolling.roles.values()] == [7, 3]
    rolling.carry_through()


@pytest.mark.parametrize("gone", [ENGINE, DECODER])
def test_a_role_that_is_not_live_is_not_waited_for(gone: str) -> None:
    rolling = former(TWO_TO_ONE, [8, 4])
    del rolling.roles[gone]
    rolling.begin()
    assert [role.partition for role in rolling.roles.values()] == [0]


@given(rollings)
def test_every_role_begins_to_move_with_the_first_step_and_keeps_an_instance_until_then(rolling: Rolling) -> None:
    rolling.begin()
    for role in rolling.roles.values():
        assert role.partition < max(1, role.count)


@given(rollings, st.randoms(use_true_random=False))
def test_no_role_is_further_ahead_than_the_skew_at_any_moment(rolling: Rolling, random: object) -> None:
    rolling.begin()
    while not rolling.through:
        movable = [(name, ordinal) for name, role in rolling.roles.items() for ordinal in role.movable]
        if movable:
            name, ordinal = random.choice(movable)  # type: ignore[attr-defined]
            bound, before = rolling.bound(name), len(rolling.roles[name].new)
            rolling.roles[name].move(ordinal)
            after = len(rolling.roles[name].new)
            assert after == before or after <= bound
        assert rolling.step() or movable, "stalled"
    assert rolling.steps <= sum(role.count for role in rolling.roles.values())


events = st.lists(
    st.tuples(
        st.sampled_from(["move", "move", "move", "step", "scale", "kill"]), st.integers(0, 2), st.integers(0, 12)
    ),
    max_size=40,
)


def play(rolling: Rolling, happening: list[tuple[str, int, int]]) -> None:
    for what, which, number in happening:
        role = list(rolling.roles.values())[which % len(rolling.roles)]
        if what == "scale":
            role.scale(number)
        elif what == "kill" and number < role.count:
            role.kill(number)
        elif what == "move" and role.movable:
            role.move(role.movable[number % len(role.movable)])
        elif what == "step":
            before = {name: rolling.may_reach(name) for name in rolling.roles}
            if rolling.step():
                for name, reach in before.items():
                    after = rolling.may_reach(name)
                    assert after <= max(reach, rolling.bound(name)), f"{name} goes on although it is ahead: {rolling}"


@given(rollings, events)
def test_whatever_is_scaled_or_dies_meanwhile_no_step_lets_go_on_who_is_ahead_and_it_ends(
    rolling: Rolling, happening: list[tuple[str, int, int]]
) -> None:
    rolling.begin()
    play(rolling, happening)
    rolling.carry_through()


@given(rollings, events, events)
def test_a_revert_in_the_middle_leads_back(
    rolling: Rolling, first: list[tuple[str, int, int]], then: list[tuple[str, int, int]]
) -> None:
    rolling.begin()
    play(rolling, first)
    for role in rolling.roles.values():
        role.ready = [True if ready is None else None for ready in role.ready]
        role.attempt, role.settled = 1, False
    rolling.begin()
    play(rolling, then)
    rolling.carry_through()
