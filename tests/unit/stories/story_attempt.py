"""An attempt of a story, and how its rollout policy orders the stages.

The run makes attempts, its steps carry them out, and the checks compare what they see with what was planned.
"""

from dataclasses import dataclass

from story_service import Json, Spec

from strategies.contract import Desired, Strategy
from strategies.history import History
from strategies.planning import Planned

Order = tuple[tuple[str, ...], ...]


@dataclass
class Attempt:
    """An attempt, as its record keeps it, and how far the run is with it."""

    number: int
    spec: Spec
    order: Order
    ratio: Json | None
    limits: Json
    strategy: Strategy
    desired: Desired
    planned: Planned
    history: History
    prepared: bool = False
    phase: str = "Progressing"
    waits_for: str = ""


def order_with(ratio: Json | None, order: Order) -> list[list[str]]:
    """As a policy has to say it: roles of its ratio in one stage, that of the first of them."""
    together = [role for stage in order for role in stage if ratio and role in ratio["roles"]]
    apart = [[role for role in stage if role not in together[1:]] for stage in order]
    return [stage + together[1:] if together[:1] and together[0] in stage else stage for stage in apart if stage]
