"""Requantization: psums of integer types become activations of the next layer.

    code = saturate(floor((psum * scale + 2**(shift - 1)) / 2**shift))

with ReLU before saturation, if asked for; shift 0 adds nothing, and a shift is at most the bits of
psum and scale together.  `requantize` is the golden function.  A pipeline of `STAGES` stages moves
while its last stage can: the psum, three times the psum, the product as two rows, its lower and
its upper half, two steps of the shift, rounding with saturation.

The shift leaves a bit below the last place, which rounding adds, and of the bits above the code
only whether they are more than a sign.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from ..formats.fixed import FixedPoint
from .carry_save import carry_save
from .queue import chosen

__all__ = ["STAGES", "Requantizer", "requantize"]

_SCALE_BITS = 16
_SHIFT_BITS = 6
_FINE_BITS = 3
STAGES = 8
"""Cycles from a psum to its code."""


def requantize(psum: int, activation: FixedPoint, *, scale: int, shift: int, relu: bool) -> int:
    """Return the activation code of a psum (an integer)."""
    value = psum * scale
    value = (value + (1 << shift - 1)) >> shift if shift else value
    low = 0 if relu else activation.min_int
    return max(low, min(activation.max_int, value)) & (1 << activation.bits) - 1


class Requantizer(wiring.Component):
    """Requantizes a row of psums, one code for each."""

    def __init__(self, config: HardwareConfig) -> None:
        activation = config.kind.activation
        assert isinstance(activation, FixedPoint)
        self.activation = activation
        self.psum_bits, self.words = config.design.pe.psum_width, config.psums_per_row
        super().__init__(
            {
                "scale": In(_SCALE_BITS),
                "shift": In(_SHIFT_BITS),
                "relu": In(1),
                "psums": In(stream.Signature(self.words * self.psum_bits)),
                "codes": Out(stream.Signature(self.words * activation.bits)),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        moves = Signal()
        valid = Signal(STAGES)
        m.d.comb += [
            moves.eq(~valid[-1] | self.codes.ready),
            self.psums.ready.eq(moves),
            self.codes.valid.eq(valid[-1]),
            self.empty.eq(valid == 0),
        ]
        with m.If(moves):
            m.d.sync += valid.eq(Cat(self.psums.valid, valid[:-1]))
        # The scale digit by digit (base 4), one bit set for 1, 2 or 3; long before the first psum.
        digits = [Signal(3, name=f"digit{at}") for at in range(0, _SCALE_BITS, 2)]
        for at, digit in enumerate(digits):
            m.d.sync += digit.eq((1 << self.scale[2 * at : 2 * at + 2]) >> 1)
        codes = [
            self._code(m, self.psums.payload[at : at + self.psum_bits], digits, moves)
            for at in range(0, len(self.psums.payload), self.psum_bits)
        ]
        m.d.comb += self.codes.payload.eq(Cat(codes))
        return m

    def _code(self, m: Module, psum: Value, digits: list[Signal], moves: Value) -> Value:
        def held(value: Value, name: str) -> Signal:
            register = Signal(value.shape(), name=name, reset_less=True)
            with m.If(moves):
                m.d.sync += register.eq(value)
            return register

        value, over, negative = self._shifted(self._product(m, psum, digits, held), held)
        # The bit below the last place is half of it.
        rounded = value[1:].as_signed() + value[0]
        low, high = self.activation.min_int, self.activation.max_int
        code = Mux(
            negative,
            Mux(self.relu, 0, Mux(over | (rounded < low), low, rounded)),
            Mux(over | (rounded > high), high, rounded),
        )
        return held(code[: self.activation.bits], "code")

    def _product(
        self, m: Module, psum: Value, digits: list[Signal], held: Callable[[Value, str], Signal]
    ) -> Value:
        """Return psum times scale, four stages later."""
        bits, top = self.psum_bits + _SCALE_BITS, self.psum_bits - 1
        # Without its sign a psum is 2**top larger, which a row of the product takes back.
        unsigned = held(psum ^ 1 << top, "psum")[: top + 1]
        one, three = held(unsigned, "one"), held(unsigned + (unsigned << 1), "three")
        multiples = (one, one << 1, three)
        rows = [chosen(multiples, digit) << 2 * at for at, digit in enumerate(digits)]
        rows.append((-self.scale << top)[:bits])
        a, b = (held(row, f"row{at}") for at, row in enumerate(carry_save(m, rows, 2)))
        half = bits // 2
        low = held(a[:half] + b[:half], "low")
        high_a, high_b = held(a[half:], "high_a"), held(b[half:], "high_b")
        high = held((high_a + high_b + low[half])[: bits - half], "high")
        return Cat(held(low[:half], "low_again"), high)

    def _shifted(
        self, product: Value, held: Callable[[Value, str], Signal]
    ) -> tuple[Value, Value, Value]:
        """Return the shifted product with one bit below its last place, whether it has more bits
        than fit, and whether it is negative, two stages later."""
        fits = self.activation.max_int.bit_length() + 2
        size, step = fits + (1 << _FINE_BITS) - 1, 1 << _FINE_BITS
        sign = product[-1]
        extended = Cat(Const(0, 1), product, sign.replicate(size))
        starts = range(0, len(product) + 1, step)
        more = [
            (extended[at + size - 1 :] != sign.replicate(len(extended) - at - size + 1))
            for at in starts
        ]
        coarse_by = self.shift[_FINE_BITS:]
        window = held(Array(extended[at : at + size] for at in starts)[coarse_by], "window")
        over, sign = held(Array(more)[coarse_by], "over"), held(sign, "negative")
        moved = window.as_signed() >> self.shift[:_FINE_BITS]
        over = over | Cat(bit ^ sign for bit in moved[fits - 1 :]).any()
        return held(moved[:fits], "value"), held(over, "over_value"), held(sign, "negative_value")
