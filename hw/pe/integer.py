"""`int16` and `int8`: two's complement operands, exact products."""

from __future__ import annotations

from amaranth.hdl import Value

from ..formats import FixedPoint
from .pe_type import PEType

__all__ = ["INT8", "INT16"]


def _integer(bits: int) -> PEType:
    fmt = FixedPoint(bits)

    def product(weight: int, activation: int) -> int:
        return fmt.to_int(weight) * fmt.to_int(activation)

    def multiply(weight: Value, activation: Value) -> Value:
        return weight.as_signed() * activation.as_signed()

    return PEType(
        name=f"int{bits}",
        weight=fmt,
        activation=fmt,
        fraction_bits=0,
        product_bits=2 * bits,
        product=product,
        multiply=multiply,
        description=f"{bits}-bit two's complement weights and activations",
    )


INT16 = _integer(16)
INT8 = _integer(8)
