"""How far roles in proportion are apart in a stage, looked at after every write of a pod.

What a role has moved is compared with the most that there ever was of the others, because scalers and faults take away
what a step has counted on; and without what a scaler has added since the step began, because that is new by itself.
"""

from dataclasses import dataclass, field

from story_service import Template

from omeflow.api.steps import Ratio


@dataclass
class Moving:
    """A role in the stage.

    Attributes:
        wanted: its template.
        returning: its template may be one that has come back: the highest instance moves before it is known who has it.
        steps: that it has been given in this stage; `inherited`: it had its template before.
        stepping: its backend has taken up a step that begins with nothing on its way: what is has been let go before.
        known: what each instance has, by ordinal; `born`: those that are there since the last step.
        mended: those that were stuck and are made anew: with the template that their backend had left behind, which an
            edit that goes back may have made the wanted one.
        most: that were ever new at a time; `count`: that were ever wanted.
    """

    wanted: Template
    returning: bool = False
    steps: int = 0
    inherited: bool = False
    stepping: bool = False
    known: dict[int, Template | None] = field(default_factory=dict)
    born: set[int] = field(default_factory=set)
    mended: set[int] = field(default_factory=set)
    most: int = 0
    count: int = 0
    through: bool = False


@dataclass
class Skew:
    ratio: Ratio
    roles: dict[str, Moving] = field(default_factory=dict)

    def begins_with(self, role: str, wanted: Template, known: dict[int, Template | None], count: int) -> None:
        """A role that has its template when the stage begins, and is on its way."""
        self.roles[role] = Moving(wanted, inherited=True)
        self._knows(role, known, count)

    def given(
        self, role: str, wanted: Template, known: dict[int, Template | None], count: int, *, settled: bool
    ) -> None:
        """The role's template with its first step, or another step."""
        held = self.roles.get(role)
        if held is None or held.wanted != wanted:
            self.roles[role] = Moving(wanted, returning=not settled)
        self.roles[role].steps += 1
        self._knows(role, known, count)

    def _knows(self, role: str, known: dict[int, Template | None], count: int) -> None:
        self.roles[role].known, self.roles[role].count = {}, 0
        self.see(role, known, count)
        self.roles[role].born.clear()

    def taken_up(self, role: str) -> None:
        """The role's backend has its last step."""
        if one := self.roles.get(role):
            one.stepping = one.steps > int(one.inherited)

    def is_mended(self, role: str, ordinal: int) -> None:
        """An instance is made anew, because it was stuck."""
        if role in self.roles:
            self.roles[role].mended.add(ordinal)

    def see(self, role: str, present: dict[int, Template | None], count: int) -> str:
        """What is wrong with it, in a sentence."""
        if role not in self.roles:
            return ""
        one = self.roles[role]
        moved = {each for each, template in present.items() if one.known.get(each, one.wanted) != template}
        moved -= one.mended
        if one.returning:
            moved.discard(count - 1)
        one.born |= {each for each in present if each not in one.known}
        one.known |= present
        one.known = {each: template for each, template in one.known.items() if each < count}
        one.born &= one.known.keys()
        one.count = max(count, one.count)
        new = {each for each, template in one.known.items() if template == one.wanted}
        one.most = max(len(new), one.most)
        one.through = one.through or len(new) >= count
        most = self._most(role)
        gone_ahead = len(new - one.born - one.mended)
        if one.stepping and new & moved and gone_ahead > most:
            others = {name: other.most for name, other in self.roles.items() if name != role}
            return f"{role} has {gone_ahead} new instances, and may have {most}: the others had {others}"
        return ""

    def _most(self, role: str) -> int:
        weights, count = self.ratio.weights, self.roles[role].count
        lead, led = max(100, self.ratio.max_skew * count), [count]
        for other in weights.keys() - {role}:
            known = self.roles.get(other)
            if known is None or not known.through:
                asked_for = 100 * weights[role] * (known.most if known else 0)
                led.append((asked_for + lead * weights[other]) // (100 * weights[other]))
        return min(led)
