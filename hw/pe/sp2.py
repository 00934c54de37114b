"""`sp2_4`: SP2 weights times int8 activations; two shifts and an add.

A weight is +-(q1 + q2), q1 one of 0, 1/2, 1/4, 1/8 and q2 one of 0, 1/2, so products have 3
fraction bits.  The sign is applied to the activation; a shift by a constant chosen among three is
three masks, cheaper than a shifter with stages.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Value

from ..formats import SP2, FixedPoint
from .cut import Cut
from .pe_type import PEType
from .shift import negate_if

__all__ = ["SP2_4"]

_WEIGHT = SP2(4)
_ACTIVATION = FixedPoint(8)


def _product(weight: int, activation: int) -> int:
    scaled = _WEIGHT.decode_exact(weight) * (1 << _WEIGHT.fraction)
    return int(scaled) * _ACTIVATION.to_int(activation)


def _multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    f2, f1, negative = weight[0], weight[1:3], weight[3]
    operand = negate_if(activation, negative)
    width = len(operand) + 2
    terms = [_shifted(operand, 3 - f, width) & (f1 == f).replicate(width) for f in (1, 2, 3)]
    first = reduce(or_, terms)
    second = _shifted(operand, 2, width) & f2.replicate(width)
    return (cut(first.as_signed()) + cut(second.as_signed())).as_signed()


def _shifted(value: Value, left: int, width: int) -> Value:
    """Return a signed value shifted left by a constant, in `width` bits."""
    return Cat(Const(0, left), value, value[-1].replicate(width - left - len(value)))


SP2_4 = PEType(
    name="sp2_4",
    weight=_WEIGHT,
    activation=_ACTIVATION,
    fraction_bits=_WEIGHT.fraction,
    product_bits=12,
    product=_product,
    multiply=_multiply,
    description="weights of a sum of two powers of two in 4 bits, int8 activations",
)
