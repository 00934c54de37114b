"""The datapath: product, sum, saturation.  The only part that differs between PE types.

Operands arrive registered (the scratchpads' read registers).  Depth 1 multiplies and accumulates in
one cycle; depth 2 has a register between product and sum.  The sum is registered in `psum`, which
is both the word written to the psum scratchpad and the payload of the outgoing stream.
"""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from ..config import PEConfig
from .part import Part
from .registry import PE_TYPES

__all__ = ["Datapath"]


class Datapath(Part):
    """Multiply-accumulate of one PE type at one psum width and depth."""

    def __init__(self, config: PEConfig) -> None:
        self.config = config
        self.pe_type = PE_TYPES[config.pe_type]
        width = config.psum_width
        kind = f"sat{width}" if config.saturating else f"w{width}"
        self.module_name = f"datapath_{config.pe_type}_{kind}_d{config.pipeline_depth}"
        super().__init__(
            {
                "weight": In(self.pe_type.weight.bits),
                "activation": In(self.pe_type.activation.bits),
                "stored_psum": In(width),
                "psum_in": In(width),
                "begin_en": In(1),  # a psum begins in the next accumulating cycle: take psum_in ...
                "begin_zero": In(1),  # ... or zero
                "product_en": In(1),
                "first": In(1),  # the sum begins with the incoming psum, not with the stored one
                "sum_en": In(1),
                "psum": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.psum_width
        begin = Signal(signed(width), reset_less=True)
        with m.If(self.begin_en):
            m.d.sync += begin.eq(Mux(self.begin_zero, 0, self.psum_in.as_signed()))

        product = Signal(signed(self.pe_type.product_bits), reset_less=True)
        value = self.pe_type.multiply(self.weight, self.activation)
        if self.config.pipeline_depth == 1:
            m.d.comb += product.eq(value)
        else:
            with m.If(self.product_en):
                m.d.sync += product.eq(value)

        operand = Mux(self.first, begin, self.stored_psum.as_signed())
        total = Signal(signed(max(width, self.pe_type.product_bits) + 1))
        m.d.comb += total.eq(operand + product)
        result = total[:width]
        if self.config.saturating:
            sign, above = total[-1], total[width - 1 :]
            highest = Const((1 << (width - 1)) - 1, width)
            fits = above.all() | ~above.any()
            result = Mux(fits, result, Mux(sign, ~highest, highest))
        psum = Signal(signed(width), reset_less=True)
        with m.If(self.sum_en):
            m.d.sync += psum.eq(result)
        m.d.comb += self.psum.eq(psum)
        return m
