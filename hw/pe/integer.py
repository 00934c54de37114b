"""`int16` and `int8`: two's complement operands, exact products."""

from __future__ import annotations

from amaranth.hdl import Cat, Value

from ..formats import FixedPoint
from .cut import Cut
from .pe_type import PEType

__all__ = ["INT8", "INT16"]


def _integer(bits: int) -> PEType:
    fmt = FixedPoint(bits)

    def product(weight: int, activation: int) -> int:
        return fmt.to_int(weight) * fmt.to_int(activation)

    def multiply(weight: Value, activation: Value, cut: Cut) -> Value:
        if not cut.present:
            return weight.as_signed() * activation.as_signed()
        # Two products of half a weight each are added behind the cut.
        half = bits // 2
        low = Cat(weight[:half], 0).as_signed() * activation.as_signed()
        high = weight[half:].as_signed() * activation.as_signed()
        return cut(low, "low") + (cut(high, "high") << half)

    return PEType(
        name=f"int{bits}",
        weight=fmt,
        activation=fmt,
        fraction_bits=0,
        product_bits=2 * bits,
        product=product,
        multiply=multiply,
        pipeline_depth=3,
        description=f"{bits}-bit two's complement weights and activations",
    )


INT16 = _integer(16)
INT8 = _integer(8)
