"""Sums of binary32 codes in three clock cycles: IEEE 754, to nearest, ties to even.

First cycle: compare, order by magnitude, align the smaller operand.  Second: add or subtract, find
the leading one.  Third: normalize, round, compose.  Subnormal numbers need no case of their own:
they have the lowest exponent and no hidden bit, and normalization stops at that exponent.  The one
NaN that comes out is the canonical one; zero from x - x is positive.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import BINARY32
from .binary32 import INFINITY_CODE, NAN_CODE, leading_zeros, rounded, unpack
from .cut import Cut

__all__ = ["Binary32Accumulator"]

_MAGNITUDE = (1 << 31) - 1
_WIDTH = BINARY32.fraction_bits + 3
"""Bits of an aligned significand: with the hidden bit and two places below the last."""


class Binary32Accumulator:
    """Adds binary32 products to binary32 psums."""

    bits = 32
    stages = 3

    def add_golden(self, psum: int, product: int) -> int:
        """Return the code of the binary32 number nearest to the exact sum of two codes."""
        small, big = sorted((psum, product), key=lambda code: code & _MAGNITUDE)
        if big & _MAGNITUDE >= INFINITY_CODE:
            opposite = small & _MAGNITUDE == INFINITY_CODE and small != big
            return NAN_CODE if big & _MAGNITUDE > INFINITY_CODE or opposite else big
        lowest = max(BINARY32.fields(small)[1], 1)
        total = 0
        for code in (small, big):
            sign, exponent, fraction = BINARY32.fields(code)
            significand = fraction + (bool(exponent) << BINARY32.fraction_bits)
            total += (-significand if sign else significand) << (max(exponent, 1) - lowest)
        # x - x is +0, and so is +0 - 0; -0 - 0 is -0
        sign = small >> 31 & big >> 31 if total == 0 else int(total < 0)
        return rounded(sign, abs(total), lowest - BINARY32.bias - BINARY32.fraction_bits)

    def add(self, psum: Value, product: Value, cuts: Sequence[Cut]) -> Value:
        """Return the sum in hardware."""
        first, second = cuts
        ordered = first.name(psum[:31] >= product[:31], "ordered")
        equal = psum[:31] == product[:31]
        p, q = unpack(BINARY32, psum), unpack(BINARY32, product)
        subtract = first.name(p.sign ^ q.sign, "subtract")
        # Equal exponents may be taken off each other either way: no need to wait for all bits.
        distance = first.name((p.exponent - q.exponent).as_signed(), "difference")
        distance = first.name(Mux(distance[-1], q.exponent - p.exponent, distance)[:8], "distance")
        big = first.name(Mux(ordered, p.significand, q.significand), "big")
        small = first.name(Mux(ordered, q.significand, p.significand), "small")
        exponent = first.name(Mux(ordered, p.exponent, q.exponent), "exponent")
        sign = Mux(ordered, p.sign, q.sign) & ~(equal & subtract)
        special = p.nan | q.nan | p.infinite | q.infinite
        nan = p.nan | q.nan | p.infinite & q.infinite & subtract
        aligned = _align(Cat(Const(0, 2), small), distance, first)
        # Whether a bit that is set gets lost in alignment is known before the alignment is.
        trailing = [leading_zeros(x.significand[::-1], first) for x in (p, q)]
        sticky = ~Mux(ordered, q.zero, p.zero) & (
            distance > Mux(ordered, trailing[1], trailing[0]) + 2
        )

        big, aligned = first(big, "big"), first(aligned, "small")
        exponent, subtract = first(exponent, "exponent"), first(subtract, "subtract")
        sticky, special = first(sticky, "sticky"), first(special, "special")
        nan, sign = first(nan, "nan"), first(sign & ~nan, "sign")

        # Bits below the aligned ones borrow from them.
        operand = aligned ^ subtract.replicate(_WIDTH)
        total = second.name(
            (Cat(Const(0, 2), big) + operand + (subtract & ~sticky))[: _WIDTH + 1]
            & ~Cat(Const(0, _WIDTH), subtract),
            "total",
        )
        # A mark where the exponent would reach 0 ends the search for the leading one.
        stop = Cat((exponent == place) for place in reversed(range(_WIDTH + 1)))
        zeros = leading_zeros(total | stop, second)

        total, zeros = second(total, "total"), second(zeros, "zeros")
        exponent, sticky = second(exponent, "exponent"), second(sticky, "sticky")
        special, nan, sign = second(special, "special"), second(nan, "nan"), second(sign, "sign")

        shifted = second.name((total << zeros)[: _WIDTH + 1], "shifted")
        hidden = shifted[-1]
        field = (exponent + 1 - zeros)[:8] & hidden.replicate(8)
        up = shifted[2] & (shifted[3] | shifted[1] | shifted[0] | sticky)
        code = second.name(Cat(shifted[3:-1], field), "code")
        code = second.name(Mux(up, (code + 1)[:31], code), "rounded")
        blank = special | (exponent == 254) & total[-1]
        return Cat(
            code[:22] & ~blank.replicate(22),
            code[22] & ~blank | nan,
            code[23:] | special.replicate(8),
            sign,
        )


def _align(word: Value, distance: Value, cut: Cut) -> Value:
    """Return a word shifted to the right."""
    for stage in reversed(range(5)):
        word = cut.name(Mux(distance[stage], word[1 << stage :], word), f"aligned{stage}")
    return word & ~distance[5:].any().replicate(len(word))
