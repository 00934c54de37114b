"""`posit8`: posit<8, 1> weights and activations, exact in a fixed point quire.

All values are multiples of 2**-12 up to 2**12, so products have 24 fraction bits and 50 bits, and
an exact psum 63.  Codes are decoded without taking their magnitude: of a negative code the
regime, exponent and fraction bits give the complement of the scale and the significand -2 + f, so
neither needs a carry.  Significands are multiplied as signed numbers of 6 bits, one shifter by the
sum of the scales places the product.  NaR counts as zero: a number that is not real has no place in
a quire, and hardware here raises no exceptions.

A decoded operand has 10 bits: fraction, scale and sign.  Zero and NaR need no bit of their own, as
their regime is longer than that of any number.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Value

from ..formats import Posit
from .cut import Cut
from .pe_type import Decoder, PEType
from .regime import split_regime
from .shift import shift_left

__all__ = ["POSIT8"]

_FORMAT = Posit(8, 1)
_FRACTION = 4
"""Fraction bits of the longest significand."""
_SCALE = 5
"""Bits of the signed scale."""
_SMALLEST = 12
"""Every value is a multiple of 2**-12."""
_LOWEST_SCALE = -13
"""Scale of the smallest negative magnitude, whose significand is -2."""
_NO_NUMBER = -14
"""Scale that zero has, and whose complement NaR has."""
_PRODUCT_BITS = 4 * _SMALLEST + 2


def _product(weight: int, activation: int) -> int:
    if _FORMAT.nar_code in (weight, activation):
        return 0
    exact = _FORMAT.decode_exact(weight) * _FORMAT.decode_exact(activation)
    return int(exact * (1 << (2 * _SMALLEST)))


def _operand(code: int) -> int:
    """Return fraction, scale and sign of a code, low bits first."""
    if code == 0:
        negative, scale, fraction = 0, _NO_NUMBER, 0
    elif code == _FORMAT.nar_code:
        negative, scale, fraction = 1, ~_NO_NUMBER, 0
    else:
        negative, scale, field, bits = _FORMAT.fields(code)
        fraction = field << (_FRACTION - bits)
        if negative and fraction:
            fraction = (1 << _FRACTION) - fraction  # -(1 + f) is -2 + (1 - f)
        elif negative:
            scale -= 1  # and -1 is half of -2
    return fraction | (scale % (1 << _SCALE)) << _FRACTION | negative << (_FRACTION + _SCALE)


def _decode(code: Value) -> Value:
    negative = code[7]
    k, rest = split_regime(code[:7], 7)
    exponent, fraction = rest[-1], rest[:-1]
    return Cat(fraction, Cat(exponent, k) ^ negative.replicate(_SCALE), negative)


def _multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    significand_w, scale_w = _fields(cut.name(weight, "weight_operand"))
    significand_a, scale_a = _fields(cut.name(activation, "activation_operand"))
    if cut.present:  # half of the multiplier on either side of the cut
        low = cut(significand_w[:3] * significand_a, "low").as_signed()
        high = cut(significand_w[3:].as_signed() * significand_a, "high").as_signed()
        product = cut.name(low + (high << 3), "significand")
    else:
        product = (significand_w * significand_a).as_signed()
    amount = cut((scale_w + scale_a - 2 * _LOWEST_SCALE)[:6], "amount")
    # Bits below the quire are zero for every pair of codes.
    below = 2 * (_FRACTION - _LOWEST_SCALE - _SMALLEST)
    return shift_left(product, amount)[below : below + _PRODUCT_BITS].as_signed()


def _fields(operand: Value) -> tuple[Value, Value]:
    """Return the signed significand with 4 fraction bits and the signed scale of an operand."""
    fraction, scale, negative = operand[:_FRACTION], operand[_FRACTION:-1], operand[-1]
    k = scale[1:] ^ negative.replicate(_SCALE - 1)
    number = ~k[-1] | k[1:-1].any()  # k is -7 for zero and NaR, and never -8
    return Cat(fraction, ~negative & number, negative & number).as_signed(), scale.as_signed()


_DECODER = Decoder(bits=_FRACTION + _SCALE + 1, golden=_operand, decode=_decode)

POSIT8 = PEType(
    name="posit8",
    weight=_FORMAT,
    activation=_FORMAT,
    fraction_bits=2 * _SMALLEST,
    product_bits=_PRODUCT_BITS,
    product=_product,
    multiply=_multiply,
    description="posit<8,1> weights and activations, exact quire, NaR counts as zero",
    pipeline_depth=3,
    weight_decoder=_DECODER,
    activation_decoder=_DECODER,
)
