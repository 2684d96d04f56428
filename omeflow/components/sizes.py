"""Model sizes such as `7B`, and how well a runtime's range fits one (ome.md 4.4 and 4.5)."""

from decimal import Decimal, InvalidOperation

from omeflow.components.types import Json

_UNITS = {"T": 10**12, "B": 10**9, "M": 10**6}


def parameter_count(size: str) -> Decimal:
    """A size as a number of parameters; 0 if it is none (ome.md 4.4, size parsing)."""
    unit = _UNITS.get(size[-1:])
    try:
        count = Decimal(size[:-1] if unit else size) * (unit or 1)
    except InvalidOperation:
        return Decimal(0)
    return count if count.is_finite() else Decimal(0)


def size_mismatch(limits: Json, size: str | None) -> str | None:
    """Why a size is outside a runtime's range, or None if it is inside (ome.md 4.4, rule 4).

    Bounds are inclusive. An absent one leaves that side open, where upstream fails (ome.md 16.51).
    """
    low, high = limits.get("min"), limits.get("max")
    if size is None or not (low or high):
        return None
    count = parameter_count(size)
    if (low and count < parameter_count(low)) or (high and count > parameter_count(high)):
        return f"model size {size} is outside supported range [{low or ''}, {high or ''}]"
    return None


def size_distance(limits: Json, size: str | None) -> tuple[int, int]:
    """How far a range is from a model's size: sorts the best-fitting range first (ome.md 4.5, step 2).

    A range that holds the model is nearer than an open one, and that nearer than none: upstream counts the lack of a
    range as a perfect fit (ome.md 16.51).

    Args:
        limits: the runtime's range, for which `size_mismatch` has no objection.
        size: None if the model does not say, which makes all ranges alike.

    Returns:
        how many bounds are absent, and the summed distance of the others from the size.
    """
    if size is None:
        return 0, 0
    given = [bound for bound in (limits.get("min"), limits.get("max")) if bound]
    count = parameter_count(size)
    return 2 - len(given), int(sum(abs(parameter_count(bound) - count) for bound in given))
