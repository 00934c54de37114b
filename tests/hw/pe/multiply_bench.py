"""Evaluates combinational logic on lists of inputs, without Verilog: for parameters of PE types
that no registry entry uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from amaranth.hdl import Module, Signal, Value
from amaranth.sim import Simulator

from hw.pe.cut import Cut
from hw.pe.pe_type import PEType

__all__ = ["evaluate", "products"]


def evaluate(
    logic: Callable[..., Iterable[Value]], widths: Iterable[int], inputs: Iterable[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """Return the outputs of combinational logic for each tuple of inputs."""
    ports = [Signal(width, name=f"in{i}") for i, width in enumerate(widths)]
    m = Module()
    values = list(logic(m, *ports))
    outputs = [Signal(value.shape(), name=f"out{i}") for i, value in enumerate(values)]
    m.d.comb += [output.eq(value) for output, value in zip(outputs, values, strict=True)]
    found = []

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for codes in inputs:
            for port, code in zip(ports, codes, strict=True):
                ctx.set(port, code)
            found.append(tuple(ctx.get(output) for output in outputs))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def products(kind: PEType, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return the products that the hardware of a PE type forms, as wide as it declares them."""

    def logic(m: Module, weight: Value, activation: Value) -> list[Value]:
        operands = [
            decoder.decode(code) if decoder else code
            for decoder, code in (
                (kind.weight_decoder, weight),
                (kind.activation_decoder, activation),
            )
        ]
        product = Value.cast(kind.multiply(*operands, Cut(m)))
        if kind.filter_lanes > 1:
            return [product]
        assert product.shape().signed
        return [product[: kind.product_bits].as_signed()]

    widths = (kind.weight.bits, kind.activation.bits)
    return [values[0] for values in evaluate(logic, widths, pairs)]
