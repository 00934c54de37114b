"""`int4`: 4-bit weights times int8 activations, the fair rival of `lightpe1`.

A radix-4 Booth multiplier of two rows.  Written out it is smaller and faster than what synthesis
makes of a product of 4 by 8 bits; for 8 by 8 bits it is not.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Value

from ..formats import FixedPoint
from .cut import Cut
from .pe_type import PEType

__all__ = ["INT4"]

_WEIGHT = FixedPoint(4)
_ACTIVATION = FixedPoint(8)


def _product(weight: int, activation: int) -> int:
    return _WEIGHT.to_int(weight) * _ACTIVATION.to_int(activation)


def _multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    low, low_negative = _row(Const(0, 1), weight[0], weight[1], activation)
    high, high_negative = _row(weight[1], weight[2], weight[3], activation)
    # The carry of the lower row has its place in the gap below the upper one.
    upper = Cat(low_negative, Const(0, 1), high).as_signed()
    carry = Cat(Const(0, 2), high_negative, Const(0, 1)).as_signed()
    return cut(low).as_signed() + cut(upper) + cut(carry)


def _row(below: Value, middle: Value, top: Value, activation: Value) -> tuple[Value, Value]:
    """Return the one's complement of a Booth digit (-2 to 2) times an activation, and its carry."""
    one = middle ^ below
    two = (top & ~middle & ~below) | (~top & middle & below)
    width = len(activation) + 1
    once, twice = Cat(activation, activation[-1]), Cat(Const(0, 1), activation)
    magnitude = (once & one.replicate(width)) | (twice & two.replicate(width))
    return magnitude ^ top.replicate(width), top


INT4 = PEType(
    name="int4",
    weight=_WEIGHT,
    activation=_ACTIVATION,
    fraction_bits=0,
    product_bits=12,
    product=_product,
    multiply=_multiply,
    description="4-bit two's complement weights, int8 activations",
)
