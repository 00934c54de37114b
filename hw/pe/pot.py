"""`pot4`: power-of-two weights with a zero, times int8 activations; one shift.

Magnitudes are 2**(m - 7) for m = 1...7 and zero for m = 0, so products have 6 fraction bits: the
activation, negated where the weight is negative, shifted left by m - 1.  Shifting by m and leaving
the lowest bit out saves the subtraction; the zero is a mask on the 9 bits before the shifter.
"""

from __future__ import annotations

from amaranth.hdl import Value

from ..formats import FixedPoint, PowerOfTwo
from .cut import Cut
from .pe_type import PEType
from .shift import negate_if, shift_left

__all__ = ["POT4"]

_WEIGHT = PowerOfTwo(4)
_ACTIVATION = FixedPoint(8)


def _product(weight: int, activation: int) -> int:
    scaled = _WEIGHT.decode_exact(weight) * (1 << _WEIGHT.fraction)
    return int(scaled) * _ACTIVATION.to_int(activation)


def _multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    operand = negate_if(activation, weight[3]).as_unsigned()
    operand &= weight[:3].any().replicate(len(operand))
    return shift_left(cut(operand.as_signed()), cut(weight[:3]))[1:].as_signed()


POT4 = PEType(
    name="pot4",
    weight=_WEIGHT,
    activation=_ACTIVATION,
    fraction_bits=_WEIGHT.fraction,
    product_bits=15,
    product=_product,
    multiply=_multiply,
    description="weights of zero or one power of two, int8 activations",
)
