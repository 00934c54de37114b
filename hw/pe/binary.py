"""`binary`: 16 products of -1 and +1 at a time, XNOR and popcount.

A word holds 16 lanes; the product is the sum of the 16 lane products, from -16 to 16.  It is always
even, so its lowest bit costs no logic; the psum keeps it, because incoming psums may be odd.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import Binary
from ..formats.packed import Packed
from .cut import Cut
from .pe_type import PEType

__all__ = ["BINARY"]

_LANES = 16
_WORD = Packed(Binary(), _LANES)


def _product(weight: int, activation: int) -> int:
    lanes = zip(_WORD.decode_lanes(weight), _WORD.decode_lanes(activation), strict=True)
    return sum(int(w * a) for w, a in lanes)


def _multiply(weight: Value, activation: Value, cut: Cut) -> Value:
    equal = ~(weight ^ activation)
    first, second = cut(_count_seven(equal[:7])), cut(_count_seven(equal[7:14]))
    carry, last = cut(equal[14]), cut(equal[15])
    # 7 + 7 + 1 lanes in one adder with a carry-in, the last lane in an incrementer.
    most = (Cat(carry, first) + Cat(carry, second))[1:5]
    count = (most + last)[:5]
    # 2 * (count - 8): the borrow of 8 touches two bits only, as a count of 16 has no others.
    return Cat(Const(0, 1), count[:3], ~count[3], ~(count[3] | count[4])).as_signed()


def _count_seven(bits: Value) -> Value:
    """Return how many of 7 bits are set, by four full adders."""
    low, carry0 = _full_adder(bits[0], bits[1], bits[2])
    high, carry1 = _full_adder(bits[3], bits[4], bits[5])
    ones, carry2 = _full_adder(bits[6], low, high)
    return Cat(ones, *_full_adder(carry0, carry1, carry2))


def _full_adder(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    return a ^ b ^ c, Mux(a ^ b, c, a)


BINARY = PEType(
    name="binary",
    weight=_WORD,
    activation=_WORD,
    fraction_bits=0,
    product_bits=6,
    product=_product,
    multiply=_multiply,
    description="16 lanes of weights and activations of -1 and +1",
    channel_lanes=_LANES,
)
