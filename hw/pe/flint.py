"""`flint4`: signed 4-bit flint weights and activations, exact integer products.

A magnitude with leading bit 0 is the integer of the other two bits; with leading bit 1 and z zeros
before the first one of the others it is 1.f (2 bits as an integer) shifted left by z + 1.  The
2-bit integers are multiplied, the product gets its sign, and one shifter by the sum of both shifts
places it.  -0 is zero like +0.

In the published array (ANT) decoders stand at the edge and each serves a row or column of PEs.  A
decoded operand has 5 bits: integer, shift and sign.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import Flint
from .cut import Cut
from .pe_type import Decoder, PEType
from .regime import leading_zeros
from .shift import shift_left

__all__ = ["FLINT4"]

_FORMAT = Flint(4)


def _product(weight: int, activation: int) -> int:
    return int(_FORMAT.decode_exact(weight) * _FORMAT.decode_exact(activation))


def _operand(code: int) -> int:
    """Return integer (2 bits), left shift (2 bits) and sign of a code, low bits first."""
    magnitude = abs(int(_FORMAT.decode_exact(code)))
    shift = max(magnitude.bit_length() - 2, 0)
    return magnitude >> shift | shift << 2 | (code >> 3) << 4


def _decode(code: Value) -> Value:
    rest, leading, negative = code[:2], code[2], code[3]
    zeros, fraction = leading_zeros(rest)
    integer = Mux(leading, Cat(fraction, Const(1, 1)), rest)
    return Cat(integer, Mux(leading, zeros + 1, 0)[:2], negative)


def _multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    product = cut(weight[:2] * activation[:2], "integers")
    shift = cut((weight[2:4] + activation[2:4])[:3], "shift")
    negative = cut(weight[4] ^ activation[4], "negative")
    signed = Mux(negative, -product, product)[:5].as_signed()
    return shift_left(signed, shift)[:10].as_signed()


_DECODER = Decoder(bits=5, golden=_operand, decode=_decode)

FLINT4 = PEType(
    name="flint4",
    weight=_FORMAT,
    activation=_FORMAT,
    fraction_bits=0,
    product_bits=10,
    product=_product,
    multiply=_multiply,
    description="signed 4-bit flint weights and activations",
    weight_decoder=_DECODER,
    activation_decoder=_DECODER,
)
