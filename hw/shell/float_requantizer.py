"""Requantization of floating point: binary32 psums become activations of a smaller format.

Rounding is to nearest, ties to even.  Beyond the largest number come infinity, where the format has
one, else the largest number; NaN stays NaN.  ReLU makes every negative psum zero, -0 too.
`requantize_float` is the golden function.  The pipeline has as many stages as that of integers:
operand, exponent, distance, shift, rounding, range, special codes, and one that only waits.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from ..formats import BINARY32, Float
from ..pe.binary32 import unpack
from .requantizer import STAGES

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
        moves, valid = Signal(), Signal(STAGES)
        m.d.comb += [
            moves.eq(~valid[-1] | self.codes.ready),
            self.psums.ready.eq(moves),
            self.codes.valid.eq(valid[-1]),
            self.empty.eq(valid == 0),
        ]
        with m.If(moves):
            m.d.sync += valid.eq(Cat(self.psums.valid, valid[:-1]))
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

        def registered(value: Value, name: str, shape: object = None) -> Signal:
            held = Signal(len(value) if shape is None else shape, name=name, reset_less=True)
            with m.If(moves):
                m.d.sync += held.eq(value)
            return held

        parts = unpack(BINARY32, registered(psum, "psum"))
        # How far the exponent lies above (or below) the format's smallest one.
        above = registered(parts.exponent - (fmt.min_exponent + BINARY32.bias), "above", signed(10))
        # The last bit tells whether anything was dropped below it.
        low = parts.significand[: max(0, dropped - 2)]
        significand = Cat(low.any() if len(low) else Const(0, 1), parts.significand[len(low) :])
        if dropped < 2:
            significand = Cat(Const(0, 3 - len(low) - dropped), parts.significand)
        kinds: Value = registered(Cat(parts.sign, parts.infinite, parts.nan), "kinds")
        sig = registered(significand, "significand")

        field = registered(Mux(above < 0, 0, above), "field", 9)
        most = fmt.fraction_bits + 3  # everything beyond is the same to rounding
        below = registered(Mux(above < -most, most, Mux(above < 0, -above, 0)), "below", 6)
        aligned, kinds = registered(sig, "aligned"), registered(kinds, "kinds3")

        gone = Signal(len(sig))
        m.d.comb += gone.eq(aligned & ~(Const(-1, len(sig)) << below)[: len(sig)])
        shifted = registered((aligned >> below) | gone.any(), "shifted", len(sig))
        exponent, kinds = registered(field, "exponent"), registered(kinds, "kinds4")

        extra = len(sig) - (BINARY32.fraction_bits + 1 - dropped)  # bits below the last place
        whole, rest = shifted[extra:], shifted[:extra]
        half = 1 << extra - 1
        up = (rest > half) | ((rest == half) & whole[0])
        bits = 10 + fmt.fraction_bits
        code = registered((exponent << fmt.fraction_bits) + whole + up, "rounded", bits)
        sign, infinite, nan = registered(kinds, "kinds5")

        over = fmt.largest_code if fmt.infinity_code is None else fmt.infinity_code
        magnitude = Mux(infinite | (code > fmt.largest_code), over, code[: fmt.bits - 1])
        number = registered(Cat(magnitude[: fmt.bits - 1], sign), "number", fmt.bits)
        zero, missing = registered(sign & self.relu, "zero"), registered(nan, "missing")
        code = registered(Mux(missing, fmt.nan_code or 0, Mux(zero, 0, number)), "chosen", fmt.bits)
        return registered(code, "code")
