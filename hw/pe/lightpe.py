"""`lightpe1` and `lightpe2`: LightNN weights times int8 activations by shifting and adding.

Products are exact with 7 fraction bits: an activation shifted left by 7 - m for each of the k
exponents, summed, and negated where the weight is negative.
"""

from __future__ import annotations

from functools import reduce
from operator import add

from amaranth.hdl import Value

from ..formats import FixedPoint, LightNN
from .cut import Cut
from .pe_type import PEType
from .shift import negate_if, shift_left

__all__ = ["LIGHTPE1", "LIGHTPE2"]

_ACTIVATION = FixedPoint(8)


def _lightpe(k: int) -> PEType:
    fmt = LightNN(k)

    def product(weight: int, activation: int) -> int:
        sign, exponents = fmt.fields(weight)
        magnitude = sum(_ACTIVATION.to_int(activation) << (fmt.fraction - m) for m in exponents)
        return -magnitude if sign else magnitude

    def multiply(weight: Value, activation: Value, cut: Cut) -> Value:
        # 7 - m is the complement of the 3 bits of m.  The sign is applied before shifting: a
        # one's complement and a carry-in are cheaper on 8 bits than on the shifted sum.
        negative = weight[3 * k]
        operand = cut(negate_if(activation, negative))
        amounts = [cut(~weight[shift : shift + 3]) for shift in range(0, 3 * k, 3)]
        return reduce(add, (shift_left(operand, amount) for amount in amounts))

    return PEType(
        name=f"lightpe{k}",
        weight=fmt,
        activation=_ACTIVATION,
        fraction_bits=fmt.fraction,
        product_bits=15 + k,
        product=product,
        multiply=multiply,
        pipeline_depth=k + 1,
        description=f"LightNN weights of {k} power{'s' * (k > 1)} of two, int8 activations",
    )


LIGHTPE1 = _lightpe(1)
LIGHTPE2 = _lightpe(2)
