"""Whether there is room for the pods that a stage brings up on top of those that run (design section 7).

No second scheduler: a sum over the nodes that may take them, and for each sort of pods how many of them these nodes
could take one by one. What lacks there, no scheduler could place; what there is room for may still not fit, because
sorts of pods get in each other's way. Then the scheduler says so in words of its own.

Pods that may use different nodes are looked at alone and together, because they compete for the nodes that they share.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

from omeflow.api.quantities import exact_value
from omeflow.rollout.placement import asked_of_nodes, matches, tolerates
from omeflow.rollout.requests import Resources, requests, total

Json = Mapping[str, Any]
_GI = 2**30
_PODS = "pods"


@dataclass(frozen=True, slots=True)
class Surge:
    """Pods of a role that run on top of those that run now. `spec`: of one of them."""

    role: str
    pods: int
    spec: Json


@dataclass(frozen=True, slots=True)
class Brought:
    """Pods that a stage brings up: those that stay until the rollout's end, and those that go as the stage ends."""

    staying: Sequence[Surge]
    passing: Sequence[Surge]


@dataclass(frozen=True, slots=True)
class Held:
    """What a pod takes of its node."""

    node: str
    resources: Resources


@dataclass(frozen=True, slots=True)
class _Need:
    """Pods of a surge, what they take together, and each, and who would take them.

    `kept_off`: nodes that match, but for taints; `of_nodes`: what they ask of a node, in words.
    """

    surge: Surge
    resources: Resources
    each: Resources
    nodes: frozenset[str]
    kept_off: int
    of_nodes: str


def held(pod: Json) -> Held | None:
    """What a live pod takes of its node; None if it has none yet, or has ended. One that is going away still counts."""
    node, phase = pod["spec"].get("nodeName"), (pod.get("status") or {}).get("phase")
    return Held(node, requests(pod["spec"])) if node and phase not in ("Succeeded", "Failed") else None


def at_a_time(stages: Sequence[Brought]) -> list[list[Surge]]:
    """By stage, all pods that run while it is carried out, beyond those that ran before the first."""
    return [
        [*(one for before in stages[: index + 1] for one in before.staying), *stage.passing]
        for index, stage in enumerate(stages)
    ]


def peak(stages: Sequence[Brought]) -> dict[str, str]:
    """The most of each resource, and of pods, that a rollout takes beyond what ran before; empty if it is nothing.

    Raises:
        ValueError: a quantity cannot be read.
    """
    most = Resources()
    for surges in at_a_time(stages):
        needed = total(_needed(surge) for surge in surges)
        most = {name: max(most.get(name, Fraction()), needed.get(name, Fraction())) for name in most | needed}
    return {name: _shown(name, amount, up=True) for name, amount in sorted(most.items(), key=_scarcest) if amount}


def peak_in_words(peak: Mapping[str, str]) -> str:
    """`3 more pods: 3 nvidia.com/gpu, 12 cpu, 96Gi memory`; empty if there is none."""
    pods, rest = peak.get(_PODS, ""), [f"{amount} {name}" for name, amount in peak.items() if name != _PODS]
    return f"{pods} more {'pod' if pods == '1' else 'pods'}{': ' if rest else ''}{', '.join(rest)}" if pods else ""


def _needed(surge: Surge) -> Resources:
    asked = {name: amount * surge.pods for name, amount in requests(surge.spec).items()}
    return asked | {_PODS: Fraction(surge.pods)}


def _scarcest(item: tuple[str, Fraction]) -> tuple[bool, str]:
    """Extended resources first."""
    return "/" not in item[0], item[0]


def missing(surges: Sequence[Surge], nodes: Sequence[Json], running: Iterable[Held]) -> list[str]:
    """What is missing, a sentence per resource, or per sort of pods that are too large; nothing if there is room.

    Args:
        surges: all that is to run at a time, at most a handful.
        nodes: of the whole cluster.
        running: of all pods of the cluster.

    Raises:
        ValueError: a quantity cannot be read.
    """
    needs = [_need(surge, nodes) for surge in surges if surge.pods > 0]
    free = _free(nodes, running)
    for size in range(1, len(needs) + 1):  # the fewest that explain it
        found = [said for several in combinations(needs, size) for said in _lacking(several, free)]
        if size == 1 and not found:
            found = [_too_large(need, fit) for need in needs if (fit := _fitting(need, free)) < need.surge.pods]
        if found:
            return found
    return []


def _need(surge: Surge, nodes: Sequence[Json]) -> _Need:
    matching = [node for node in nodes if matches(surge.spec, node)]
    usable = frozenset(node["metadata"]["name"] for node in matching if tolerates(surge.spec, node))
    each = {name: amount for name, amount in requests(surge.spec).items() if amount > 0}
    together = {name: amount * surge.pods for name, amount in each.items()}
    return _Need(surge, together, each, usable, len(matching) - len(usable), asked_of_nodes(surge.spec))


def _free(nodes: Sequence[Json], running: Iterable[Held]) -> dict[str, Resources]:
    """By node; one that holds more than it has is no debt of the others."""
    taken: dict[str, Resources] = {}
    for one in running:
        taken[one.node] = total((taken.get(one.node, {}), one.resources))
    free = {}
    for node in nodes:
        name, allocatable = node["metadata"]["name"], (node.get("status") or {}).get("allocatable") or {}
        used = taken.get(name, {})
        free[name] = {
            resource: max(Fraction(), exact_value(amount) - used.get(resource, 0))
            for resource, amount in allocatable.items()
        }
    return free


def _lacking(needs: Sequence[_Need], free: Mapping[str, Resources]) -> list[str]:
    there = total(free[name] for name in frozenset[str]().union(*(need.nodes for need in needs)))
    return [
        _sentence(needs, resource, amount, there.get(resource, Fraction()))
        for resource, amount in sorted(total(need.resources for need in needs).items())
        if amount > there.get(resource, Fraction())
    ]


def _fitting(need: _Need, free: Mapping[str, Resources]) -> int:
    """How many of its pods the nodes could take if no others came."""
    if not need.each:
        return need.surge.pods
    return sum(
        min(math.floor(free[node].get(name, Fraction()) / amount) for name, amount in need.each.items())
        for node in need.nodes
    )


def _too_large(need: _Need, fitting: int) -> str:
    pods, each = need.surge.pods, sorted(need.each.items(), key=_scarcest)
    asked = " and ".join(f"{_shown(name, amount, up=True)} {name}" for name, amount in each)
    more = "1 more pod" if pods == 1 else f"each of {pods} more pods"
    fit = {0: "none fits", 1: "1 fits"}.get(fitting, f"{fitting} fit")
    return f"{asked} of one node for {more} of {need.surge.role}: {fit} {_where([need])}"


def _sentence(needs: Sequence[_Need], resource: str, needed: Fraction, free: Fraction) -> str:
    roles = " and ".join(dict.fromkeys(need.surge.role for need in needs))
    pods = sum(need.surge.pods for need in needs if resource in need.resources)
    amount, there = _shown(resource, needed, up=True), _shown(resource, free, up=False)
    more = "1 more pod" if pods == 1 else f"{pods} more pods"
    return f"{amount} {resource} for {more} of {roles}: {there} {'is' if there == '1' else 'are'} free {_where(needs)}"


def _where(needs: Sequence[_Need]) -> str:
    count = len(frozenset[str]().union(*(need.nodes for need in needs)))
    asked, kept_off = {need.of_nodes for need in needs}, max(need.kept_off for need in needs)
    nodes = "the 1 node" if count == 1 else f"the {count} nodes"
    if len(asked) > 1:
        nodes += " that they may use"
    elif of_nodes := asked.pop():
        nodes += f" that {'matches' if count == 1 else 'match'} {of_nodes}"
    off = f" ({kept_off} more {'is' if kept_off == 1 else 'are'} cordoned or tainted)" if kept_off else ""
    return f"on {nodes}{off}"


def _shown(resource: str, amount: Fraction, *, up: bool) -> str:
    """For people, and so that what is needed never looks like what is free: bytes in tenths of Gi, else thousandths."""
    bytes_of_it = resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-")
    unit, parts, suffix = (_GI, 10, "Gi") if bytes_of_it else (1, 1000, "")
    rounded = (math.ceil if up else math.floor)(amount / unit * parts)
    return f"{rounded / parts:.12g}{suffix}"
