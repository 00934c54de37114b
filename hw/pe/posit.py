"""`posit8`: posit<8, 1> weights and activations, exact in a fixed point quire.

All values are multiples of 2**-12 up to 2**12, so products have 24 fraction bits and 50 bits, and
an exact psum 63.  Codes are decoded without taking their magnitude: of a negative code the
regime, exponent and fraction bits give the complement of the scale and the significand -2 + f, so
neither needs a carry.  Significands are multiplied as signed numbers of 6 bits, one shifter by the
sum of the scales places the product.  NaR counts as zero: a number that is not real has no place in
a quire, and hardware here raises no exceptions.

A decoder at the edge of the array would serve a row or column of PEs; here both are inside the
PE, which is still open.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Value

from ..formats import Posit
from .pe_type import PEType
from .regime import split_regime
from .shift import shift_left

__all__ = ["POSIT8"]

_FORMAT = Posit(8, 1)
_FRACTION = 4
"""Fraction bits of the longest significand."""
_SMALLEST = 12
"""Every value is a multiple of 2**-12."""
_LOWEST_SCALE = -13
"""Scale of the smallest negative magnitude, whose significand is -2."""
_PRODUCT_BITS = 4 * _SMALLEST + 2


def _product(weight: int, activation: int) -> int:
    if _FORMAT.nar_code in (weight, activation):
        return 0
    exact = _FORMAT.decode_exact(weight) * _FORMAT.decode_exact(activation)
    return int(exact * (1 << (2 * _SMALLEST)))


def _multiply(weight: Value, activation: Value) -> Value:
    significand_w, scale_w = _decode(weight)
    significand_a, scale_a = _decode(activation)
    product = (significand_w * significand_a).as_signed()
    amount = (scale_w + scale_a - 2 * _LOWEST_SCALE)[:6]
    # Bits below the quire are zero for every pair of codes.
    below = 2 * (_FRACTION - _LOWEST_SCALE - _SMALLEST)
    return shift_left(product, amount)[below : below + _PRODUCT_BITS].as_signed()


def _decode(code: Value) -> tuple[Value, Value]:
    """Return the signed significand with 4 fraction bits and the signed scale of a code."""
    negative, number = code[7], code[:7].any()  # neither zero nor NaR
    k, rest = split_regime(code[:7], 7)
    exponent, fraction = rest[-1], rest[:-1]
    scale = Cat(exponent, k) ^ negative.replicate(1 + len(k))
    significand = Cat(fraction, ~negative & number, negative & number)
    return significand.as_signed(), scale.as_signed()


POSIT8 = PEType(
    name="posit8",
    weight=_FORMAT,
    activation=_FORMAT,
    fraction_bits=2 * _SMALLEST,
    product_bits=_PRODUCT_BITS,
    product=_product,
    multiply=_multiply,
    description="posit<8,1> weights and activations, exact quire, NaR counts as zero",
)
