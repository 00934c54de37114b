"""`fp32`, `bf16`, `fp8_e4m3`: floating-point operands, products and psums in binary32.

Product and sum are rounded separately, to nearest, ties to even, with subnormal numbers,
infinities and NaN as IEEE 754 has them, so a PE agrees to the bit with binary32 arithmetic that
adds in the same order.  Products of `fp8_e4m3` and all but subnormal ones of `bf16` are exact.
"""

from __future__ import annotations

from functools import partial

from ..formats import BFLOAT16, BINARY32, FP8_E4M3, Float
from .float_add import Binary32Accumulator
from .float_product import multiply, product
from .pe_type import PEType

__all__ = ["BF16", "FP8", "FP32"]


def _floating(name: str, fmt: Float, description: str) -> PEType:
    return PEType(
        name=name,
        weight=fmt,
        activation=fmt,
        fraction_bits=0,
        product_bits=32,
        product=partial(product, fmt),
        multiply=partial(multiply, fmt),
        accumulator=Binary32Accumulator(),
        pipeline_depth=3,
        description=f"{description} weights and activations, binary32 products and psums",
    )


FP32 = _floating("fp32", BINARY32, "binary32")
BF16 = _floating("bf16", BFLOAT16, "bfloat16")
FP8 = _floating("fp8_e4m3", FP8_E4M3, "OCP FP8 E4M3")
