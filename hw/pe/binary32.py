"""Binary32 as products and sums meet it: taking codes apart, rounding to them, leading zeros.

Codes follow IEEE 754, rounding is to nearest, ties to even, NaN is always the canonical one.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import BINARY32, Float
from .cut import Cut

__all__ = ["INFINITY_CODE", "NAN_CODE", "Unpacked", "leading_zeros", "rounded", "unpack"]

NAN_CODE = 0x7FC00000
INFINITY_CODE = 0x7F800000
_PRECISION = BINARY32.fraction_bits + 1
_LOWEST_POWER = BINARY32.min_exponent - BINARY32.fraction_bits


def rounded(sign: int, significand: int, power: int) -> int:
    """Return the code nearest to (-1)**sign * significand * 2**power, infinity beyond the range."""
    dropped = max(significand.bit_length() - _PRECISION, _LOWEST_POWER - power)
    if dropped > 0:
        rest = significand & ((1 << dropped) - 1)
        significand >>= dropped
        half = 1 << (dropped - 1)
        significand += rest > half or (rest == half and significand & 1)
        power += dropped
    # aligned so that the hidden bit, where there is one, is in its place
    shift = min(_PRECISION - significand.bit_length(), power - _LOWEST_POWER)
    significand, power = significand << max(shift, 0), power - max(shift, 0)
    # the hidden bit, and a carry out of rounding, add to the exponent field
    code = ((power - _LOWEST_POWER) << BINARY32.fraction_bits) + significand if significand else 0
    return sign << 31 | min(code, INFINITY_CODE)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The parts of a code in hardware."""

    sign: Value
    exponent: Value
    """Exponent field, 1 for subnormal numbers and zero, whose bits weigh as much."""
    significand: Value
    """Fraction with the hidden bit on top."""
    zero: Value
    infinite: Value
    nan: Value


def unpack(fmt: Float, code: Value) -> Unpacked:
    """Take a code apart."""
    exponent, fraction = code[fmt.fraction_bits : -1], code[: fmt.fraction_bits]
    normal, ones, no_fraction = exponent.any(), exponent.all(), ~fraction.any()
    infinite, nan = {
        "ieee": (ones & no_fraction, ones & ~no_fraction),
        "nan": (Const(0), code[:-1].all()),
        "none": (Const(0), Const(0)),
    }[fmt.specials]
    return Unpacked(
        sign=code[-1],
        exponent=Cat(exponent[0] | ~normal, exponent[1:]),
        significand=Cat(fraction, normal),
        zero=~normal & no_fraction,
        infinite=infinite,
        nan=nan,
    )


def leading_zeros(word: Value, cut: Cut) -> Value:
    """Count leading zeros, in a tree; meaningless for zero."""
    size = 1 << (len(word) - 1).bit_length()
    none = cut.name(~Cat(Const(0, size - len(word)), word), "none")
    counts = list(none[1::2])
    while len(none) > 2:
        none = cut.name(none[::2] & none[1::2], "none")
        counts = [
            Cat(Mux(high, below, above), high)
            for high, below, above in zip(none[1::2], counts[::2], counts[1::2], strict=True)
        ]
    return counts[0]
