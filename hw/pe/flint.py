"""`flint4`: signed 4-bit flint weights and activations, exact integer products.

A magnitude with leading bit 0 is the integer of the other two bits; with leading bit 1 and z zeros
before the first one of the others it is 1.f (2 bits as an integer) shifted left by z + 1.  The
2-bit integers are multiplied, the product gets its sign, and one shifter by the sum of both shifts
places it.  -0 is zero like +0.

In the published array (ANT) decoders stand at the edge and each serves a row or column of PEs; here
both are inside the PE, which is still open.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import Flint
from .pe_type import PEType
from .regime import leading_zeros
from .shift import shift_left

__all__ = ["FLINT4"]

_FORMAT = Flint(4)


def _product(weight: int, activation: int) -> int:
    return int(_FORMAT.decode_exact(weight) * _FORMAT.decode_exact(activation))


def _multiply(weight: Value, activation: Value) -> Value:
    integer_w, shift_w = _decode(weight)
    integer_a, shift_a = _decode(activation)
    product = integer_w * integer_a
    negative = weight[3] ^ activation[3]
    signed = Mux(negative, -product, product)[:5].as_signed()
    return shift_left(signed, (shift_w + shift_a)[:3])[:10].as_signed()


def _decode(code: Value) -> tuple[Value, Value]:
    """Return the integer and the left shift of the magnitude of a code."""
    rest, leading = code[:2], code[2]
    zeros, fraction = leading_zeros(rest)
    return Mux(leading, Cat(fraction, Const(1, 1)), rest), Mux(leading, zeros + 1, 0)[:2]


FLINT4 = PEType(
    name="flint4",
    weight=_FORMAT,
    activation=_FORMAT,
    fraction_bits=0,
    product_bits=10,
    product=_product,
    multiply=_multiply,
    description="signed 4-bit flint weights and activations",
)
