"""Products of floating-point codes as binary32 codes: IEEE 754, to nearest, ties to even.

Both operands are of one format.  Subnormal numbers count in full, on either side; the one NaN that
comes out is the canonical one.

Nothing is normalized before the multiplication: it works on significands as they are stored, while
beside it the leading zeros of the operands and the exponents tell where the product's bits will
have to go.  Behind the cut one shifter puts them there, to the left behind a subnormal operand, to
the right in front of a subnormal product.  A format pays only for what its products need: those
that never round (E4M3) have no shift to the right and no rounding, those with significands of at
most 12 bits (bfloat16) are rounded as subnormal numbers only, in the bits that then are left.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import BINARY32, Float
from .binary32 import INFINITY_CODE, NAN_CODE, leading_zeros, rounded, unpack
from .cut import Cut

__all__ = ["multiply", "product"]

_FRACTION = BINARY32.fraction_bits
_LARGEST = 254
"""Exponent field of the largest numbers."""
_AMOUNT_BITS = 6
"""Of a shift to the right where products underflow: past every place of a product."""


def product(fmt: Float, weight: int, activation: int) -> int:
    """Return the code of the binary32 number nearest to the exact product of two codes."""
    sign = (weight ^ activation) >> (fmt.bits - 1)
    low, high = sorted(code & ((1 << (fmt.bits - 1)) - 1) for code in (weight, activation))
    if high > fmt.largest_code:
        infinite = high == fmt.infinity_code and low > 0
        return sign << 31 | INFINITY_CODE if infinite else NAN_CODE
    significand, power = 1, 0
    for code in (low, high):
        _, exponent, fraction = fmt.fields(code)
        significand *= fraction + (bool(exponent) << fmt.fraction_bits)
        power += max(exponent, 1) - fmt.bias - fmt.fraction_bits
    return rounded(sign, significand, power)


def multiply(fmt: Float, weight: Value, activation: Value, cut: Cut) -> Value:
    """Return the same in hardware; the cut is behind the multiplication of the significands."""
    w, a = unpack(fmt, weight), unpack(fmt, activation)
    places = 2 * fmt.fraction_bits
    offset = BINARY32.bias - 2 * fmt.bias
    underflows = 2 + offset - places < 1
    overflows = 2 * (1 << fmt.exponent_bits) + offset > _LARGEST

    # Before the cut: the product of the significands, below 4, and where its bits have to go.
    exact = cut(w.significand * a.significand, "exact")
    exponent = cut.name((w.exponent + a.exponent + offset).as_signed(), "exponent")
    counts = [leading_zeros(x.significand, cut) for x in (w, a)]
    # Two subnormal operands that underflow are too small for their leading zeros to matter.
    zeros = cut.name(counts[0] | counts[1] if underflows else counts[0] + counts[1], "zeros")
    left = (1 << len(zeros)) - 1  # shifts are to the right, of what was put this far to the left
    amount: Value = ~zeros
    normal = ~(w.zero | a.zero)
    if underflows:
        normal = cut.name(normal & (exponent > zeros), "normal")
        # A subnormal product has the lowest exponent, 1.
        too_far = exponent <= left + 1 - (1 << _AMOUNT_BITS)
        right = (left + 1 - exponent)[:_AMOUNT_BITS] | too_far.replicate(_AMOUNT_BITS)
        amount = Mux(normal, Cat(amount, Const(0, _AMOUNT_BITS - len(zeros))), right)
    amount = cut.name(amount, "amount")
    field = cut.name(Mux(normal, exponent - zeros, 0)[:9], "field")
    padding = max(0, _FRACTION + 1 - places)  # zeros behind a product shorter than its result
    below = places + padding - _FRACTION - 1  # bits below half of the last place of the result
    lost: Value = Const(0)
    if underflows:
        trailing = [leading_zeros(x.significand[::-1], cut) for x in (w, a)]
        lost = cut(trailing[0] + trailing[1] + (left + padding - below) < amount, "lost")
    nan = w.nan | a.nan | w.infinite & a.zero | w.zero & a.infinite
    sign = cut((w.sign ^ a.sign) & ~nan, "sign")
    special = w.infinite | a.infinite | nan
    if overflows:
        special |= field > _LARGEST

    # Behind the cut: shift, round, compose.
    nan, special = cut(nan, "nan"), cut(special, "special")
    normal, amount, field = cut(normal, "normal"), cut(amount, "amount"), cut(field[:8], "field")
    word = Cat(Const(0, left + padding), exact)[below:]
    window = _shift_right(word, amount, _FRACTION + 3, cut)
    above = window[-1]  # 2 or more
    fraction = Mux(above, window[2:-1], window[1:-2])
    code = cut.name(Cat(fraction, (field + Mux(normal, above, window[-2]))[:8]), "code")
    if underflows:
        up = Mux(above, window[1] & (window[2] | window[0] | lost), window[0] & (window[1] | lost))
        # Short products are rounded where few of their bits are left, so the carry ends early.
        width = min(31, places + 2)
        code = Cat(Mux(up, (code[:width] + 1)[:width], code[:width]), code[width:])
        code = cut.name(code, "rounded")
    blank = special | (field == _LARGEST) & above if overflows else special
    return Cat(
        code[: _FRACTION - 1] & ~blank.replicate(_FRACTION - 1),
        code[_FRACTION - 1] & ~blank | nan,
        code[_FRACTION:] | special.replicate(8),
        sign,
    )


def _shift_right(word: Value, amount: Value, width: int, cut: Cut) -> Value:
    """Return the lowest `width` bits of `word >> amount`.

    Long shifts come first: each stage is as wide as the ones behind it can reach, and no wider.
    """
    for stage in reversed(range(len(amount))):
        shifted = Mux(amount[stage], word[1 << stage :], word)
        word = cut.name(shifted[: width + (1 << stage) - 1], f"shifted{stage}")
    return word
