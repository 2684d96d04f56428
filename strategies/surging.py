"""How many instances a rolling update runs beyond its count, by the arithmetic that Kubernetes uses for its bounds."""

import math
import re
from typing import Any

Bound = int | str
"""A number of instances, or a share of the count in percent: `25%`."""


def is_bound(given: Any) -> bool:
    """Whether Kubernetes can read it as a bound."""
    if isinstance(given, str):
        return re.fullmatch(r"[0-9]+%", given) is not None
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0


def resolved(bound: Bound, count: int, *, up: bool) -> int:
    """A bound as a number of instances.

    Args:
        count: what a percentage is of.
        up: how a percentage is rounded; a surge always up.

    Raises:
        ValueError: it is neither a number nor a percentage.
    """
    if not str(bound).endswith("%"):
        return int(bound)
    share = int(str(bound).removesuffix("%")) * count / 100
    return math.ceil(share) if up else math.floor(share)


def kept_back(partition: Bound) -> str:
    """What a partition does, for the sentence of a wait; empty without one."""
    return f", its partition keeps {partition} back" if partition else ""


def still_to_come(surge: int, *, count: int, running: int) -> int:
    """Instances of a surge that have no node yet.

    What is missing of the count itself is nobody's surge: it may be what the rollout is to mend.

    Args:
        surge: instances beyond the count, at most.
        running: instances that have their nodes.
    """
    return max(0, surge - max(0, running - count))
