"""`binaryw` and `ternaryw`: weights -1 and +1, or -1, 0 and +1, times int8 activations.

A product is the activation, its negation or zero.  The reserved code of a ternary weight (2) makes
zero, like code 0.
"""

from __future__ import annotations

from amaranth.hdl import Value

from ..formats import Binary, FixedPoint, Ternary
from .cut import Cut
from .pe_type import PEType
from .shift import negate_if

__all__ = ["BINARYW", "TERNARYW"]

_ACTIVATION = FixedPoint(8)
_PRODUCT_BITS = 9


def _binary_product(weight: int, activation: int) -> int:
    return int(Binary().decode_exact(weight)) * _ACTIVATION.to_int(activation)


def _binary_multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    return cut(negate_if(activation, ~weight[0]))


def _ternary_product(weight: int, activation: int) -> int:
    if weight in Ternary.reserved:
        return 0
    return int(Ternary().decode_exact(weight)) * _ACTIVATION.to_int(activation)


def _ternary_multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    nonzero = weight[0].replicate(_PRODUCT_BITS)
    return cut((negate_if(activation, weight[1]).as_unsigned() & nonzero).as_signed())


BINARYW = PEType(
    name="binaryw",
    weight=Binary(),
    activation=_ACTIVATION,
    fraction_bits=0,
    product_bits=_PRODUCT_BITS,
    product=_binary_product,
    multiply=_binary_multiply,
    pipeline_depth=1,
    description="weights -1 and +1, int8 activations",
)
TERNARYW = PEType(
    name="ternaryw",
    weight=Ternary(),
    activation=_ACTIVATION,
    fraction_bits=0,
    product_bits=_PRODUCT_BITS,
    product=_ternary_product,
    multiply=_ternary_multiply,
    pipeline_depth=1,
    description="weights -1, 0 and +1, int8 activations",
)
