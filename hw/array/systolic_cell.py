"""The arithmetic of a systolic cell: a registered product, and its sum with a psum.

The operands are registered outside.  At pipeline depth 1 the product is formed in the cycle of the
sum, at depth 2 in the one before, at depth 3 in the two before.
"""

from __future__ import annotations

from amaranth.hdl import (
    Cat,
    ClockSignal,
    Const,
    Instance,
    Module,
    Mux,
    ResetSignal,
    Shape,
    Signal,
    Value,
    signed,
    unsigned,
)
from amaranth.lib.wiring import Flow, PureInterface

from ..config import PEConfig
from ..pe.cut import Cut
from ..pe.part import Part
from .systolic import SystolicConfig

__all__ = [
    "cell_name",
    "delay",
    "edge_activation",
    "edge_weight",
    "make_product",
    "make_sum",
    "place_cell",
]

_ALWAYS = Const(1)


def cell_name(config: SystolicConfig) -> str:
    """Return the module name of a cell, the same for arrays of all sizes."""
    pe = config.pe
    psum = f"sat{pe.psum_width}" if pe.saturating else f"w{pe.psum_width}"
    edge = "_edge" if pe.decoders == "edge" else ""
    return f"{config.dataflow}_cell_{pe.pe_type}{edge}_{psum}_d{pe.depth}"


def delay(m: Module, value: Value, cycles: int, name: str, *, reset: bool = False) -> Value:
    """Return a value as it was some cycles ago."""
    for cycle in range(cycles):
        register = Signal(Value.cast(value).shape(), name=f"{name}_{cycle}", reset_less=not reset)
        m.d.sync += register.eq(value)
        value = register
    return value


def edge_weight(config: SystolicConfig, word: Value) -> Value:
    """Return a weight as cells take it, decoded here where decoders are at the edge."""
    decoder = config.kind.weight_decoder
    return decoder.decode(word) if decoder and config.pe.decoders == "edge" else word


def edge_activation(config: SystolicConfig, word: Value) -> Value:
    """Return an activation as cells take it, its mask bit on top."""
    decoder, bits = config.kind.activation_decoder, config.kind.activation.bits
    if decoder is None or config.pe.decoders == "pe":
        return word
    return Cat(decoder.decode(word[:bits]), word[bits:])


def place_cell(m: Module, cell: Part, name: str) -> PureInterface:
    """Put one instance of a cell's module into an array and return its ports."""
    ports = cell.signature.create(path=(name,))
    pins = {
        f"{'i' if member.flow is Flow.In else 'o'}_{'__'.join(map(str, path))}": value
        for path, member, value in cell.signature.flatten(ports)
    }
    m.submodules[name] = Instance(
        cell.module_name, i_clk=ClockSignal(), i_rst=ResetSignal(), **pins
    )
    return ports


def make_product(m: Module, config: SystolicConfig, weight: Value, activation: Value) -> Value:
    """Return the product of the operands of `depth` - 1 cycles ago, nothing for a masked one."""
    pe, kind = config.pe, config.kind
    code = activation[: pe.activation_bits]
    present = activation[pe.activation_bits :]
    if pe.decoders == "pe":
        decoders = kind.weight_decoder, kind.activation_decoder
        weight, code = (
            decoder.decode(value) if decoder else value
            for decoder, value in zip(decoders, (weight, code), strict=True)
        )
    value = kind.multiply(weight, code, Cut(m, _ALWAYS if pe.depth == 3 else None))
    # An accumulator's code is kept as it is; other products are signed, lane by lane.
    coded = kind.accumulator is not None or kind.filter_lanes > 1
    bits = kind.product_bits * kind.filter_lanes
    shape: Shape = unsigned(bits) if coded else signed(bits)
    product = Signal(shape, name="product", reset_less=True)
    m.d.comb += product.eq(value)
    if config.masked:
        # Behind the cut the mask bit is as old as the product.
        there = delay(m, present, int(pe.depth == 3), "present")
        kept = Signal(shape, name="kept_product")
        # x + -0 is x for every floating-point x, which +0 is not for -0.
        nothing = 1 << (bits - 1) if kind.accumulator is not None else 0
        m.d.comb += kept.eq(Mux(there, product, Const(nothing, bits)))
        product = kept
    return delay(m, product, int(pe.depth > 1), "product_register")


def make_sum(m: Module, config: SystolicConfig, psum: Value, product: Value) -> Value:
    """Return psum plus product, `adder_cycles` - 1 cycles later."""
    pe, kind = config.pe, config.kind
    if kind.accumulator is not None:
        cuts = [Cut(m, _ALWAYS) for _ in range(kind.accumulator.stages - 1)]
        return kind.accumulator.add(psum, product, cuts)
    width, bits = pe.lane_width, kind.product_bits
    return Cat(
        _lane_sum(
            m,
            pe,
            psum[width * lane : width * (lane + 1)].as_signed(),
            product[bits * lane : bits * (lane + 1)].as_signed(),
        )
        for lane in range(kind.filter_lanes)
    )


def _lane_sum(m: Module, pe: PEConfig, psum: Value, product: Value) -> Value:
    width = pe.lane_width
    total = Signal(signed(max(width, len(product)) + 1), name="total")
    m.d.comb += total.eq(psum + product)
    if not pe.saturating:
        return total[:width]
    sign, above = total[-1], total[width - 1 :]
    highest = Const((1 << (width - 1)) - 1, width)
    fits = above.all() | ~above.any()
    return Mux(fits, total[:width], Mux(sign, ~highest, highest))
