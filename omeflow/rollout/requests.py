"""What a pod asks a node for, counted as the scheduler does.

Containers run side by side; ordinary init containers run one after another, each beside the sidecars (restartable init
containers) that were started before it, so the largest moment counts. What is asked for the pod as a whole replaces the
sum of its containers, and the overhead of its runtime class is added.

Rendered specs have not been to the API server, so a limit without a request is the request here, as it is there.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from omeflow.api.quantities import exact_value

Json = Mapping[str, Any]
Resources = dict[str, Fraction]
"""Exact amounts by resource name: cores of cpu, bytes of memory, pieces of extended resources."""


def requests(spec: Json) -> Resources:
    """What a pod of this spec takes of its node.

    Raises:
        ValueError: a quantity cannot be read.
    """
    sidecars, peak = Resources(), Resources()
    for container in spec.get("initContainers") or []:
        asked = _asked(container.get("resources"))
        if container.get("restartPolicy") == "Always":
            sidecars = total((sidecars, asked))
            peak = _largest(peak, sidecars)
        else:
            peak = _largest(peak, total((sidecars, asked)))
    running = total([sidecars, *(_asked(one.get("resources")) for one in spec.get("containers") or [])])
    of_containers = _largest(running, peak)
    whole = spec.get("resources") or {}
    of_the_pod = _asked({"limits": whole.get("limits")}) | of_containers | _asked({"requests": whole.get("requests")})
    return total((of_the_pod, _amounts(spec.get("overhead"))))


def total(parts: Iterable[Resources]) -> Resources:
    summed = Resources()
    for part in parts:
        for name, amount in part.items():
            summed[name] = summed.get(name, Fraction()) + amount
    return summed


def _asked(resources: Json | None) -> Resources:
    given = resources or {}
    return _amounts(given.get("limits")) | _amounts(given.get("requests"))


def _amounts(quantities: Json | None) -> Resources:
    return {name: exact_value(quantity) for name, quantity in (quantities or {}).items()}


def _largest(one: Resources, other: Resources) -> Resources:
    return {name: max(one.get(name, Fraction()), other.get(name, Fraction())) for name in one | other}
