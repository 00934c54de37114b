"""The datapath: decoders, product, sum.  The only part that differs between PE types.

Operands arrive registered (the scratchpads' read registers).  Pipeline depth 1 has no register up
to the sum, depth 2 one behind the product, depth 3 one more at the cut inside the product.  Adders
of several stages have registers of their own.  The sum is registered in `psum`, which is both the
word written to the psum scratchpad and the payload of the outgoing stream.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib.wiring import In, Out

from ..config import PEConfig
from .cut import Cut
from .part import Part
from .registry import PE_TYPES

__all__ = ["Datapath", "begin_psum", "decoded"]


class Datapath(Part):
    """Multiply-accumulate of one PE type at one psum width and depth."""

    def __init__(self, config: PEConfig) -> None:
        self.config = config
        self.pe_type = kind = PE_TYPES[config.pe_type]
        self.adder_stages = config.write_stage - config.sum_stage
        width = config.psum_width
        psum = f"sat{width}" if config.saturating else f"w{width}"
        edge = "_edge" if config.decoders == "edge" else ""
        self.module_name = f"datapath_{kind.name}{edge}_{psum}_d{config.depth}"
        super().__init__(
            {
                "weight": In(config.weight_bits),
                "activation": In(config.activation_bits),
                "stored_psum": In(width),
                "psum_in": In(width),
                "begin_en": In(1),  # a psum begins in the next accumulating cycle: take psum_in ...
                "begin_zero": In(1),  # ... or zero
                "product_en": In(max(1, config.depth - 1)),  # one bit for each register
                "first": In(1),  # the sum begins with the incoming psum, not with the stored one
                "sum_en": In(self.adder_stages),
                "psum": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c, kind = self.config, self.pe_type
        begin = begin_psum(m, self)
        cut = Cut(m, self.product_en[0] if c.depth == 3 else None)
        value = kind.multiply(*decoded(self), cut)
        # An accumulator's code is kept as it is; other products are signed, lane by lane.
        coded = kind.accumulator is not None or kind.filter_lanes > 1
        bits = kind.product_bits * kind.filter_lanes
        shape: Shape = unsigned(bits) if coded else signed(bits)
        product = Signal(shape, reset_less=True)
        if c.depth == 1:
            m.d.comb += product.eq(value)
        else:
            with m.If(self.product_en[-1]):
                m.d.sync += product.eq(value)

        operand = Signal(c.psum_width)
        m.d.comb += operand.eq(Mux(self.first, begin, self.stored_psum))
        total = self._sum(m, operand, product)
        psum = Signal(c.psum_width, reset_less=True)
        with m.If(self.sum_en[-1]):
            m.d.sync += psum.eq(total)
        m.d.comb += self.psum.eq(psum)
        return m

    def _sum(self, m: Module, psum: Value, product: Value) -> Value:
        kind, width, bits = self.pe_type, self.config.lane_width, self.pe_type.product_bits
        if kind.accumulator is not None:
            return kind.accumulator.add(psum, product, [Cut(m, en) for en in self.sum_en[:-1]])
        lanes = [
            self._lane_sum(
                m,
                psum[width * lane : width * (lane + 1)].as_signed(),
                product[bits * lane : bits * (lane + 1)].as_signed(),
            )
            for lane in range(kind.filter_lanes)
        ]
        return Cat(lanes)

    def _lane_sum(self, m: Module, psum: Value, product: Value) -> Value:
        """Return the sum of one psum and one product, exact or saturating."""
        width = self.config.lane_width
        total = Signal(signed(max(width, len(product)) + 1))
        m.d.comb += total.eq(psum + product)
        if not self.config.saturating:
            return total[:width]
        sign, above = total[-1], total[width - 1 :]
        highest = Const((1 << (width - 1)) - 1, width)
        fits = above.all() | ~above.any()
        return Mux(fits, total[:width], Mux(sign, ~highest, highest))


def begin_psum(m: Module, datapath: Part) -> Value:
    """Return the register a psum begins with: the incoming psum, or zero."""
    begin = Signal(len(datapath.psum_in), reset_less=True)
    with m.If(datapath.begin_en):
        m.d.sync += begin.eq(Mux(datapath.begin_zero, 0, datapath.psum_in))
    return begin


def decoded(datapath: Part) -> tuple[Value, Value]:
    """Return the operands of a product: decoded here, or already at the edge of the array."""
    kind, here = datapath.pe_type, datapath.config.decoders == "pe"
    operands = []
    for port, decoder in (
        (datapath.weight, kind.weight_decoder),
        (datapath.activation, kind.activation_decoder),
    ):
        operands.append(decoder.decode(port) if decoder and here else port)
    return operands[0], operands[1]
