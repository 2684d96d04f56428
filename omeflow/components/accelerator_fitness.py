"""Which accelerator classes keep a component's constraints, and which of them a policy takes (ome.md 5.1, tables)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from omeflow.api.quantities import exact_value
from omeflow.components.inputs import ObjectValues, part, text
from omeflow.components.types import Json

_GIBIBYTE = 1024**3
_METRICS = {"fp32": "fp32Tflops", "fp16": "fp16Tflops", "int8": "int8Tops", "fp8": "int8Tops", "int4": "int4Tops"}
_TIERS = {"low": 1, "medium": 2, "high": 3}
_UNKNOWN_TIER = 2


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a class must keep: the user's constraints, and the runtime's acceleratorRequirements (ome.md 1.2).

    Sizes are in GB (gibibytes), performance in TFLOPS.
    """

    wanted: Json
    required: Json

    def memory(self) -> int | None:
        """The larger minimum in GB; None if neither sets one."""
        required = self.required.get("minMemory")
        given = [self.wanted.get("minMemory"), None if required is None else memory(required)]
        return max((minimum for minimum in given if minimum is not None), default=None)

    def features(self) -> list[str]:
        return [*(self.wanted.get("requiredFeatures") or []), *(self.required.get("requiredFeatures") or [])]

    def architectures(self) -> list[str]:
        both = (text(self.wanted, "minArchitectureVersion"), text(self.required, "minArchitectureVersion"))
        return [version for version in both if version]

    def performance(self) -> int:
        """The TFLOPS that BestFit compares with (ome.md 5.1)."""
        field = "minComputePerformanceTFLOPS"
        return max(self.wanted.get(field) or 0, self.required.get(field) or 0)

    def precisions(self) -> list[str]:
        return self.wanted.get("preferredPrecisions") or self.required.get("preferredPrecisions") or []


def memory(quantity: Any) -> int:
    """A quantity of memory in whole GB. A bare number, such as `80`, is in GB; upstream reads bytes (ome.md 16.58)."""
    return int(_memory(quantity))


def objection(accelerator: ObjectValues, constraints: Constraints) -> str | None:
    """Which constraint a class does not keep, or None if it keeps all."""
    spec, capabilities = accelerator.spec, part(accelerator.spec, "capabilities")
    wanted = constraints.wanted
    if accelerator.name in (wanted.get("excludedClasses") or []):
        return "it is excluded"
    families = wanted.get("architectureFamilies") or []
    if families and not any(_is_family(spec, family) for family in families):
        return f"its family is none of {', '.join(families)}"
    low, high = constraints.memory(), wanted.get("maxMemory")
    if low is not None or high is not None:
        given = capabilities.get("memoryGB")
        if given is None:
            return "it does not state its memory"
        if low is not None and memory(given) < low:
            return f"it has less than {low} GB of memory"
        if high is not None and memory(given) > high:
            return f"it has more than {high} GB of memory"
    features = {str(feature).lower() for feature in capabilities.get("features") or []}
    if lacking := [feature for feature in constraints.features() if feature.lower() not in features]:
        return f"it lacks {', '.join(lacking)}"
    ours = text(capabilities, "computeCapability")
    if older := [version for version in constraints.architectures() if not _is_at_least(ours, version)]:
        return f"its architecture version {ours or '(none)'} is below {older[0]}"
    return None


def best(fitting: Sequence[ObjectValues], *, policy: str, constraints: Constraints) -> tuple[ObjectValues | None, str]:
    """The class that a policy takes among those that fit, the first of equals, and why.

    Args:
        fitting: at least one, in the runtime's order.
    """
    if len(fitting) == 1:
        return fitting[0], f"the only one of the runtime's classes that fits, by policy {policy}"
    match policy:
        case "Cheapest":
            return _cheapest(fitting)
        case "BestFit":
            return _highest(fitting, lambda one: _fit(one, constraints), policy)
        case "MostCapable":
            return _highest(fitting, _capability(fitting, constraints), policy)
        case "FirstAvailable":
            return fitting[0], f"the first of {len(fitting)} classes that fit, in the runtime's order"
        case _:
            return None, f'there is no policy "{policy}"'


def _highest(
    fitting: Sequence[ObjectValues], points: Callable[[ObjectValues], float], policy: str
) -> tuple[ObjectValues, str]:
    chosen = max(fitting, key=points)
    return chosen, f"the highest score, {points(chosen):.2f}, of {len(fitting)} classes by policy {policy}"


def _cheapest(fitting: Sequence[ObjectValues]) -> tuple[ObjectValues | None, str]:
    """Prices of one kind are compared: by the hour, else by tokens, else by tier."""
    for price, unit in ((_hourly, "per hour"), (_by_tokens, "per million tokens"), (_tier, "in price tiers")):
        priced = [(cost, one) for one in fitting if (cost := price(one)) is not None]
        if priced:
            lowest, chosen = min(priced, key=lambda pair: pair[0])
            return chosen, f"the cheapest of {len(priced)} priced classes, {float(lowest):g} {unit}"
    return None, "policy Cheapest finds no class with a price"


def _hourly(accelerator: ObjectValues) -> Fraction | None:
    cost = part(accelerator.spec, "cost")
    given = cost.get("spotPerHour")
    return _price(cost.get("perHour") if given is None else given)


def _by_tokens(accelerator: ObjectValues) -> Fraction | None:
    return _price(part(accelerator.spec, "cost").get("perMillionTokens"))


def _tier(accelerator: ObjectValues) -> int | None:
    tier = text(part(accelerator.spec, "cost"), "tier")
    return _TIERS.get(tier, _UNKNOWN_TIER) if tier else None


def _fit(accelerator: ObjectValues, constraints: Constraints) -> float:
    """BestFit: the least memory above the minimum counts 0.7, compute performance 0.3."""
    capabilities = part(accelerator.spec, "capabilities")
    low, given = constraints.memory(), _memory(capabilities.get("memoryGB"))
    room = 1.0 if not low else (float(low / given) if given >= low else 0.0)
    return 0.7 * room + 0.3 * _compute_fit(part(capabilities, "performance"), constraints)


def _compute_fit(performance: Json, constraints: Constraints) -> float:
    if not performance:
        return 0.0
    if not constraints.precisions():
        fastest = max(performance.get(metric) or 0 for metric in _METRICS.values())
        return _ratio(fastest, constraints.performance())
    penalty = 1.0
    for precision in constraints.precisions():
        if value := _metric(performance, precision):
            return penalty * _ratio(value, constraints.performance())
        penalty /= 2
    if "fp16" in (precision.lower() for precision in constraints.precisions()):
        return 0.0
    return penalty * _ratio(_metric(performance, "fp16"), constraints.performance())


def _ratio(value: int, required: int) -> float:
    if not value:
        return 0.0
    return min(1.0, value / required) if required else 1.0


def _capability(fitting: Sequence[ObjectValues], constraints: Constraints) -> Callable[[ObjectValues], float]:
    """MostCapable: memory counts 0.5, bandwidth 0.3, performance 0.2, each against the most of those that fit."""
    measures = {one.name: _measures(one, constraints) for one in fitting}
    most = [max(values) for values in zip(*measures.values(), strict=True)]

    def points(accelerator: ObjectValues) -> float:
        shares = [
            float(value / top) if top else 0.0 for value, top in zip(measures[accelerator.name], most, strict=True)
        ]
        return 0.5 * shares[0] + 0.3 * shares[1] + 0.2 * shares[2]

    return points


def _measures(accelerator: ObjectValues, constraints: Constraints) -> tuple[Fraction, Fraction, Fraction]:
    capabilities = part(accelerator.spec, "capabilities")
    performance = part(capabilities, "performance")
    values = (_metric(performance, precision) for precision in constraints.precisions() or ["fp16"])
    bandwidth = _number(capabilities.get("memoryBandwidthGBps"))
    return _memory(capabilities.get("memoryGB")), bandwidth, Fraction(next((value for value in values if value), 0))


def _metric(performance: Json, precision: str) -> int:
    value: int = performance.get(_METRICS.get(precision.lower(), "")) or 0
    return value


def _is_family(spec: Json, wanted: str) -> bool:
    family, vendor = text(spec, "family"), text(spec, "vendor")
    return wanted.lower() == (f"{vendor}-{family}" if "-" in wanted else family).lower()


def _is_at_least(given: str, wanted: str) -> bool:
    """Numbers between dots compare as numbers; upstream compares text, so that 10.0 is below 9.0 (ome.md 16.58)."""
    if not given:
        return False
    versions = [re.fullmatch(r"\d+(\.\d+)*", version) for version in (given, wanted)]
    if all(versions):
        ours, theirs = ([int(number) for number in version.split(".")] for version in (given, wanted))
        longest = max(len(ours), len(theirs))
        return ours + [0] * (longest - len(ours)) >= theirs + [0] * (longest - len(theirs))
    return given >= wanted


def _memory(quantity: Any) -> Fraction:
    value = _number(quantity)
    return value if str(quantity).strip().isdigit() and value < _GIBIBYTE else value / _GIBIBYTE


def _price(quantity: Any) -> Fraction | None:
    return None if quantity is None else _number(quantity)


def _number(quantity: Any) -> Fraction:
    """The value of a quantity; 0 if there is none, or it is none."""
    try:
        return Fraction(0) if quantity is None else exact_value(quantity)
    except ValueError:
        return Fraction(0)
