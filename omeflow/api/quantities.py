"""Resource quantities: their canonical spelling and their value.

OME reads and writes pod specs through Go's types, which spell a quantity in its canonical form: `8` becomes `"8"`,
`1000m` becomes `"1"`, `0.5Gi` becomes `"512Mi"`. The same bytes (design rule 5) need the same spelling.
"""

import functools
import math
import re
from fractions import Fraction

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d{1,3}|)")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_EXPONENTS = {suffix: exponent for exponent, suffix in _DECIMAL.items()}
_NANO = 10**9


@functools.lru_cache(maxsize=1024)
def canonical_quantity(given: str | int | float) -> str:
    """The spelling that Go gives a quantity: the largest suffix that leaves a whole number.

    Raises:
        ValueError: it is no quantity.
    """
    value, suffix = _parse(given)
    if value == 0:
        return "0"
    if suffix in _BINARY[1:] and abs(value) >= 1024 and value.denominator == 1:
        power = 0
        while power < len(_BINARY) - 1 and value % 1024 == 0:
            value, power = value / 1024, power + 1
        return f"{value}{_BINARY[power]}"
    exponent = -9
    number = value * _NANO
    while exponent < 18 and number % 1000 == 0:
        number, exponent = number / 1000, exponent + 3
    if suffix[:1] in ("e", "E") and suffix != "E":
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL[exponent]}"


def whole_number(given: str | int | float) -> int:
    """The value of a quantity, rounded up, as Go's `Value()`.

    Raises:
        ValueError: it is no quantity.
    """
    return math.ceil(_parse(given)[0])


@functools.lru_cache(maxsize=1024)
def exact_value(given: str | int | float) -> Fraction:
    """The value of a quantity, in whole billionths.

    Raises:
        ValueError: it is no quantity.
    """
    return _parse(given)[0]


def _parse(given: str | int | float) -> tuple[Fraction, str]:
    """The exact value, in whole billionths (Go rounds away from zero), and the suffix."""
    match = _FORM.fullmatch(str(given).strip())
    if match is None:
        raise ValueError(f'is "{given}": it must be a quantity such as 500m, 2 or 64Gi')
    number, suffix = match.groups()
    value = Fraction(number)
    if suffix in _BINARY:
        value *= 1024 ** _BINARY.index(suffix)
    elif suffix in _EXPONENTS:
        value *= Fraction(10) ** _EXPONENTS[suffix]
    else:
        value *= Fraction(10) ** int(suffix[1:])
    billionths = math.ceil(abs(value) * _NANO)
    return Fraction(billionths if value >= 0 else -billionths, _NANO), suffix
