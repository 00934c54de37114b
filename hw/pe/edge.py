"""A decoder at the edge of the array: one for each row or column, in place of one in every PE.

The published arrays of flint (ANT) and logarithmic posits (LPA) have theirs there.  An edge decoder
is a part like those of a PE, so that its area and energy are measured the same way; PEs of such an
array have `decoders="edge"` and get, and keep in their scratchpads, decoded operands.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from .part import Part
from .pe_type import Decoder, PEType

__all__ = ["EdgeDecoder", "edge_decoders"]


class EdgeDecoder(Part):
    """A registered decoder: `operand` is that of the last code that came with `en`."""

    def __init__(self, name: str, code_bits: int, decoder: Decoder) -> None:
        self.decoder = decoder
        self.module_name = name
        super().__init__({"en": In(1), "code": In(code_bits), "operand": Out(decoder.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        operand = Signal(self.decoder.bits, reset_less=True)
        with m.If(self.en):
            m.d.sync += operand.eq(self.decoder.decode(self.code))
        m.d.comb += self.operand.eq(operand)
        return m


def edge_decoders(kind: PEType) -> dict[str, EdgeDecoder]:
    """Return the edge decoders of a PE type by the operand they serve: weight, activation."""
    sides = {
        "weight": (kind.weight, kind.weight_decoder),
        "activation": (kind.activation, kind.activation_decoder),
    }
    return {
        side: EdgeDecoder(f"decoder_{kind.name}_{side}", fmt.bits, decoder)
        for side, (fmt, decoder) in sides.items()
        if decoder
    }
