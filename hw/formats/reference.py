"""The scalar reference of encoding: one value at a time, in fractions, from `decode_exact` alone.

Slow and plain, to check the vectorised `encode` of every format whose values are rational.
"""

from __future__ import annotations

import bisect
import functools
from fractions import Fraction

from .base import NumberFormat
from .rounding import canonical_codes, check_rounding

__all__ = ["encode_exact"]


@functools.cache
def _sorted_values(fmt: NumberFormat) -> tuple[list[Fraction], list[int]]:
    codes = [int(code) for code in canonical_codes(fmt)]
    pairs = sorted((fmt.decode_exact(code), code) for code in codes)
    return [value for value, _ in pairs], [code for _, code in pairs]


def encode_exact(
    fmt: NumberFormat,
    value: Fraction | int | float,
    *,
    rounding: str = "nearest",
    uniform: float | None = None,
) -> int:
    """Return the canonical code of one number, saturating.

    Parameters
    ----------
    fmt
        A format of at most 16 bits; `ConfigError` where one of its values is irrational.
    value
        Any rational number.
    rounding, uniform
        `nearest`, `zero` or `stochastic`, as in `hw.formats.rounding`; one number in [0, 1).
    """
    check_rounding(str(fmt), (), rounding, "saturate", uniform)
    values, codes = _sorted_values(fmt)
    wanted = Fraction(value)
    if wanted <= values[0]:
        return codes[0]
    if wanted >= values[-1]:
        return codes[-1]
    upper = bisect.bisect_left(values, wanted)
    if values[upper] == wanted:
        return codes[upper]
    low, high = values[upper - 1], values[upper]
    candidates = [(low, codes[upper - 1]), (high, codes[upper])]
    if rounding == "stochastic":
        return candidates[Fraction(uniform or 0) < (wanted - low) / (high - low)][1]
    if rounding == "zero":
        return min(candidates, key=lambda c: (c[0] * wanted < 0, abs(c[0]), -c[0]))[1]
    if getattr(fmt, "ties_up", False):
        return min(candidates, key=lambda c: (abs(c[0] - wanted), -c[0]))[1]
    return min(candidates, key=lambda c: (abs(c[0] - wanted), c[1] % 2, c[1]))[1]
