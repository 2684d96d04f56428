"""What former attempts of a service applied: the "roles as they serve now" that staged rollouts mix in (design 6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omeflow.components.inputs import Inputs
from strategies.contract import Desired, DesiredRole, Manifest, Reference, RoleVersion


@dataclass(frozen=True, slots=True)
class Former:
    """A planned attempt: what it read, and what it wanted."""

    number: int
    succeeded: bool
    inputs: Inputs
    desired: Desired


class History:
    """The planned attempts of one service before the present one, oldest first."""

    def __init__(self, former: Sequence[Former]) -> None:
        self._by_number = {attempt.number: attempt for attempt in former}
        converged = [attempt.number for attempt in former if attempt.succeeded]
        self._since = converged[-1] if converged else 0

    def role(self, number: int, role: str) -> DesiredRole | None:
        """The role as an attempt rendered it; None if no record knows."""
        attempt = self._by_number.get(number)
        return attempt.desired.roles.get(role) if attempt else None

    def inputs(self, number: int) -> Inputs | None:
        attempt = self._by_number.get(number)
        return attempt.inputs if attempt else None

    def succeeded(self, number: int) -> bool:
        """Whether all roles of an attempt converged; what happens to pods afterwards does not undo that."""
        attempt = self._by_number.get(number)
        return attempt is not None and attempt.succeeded

    def serving(self, marks: dict[str, int]) -> dict[str, RoleVersion]:
        """The versions that live roles have; a role whose record is gone is left out."""
        found = {role: (number, self.role(number, role)) for role, number in marks.items()}
        return {role: RoleVersion(number, desired) for role, (number, desired) in found.items() if desired}

    def since_converged(self) -> Iterator[Former]:
        """The last attempt that converged and all after it: whatever is in the cluster, one of these put it there."""
        return (attempt for number, attempt in self._by_number.items() if number >= self._since)

    def made(self, wanted: Reference) -> bool:
        """Whether a former attempt wanted an object of that kind and name."""
        return any(wanted in attempt.desired.objects for attempt in self._by_number.values())

    def workloads(self) -> list[Reference]:
        """The workload objects that former attempts wanted."""
        return [one for attempt in self._by_number.values() for one in attempt.desired.workloads]


def address(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]
