"""Requantization: psums of integer types become activations of the next layer.

    code = saturate(floor((psum * scale + 2**(shift - 1)) / 2**shift))

with ReLU before saturation, if asked for; shift 0 adds nothing, and a shift is at most the bits of
psum and scale together.  `requantize` is the golden function.  A pipeline of `STAGES` stages moves
while its last stage can: the psum, two halves of the product, their sum, rounding, two steps of the
shift, saturation.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from ..formats.fixed import FixedPoint

__all__ = ["STAGES", "Requantizer", "requantize"]

_SCALE_BITS = 16
_SHIFT_BITS = 6
STAGES = 7
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
        half = Signal(self.psum_bits + _SCALE_BITS)
        m.d.sync += half.eq((Const(1, 1) << self.shift) >> 1)  # long before the first psum
        codes = [
            self._code(m, self.psums.payload[at : at + self.psum_bits].as_signed(), half, moves)
            for at in range(0, len(self.psums.payload), self.psum_bits)
        ]
        m.d.comb += self.codes.payload.eq(Cat(codes))
        return m

    def _code(self, m: Module, psum: Value, half: Value, moves: Value) -> Signal:
        bits = self.psum_bits + _SCALE_BITS

        def registered(value: Value, name: str, width: int) -> Signal:
            held = Signal(signed(width), name=name, reset_less=True)
            with m.If(moves):
                m.d.sync += held.eq(value)
            return held

        psum, middle = registered(psum, "psum", self.psum_bits), _SCALE_BITS // 2
        low_half = registered(psum * self.scale[:middle], "low_half", bits)
        high_half = registered(psum * self.scale[middle:], "high_half", bits)
        product = registered(low_half + (high_half << middle), "product", bits)
        rounded = registered(product + half, "rounded", bits + 1)
        coarse = registered(rounded >> Cat(Const(0, 3), self.shift[3:]), "coarse", bits + 1)
        shifted = registered(coarse >> self.shift[:3], "shifted", bits + 1)

        code = Signal(self.activation.bits, reset_less=True)
        low, high = self.activation.min_int, self.activation.max_int
        floor = Mux(self.relu, 0, Const(low))
        with m.If(moves):
            m.d.sync += code.eq(shifted)
            with m.If(shifted > high):
                m.d.sync += code.eq(high)
            with m.Elif(shifted < floor):
                m.d.sync += code.eq(floor)
        return code
