"""Requantization: psums of integer types become activations of the next layer.

    code = saturate(floor((psum * scale + 2**(shift - 1)) / 2**shift))

with ReLU before saturation, if asked for; shift 0 adds nothing, and a shift is at most the bits of
psum and scale together.  `requantize` is the golden
function.  A pipeline of three stages moves while its last stage can.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from ..formats.fixed import FixedPoint

__all__ = ["Requantizer", "requantize"]

_SCALE_BITS = 16
_SHIFT_BITS = 6


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
        valid = Signal(3)
        m.d.comb += [
            moves.eq(~valid[2] | self.codes.ready),
            self.psums.ready.eq(moves),
            self.codes.valid.eq(valid[2]),
            self.empty.eq(valid == 0),
        ]
        with m.If(moves):
            m.d.sync += valid.eq(Cat(self.psums.valid, valid[:2]))
        half = Signal(self.psum_bits + _SCALE_BITS)
        m.d.comb += half.eq((Const(1, 1) << self.shift) >> 1)
        codes = [
            self._code(m, self.psums.payload[at : at + self.psum_bits].as_signed(), half, moves)
            for at in range(0, len(self.psums.payload), self.psum_bits)
        ]
        m.d.comb += self.codes.payload.eq(Cat(codes))
        return m

    def _code(self, m: Module, psum: Signal, half: Signal, moves: Signal) -> Signal:
        product = Signal(signed(self.psum_bits + _SCALE_BITS), reset_less=True)
        shifted = Signal(signed(self.psum_bits + _SCALE_BITS + 1), reset_less=True)
        code = Signal(self.activation.bits, reset_less=True)
        low, high = self.activation.min_int, self.activation.max_int
        floor = Mux(self.relu, 0, Const(low))
        with m.If(moves):
            m.d.sync += [
                product.eq(psum * self.scale),
                shifted.eq((product + half) >> self.shift),
                code.eq(shifted),
            ]
            with m.If(shifted > high):
                m.d.sync += code.eq(high)
            with m.Elif(shifted < floor):
                m.d.sync += code.eq(floor)
        return code
