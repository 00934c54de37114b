"""`mxint8` and `mxfp4`: OCP Microscaling elements on both sides.

The products of a block are added up as exact integers.  The two E8M0 scales follow in words as wide
as an element, low bits first, and turn the sum into a binary32 number, which is rounded only where
it is subnormal.  A scale that is NaN makes the block NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import E8M0, FP4_E2M1, Microscaling
from .binary32 import NAN_CODE, rounded
from .cut import Cut
from .float_add import Binary32Accumulator
from .integer import INT8
from .pe_type import PEType
from .shift import negate_if

__all__ = ["MXFP4", "MXINT8", "SharedScales"]

_SCALE = E8M0()
_UNIT_SCALE = 127
"""Scale code of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedScales:
    """Two E8M0 scales, of the weights and of the activations of a block."""

    words: int
    """Words a scale takes, 1 or 2."""
    block: int
    """Most elements that share a scale."""
    total_bits: int
    """Width of the exact sum of their products [bits]."""
    fraction_bits: int
    """Binary places of that sum."""

    @property
    def block_bits(self) -> int:
        """Width of the sum and, of a lower scale word, the sum of both and if each is all ones."""
        return self.total_bits + (self.words - 1) * (_SCALE.bits // self.words + 1 + 2)

    def scaled(self, total: int, weight_scale: int, activation_scale: int) -> int:
        """Return the binary32 code nearest to the sum of a block times both scales."""
        if _SCALE.nan_code in (weight_scale, activation_scale):
            return NAN_CODE
        power = weight_scale + activation_scale - 2 * _UNIT_SCALE - self.fraction_bits
        return rounded(int(total < 0), abs(total), power)


def _e2m1_product(weight: int, activation: int) -> int:
    return int(4 * FP4_E2M1.decode_exact(weight) * FP4_E2M1.decode_exact(activation))


def _e2m1_multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    magnitude = cut(_halves(weight) * _halves(activation), "magnitude")
    negative = cut(weight[3] ^ activation[3], "negative")
    return negate_if(Cat(magnitude, Const(0, 1)), negative)[:9].as_signed()


def _halves(code: Value) -> Value:
    """Return the magnitude of an E2M1 code in units of 1/2: 0, 1, 2, 3, 4, 6, 8 or 12."""
    fraction, low, high = code[0], code[1], code[2]
    return Cat(
        fraction & ~high,
        Mux(high, fraction & ~low, low),
        high & (fraction | ~low),
        high & low,
    )


def _microscaling(
    name: str,
    *,
    fraction_bits: int,
    product_bits: int,
    product: Callable[[int, int], int],
    multiply: Callable[[Value, Value, Cut], Value],
    description: str,
    pipeline_depth: int = 2,
) -> PEType:
    fmt = Microscaling(name)
    return PEType(
        name=name,
        weight=fmt.element,
        activation=fmt.element,
        fraction_bits=fraction_bits,
        product_bits=product_bits,
        product=product,
        multiply=multiply,
        description=description,
        pipeline_depth=pipeline_depth,
        accumulator=Binary32Accumulator(),
        scaling=SharedScales(
            words=fmt.scale.bits // fmt.element.bits,
            block=fmt.block,
            total_bits=product_bits + (fmt.block - 1).bit_length(),
            fraction_bits=fraction_bits,
        ),
    )


MXINT8 = _microscaling(
    "mxint8",
    fraction_bits=12,
    product_bits=16,
    product=INT8.product,
    multiply=INT8.multiply,
    description="8-bit integers in blocks of 32 with a shared scale",
)
MXFP4 = _microscaling(
    "mxfp4",
    fraction_bits=2,
    product_bits=9,
    product=_e2m1_product,
    multiply=_e2m1_multiply,
    description="4-bit floats (E2M1) in blocks of 32 with a shared scale",
    pipeline_depth=1,
)
