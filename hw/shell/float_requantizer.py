"""Requantization of floating point: binary32 psums become activations of a smaller format.

Rounding is to nearest, ties to even.  Beyond the largest number come infinity, where the format has
one, else the largest number; NaN stays NaN.  ReLU makes every negative psum zero, -0 too.
`requantize_float` is the golden function.  A pipeline of three stages moves while its last stage
can, like that of integers.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from ..formats import BINARY32, Float
from ..pe.binary32 import unpack

__all__ = ["FloatRequantizer", "requantize_float"]


def requantize_float(psum: int, activation: Float, *, relu: bool) -> int:
    """Return the activation code of a psum (a code of binary32)."""
    value = BINARY32.decode(np.array([psum]))
    if relu and np.signbit(value[0]) and not np.isnan(value[0]):
        return 0
    overflow = "saturate" if activation.infinity_code is None else "special"
    return int(activation.encode(value, overflow=overflow)[0])


class FloatRequantizer(wiring.Component):
    """Rounds a row of psums, one code for each."""

    def __init__(self, config: HardwareConfig) -> None:
        activation = config.kind.activation
        assert isinstance(activation, Float)
        self.activation, self.words = activation, config.psums_per_row
        super().__init__(
            {
                "relu": In(1),
                "psums": In(stream.Signature(self.words * BINARY32.bits)),
                "codes": Out(stream.Signature(self.words * activation.bits)),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        moves, valid = Signal(), Signal(3)
        m.d.comb += [
            moves.eq(~valid[2] | self.codes.ready),
            self.psums.ready.eq(moves),
            self.codes.valid.eq(valid[2]),
            self.empty.eq(valid == 0),
        ]
        with m.If(moves):
            m.d.sync += valid.eq(Cat(self.psums.valid, valid[:2]))
        size = BINARY32.bits
        codes = [
            self._code(m, self.psums.payload[at : at + size], moves)
            for at in range(0, len(self.psums.payload), size)
        ]
        m.d.comb += self.codes.payload.eq(Cat(codes))
        return m

    def _code(self, m: Module, psum: Value, moves: Value) -> Value:
        fmt = self.activation
        dropped = BINARY32.fraction_bits - fmt.fraction_bits
        parts = unpack(BINARY32, psum)

        def registered(value: Value, name: str, shape: object = None) -> Signal:
            held = Signal(len(value) if shape is None else shape, name=name, reset_less=True)
            with m.If(moves):
                m.d.sync += held.eq(value)
            return held

        # How far the exponent lies above (or below) the format's smallest one.
        above = Signal(signed(10))
        m.d.comb += above.eq(parts.exponent - (fmt.min_exponent + BINARY32.bias))
        field = registered(Mux(above < 0, 0, above), "field", 9)
        most = fmt.fraction_bits + 3  # everything beyond is the same to rounding
        below = registered(Mux(above < -most, most, Mux(above < 0, -above, 0)), "below", 6)
        # The last bit tells whether anything was dropped below it.
        low = parts.significand[: max(0, dropped - 2)]
        significand = Cat(low.any() if len(low) else Const(0, 1), parts.significand[len(low) :])
        if dropped < 2:
            significand = Cat(Const(0, 3 - len(low) - dropped), parts.significand)
        sig = registered(significand, "significand")
        kinds = Cat(parts.sign, parts.infinite, parts.nan)
        first = registered(kinds, "kind")

        gone = Signal(len(sig))
        m.d.comb += gone.eq(sig & ~(Const(-1, len(sig)) << below)[: len(sig)])
        shifted = registered((sig >> below) | gone.any(), "shifted", len(sig))
        exponent, second = registered(field, "exponent"), registered(first, "kind2")

        extra = len(sig) - (BINARY32.fraction_bits + 1 - dropped)  # bits below the last place
        whole, rest = shifted[extra:], shifted[:extra]
        half = 1 << extra - 1
        up = (rest > half) | ((rest == half) & whole[0])
        code = Signal(10 + fmt.fraction_bits)
        m.d.comb += code.eq((exponent << fmt.fraction_bits) + whole + up)
        over = fmt.largest_code if fmt.infinity_code is None else fmt.infinity_code
        sign, infinite, nan = second
        magnitude = Mux(infinite | (code > fmt.largest_code), over, code[: fmt.bits - 1])
        number = Mux(sign & self.relu, 0, Cat(magnitude[: fmt.bits - 1], sign))
        return registered(Mux(nan, fmt.nan_code or 0, number), "code", fmt.bits)
