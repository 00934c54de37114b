"""The datapath of PE types with shared scales: exact sums of blocks, scaled into binary32 psums.

Products of a block are added up exactly in a word of the block scratchpad.  The words of a scale
follow: the lower one of two is kept beside the sum, the last one completes the scale, and the sum
times both scales becomes the accumulator's code, which is added to the psum.  `opens` marks the
first product of a block, `scale` is 0 for a product and i for the i-th word of the scale.

Scale words come with their operands and take the same registers as a product.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import PEConfig
from ..formats import BINARY32
from .binary32 import leading_zeros
from .cut import Cut
from .datapath import begin_psum
from .part import Part
from .registry import PE_TYPES

__all__ = ["BlockDatapath", "to_binary32"]

_PRECISION = BINARY32.fraction_bits + 1
_SCALE_BIAS = 2 * 127
"""Sum of two scale codes that stand for 1."""
_EXPONENT_BITS = 10
"""Of the sum of two scales, signed with an offset."""


class BlockDatapath(Part):
    """Multiply, sum up blocks exactly, scale, accumulate."""

    def __init__(self, config: PEConfig) -> None:
        self.config = config
        self.pe_type = kind = PE_TYPES[config.pe_type]
        assert kind.scaling is not None and kind.scaling.words <= 2
        self.scaling = kind.scaling
        self.total_bits = kind.product_bits + ceil_log2(self.scaling.block)
        width = config.psum_width
        self.module_name = f"datapath_{kind.name}_w{width}_d{config.depth}"
        super().__init__(
            {
                "weight": In(config.weight_bits),
                "activation": In(config.activation_bits),
                "stored_psum": In(width),
                "stored_block": In(self.scaling.block_bits),
                "psum_in": In(width),
                "begin_en": In(1),
                "begin_zero": In(1),
                "product_en": In(max(1, config.depth - 1)),
                "opens": In(1),
                "scale": In(ceil_log2(self.scaling.words + 1)),
                "block_en": In(1),
                "convert_en": In(1),
                "first": In(1),
                "sum_en": In(config.write_stage - config.sum_stage),
                "block": Out(self.scaling.block_bits),
                "psum": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kind, accumulator = self.pe_type, self.pe_type.accumulator
        assert accumulator is not None
        begin = begin_psum(m, self)
        middle = Cut(m, self.product_en[0] if self.config.depth == 3 else None)
        end = Cut(m, self.product_en[-1] if self.config.depth > 1 else None)
        value = kind.multiply(self.weight, self.activation, middle)
        product = end(value[: kind.product_bits].as_signed(), "product")
        exponent, nan, kept = self._scales(m, middle, end)

        # Within a block: the sum, or its low scale word beside it.
        total = self.stored_block[: self.total_bits].as_signed()
        addend = Mux(self.scale == 0, product, 0)
        summed = (Mux(self.opens, 0, total) + addend)[: self.total_bits]
        block = Signal(self.scaling.block_bits, reset_less=True)
        with m.If(self.block_en):
            m.d.sync += block.eq(Cat(summed, kept))
        m.d.comb += self.block.eq(block)

        # Behind a block: the sum times both scales.
        code = to_binary32(Cut(m), total, exponent, nan)
        scaled = Signal(accumulator.bits, reset_less=True)
        with m.If(self.convert_en):
            m.d.sync += scaled.eq(code)

        operand = Signal(accumulator.bits)
        m.d.comb += operand.eq(Mux(self.first, begin, self.stored_psum))
        # Not inside of the `If` below: that would hold back the registers at the cuts too.
        psum_next = accumulator.add(operand, scaled, [Cut(m, en) for en in self.sum_en[:-1]])
        psum = Signal(accumulator.bits, reset_less=True)
        with m.If(self.sum_en[-1]):
            m.d.sync += psum.eq(psum_next)
        m.d.comb += self.psum.eq(psum)
        return m

    def _scales(self, m: Module, middle: Cut, end: Cut) -> tuple[Value, Value, Value]:
        """Return the exponent, whether a scale is NaN, and what to keep of a low scale word."""
        # Of a number with the leading one on top of the total, as `to_binary32` wants it.
        offset = self.total_bits - 2 - self.pe_type.fraction_bits - _SCALE_BIAS + BINARY32.bias - 1
        total = self.weight + self.activation
        ones = Cat(self.weight.all(), self.activation.all())
        if self.scaling.words == 1:
            exponent = end(middle((total + offset)[:_EXPONENT_BITS].as_signed()))
            return (
                Cut(m).name(exponent, "exponent"),
                end(middle(ones.any(), "nan"), "nan"),
                Const(0, 0),
            )
        total, ones = end(middle(total, "scales"), "scales"), end(middle(ones, "ones"), "ones")
        low = self.stored_block[self.total_bits :]
        exponent = ((total << self.config.weight_bits) + low[:-2] + offset)[:_EXPONENT_BITS]
        # Zero among products, so that nothing toggles.
        kept = Cat(total, ones) & (self.scale != 0).replicate(len(low))
        return Cut(m).name(exponent.as_signed(), "exponent"), (ones & low[-2:]).any(), kept


def to_binary32(bind: Cut, total: Value, exponent: Value, nan: Value) -> Value:
    """Return the binary32 code nearest to a total times a power of two.

    Parameters
    ----------
    bind
        Names what is used several times.
    total
        Signed, of at most 25 bits.
    exponent
        Exponent field of a result whose leading one is the total's highest bit below the sign,
        less 1, where that number is normal; signed.
    nan
        Whether the result is NaN instead.
    """
    bits = len(total) - 1
    negative = total[-1]
    # The leading one of the magnitude, but for negative powers of two, whose complement lacks it;
    # the carry of the negation then goes into the exponent.  A mark stops the search where the
    # exponent reaches that of subnormal numbers.
    complement = total[:-1] ^ negative.replicate(bits)
    stop = Cat((exponent == place) for place in reversed(range(bits + 1)))
    zeros = bind.name(leading_zeros(Cat(negative, complement) | stop, bind), "zeros")
    left = (Cat(Const(0, _PRECISION - bits), total[:-1]) << zeros)[:_PRECISION]

    # A number below them all moves to the right; its lowest bit here is half of the last place.
    tiny = exponent[-1]
    right, lost = _shift_right(bind, Cat(Const(0, _PRECISION - bits), total), ~exponent[:-1])
    up = tiny & right[0] & (right[1] | lost)
    shifted = Mux(tiny, right[1:], left) ^ negative.replicate(_PRECISION)
    shifted = bind.name(shifted, "shifted")

    # -x is ~x + 1, and -(x + 1) is ~x: rounding and negation share a carry.
    hidden = shifted[-1]
    field = bind.name((exponent + 1 - zeros)[:_EXPONENT_BITS], "field")
    infinite = hidden & (field[8:].any() | field[:8].all())
    code = bind.name(Cat(shifted[:-1], field[:8] & hidden.replicate(8)), "code")
    code = bind.name(Mux(up ^ negative, (code + 1)[:31], code), "code")
    blank = nan | infinite
    return Cat(
        code[:22] & ~blank.replicate(22),
        code[22] & ~blank | nan,
        code[23:] | blank.replicate(8),
        negative & ~nan,
    )


def _shift_right(bind: Cut, word: Value, places: Value) -> tuple[Value, Value]:
    """Return a word shifted to the right, as wide and signed, and whether a 1 left it."""
    negative, lost = word[-1], Const(0)
    for stage in reversed(range(5)):
        lost |= word[: 1 << stage].any() & places[stage]
        moved = word[1 << stage :].as_signed()
        word = bind.name(Mux(places[stage], moved, word.as_signed()), f"right{stage}")
    return Mux(places[5:].any(), negative.replicate(len(word)), word.as_unsigned()), lost
