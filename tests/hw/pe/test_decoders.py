"""Decoded operands: hardware against golden, over all codes, one cycle later at the edge."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator

from hw.pe.edge import EdgeDecoder, edge_decoders
from hw.pe.part import to_verilog
from hw.pe.registry import PE_TYPES

DECODED = [name for name, kind in PE_TYPES.items() if kind.weight_decoder]


def _operands(part: EdgeDecoder, codes: list[int]) -> list[int]:
    """Return what comes out one cycle after each code, then once more without `en`."""
    found = []

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for code, en in [(code, 1) for code in codes] + [(codes[0], 0)]:
            ctx.set(part.en, en)
            ctx.set(part.code, code)
            await ctx.tick()
            found.append(ctx.get(part.operand))

    simulator = Simulator(part)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("name", DECODED)
def test_every_code_is_decoded(name: str) -> None:
    for part in edge_decoders(PE_TYPES[name]).values():
        codes = list(range(1 << len(part.code)))
        wanted = [part.decoder.golden(code) for code in codes]
        assert _operands(part, codes) == [*wanted, wanted[-1]]


@pytest.mark.parametrize("name", DECODED)
def test_operands_tell_all_codes_apart_and_waste_no_bit(name: str) -> None:
    kind = PE_TYPES[name]
    for fmt, decoder in (
        (kind.weight, kind.weight_decoder),
        (kind.activation, kind.activation_decoder),
    ):
        assert decoder is not None
        operands = [decoder.golden(code) for code in range(1 << fmt.bits)]
        assert len(set(operands)) == len(operands)
        changing = 0
        for operand in operands:
            changing |= operand ^ operands[0]
        assert changing == (1 << decoder.bits) - 1


def test_decoders_are_parts_with_names_of_their_own() -> None:
    parts = [part for name in DECODED for part in edge_decoders(PE_TYPES[name]).values()]
    assert len({part.module_name for part in parts}) == len(parts)
    for part in parts:
        assert f"module {part.module_name}(" in to_verilog(part, part.module_name)


def test_types_without_decoders_have_none_at_the_edge() -> None:
    assert {"flint4", "posit8", "lp8"} <= set(DECODED)
    assert edge_decoders(PE_TYPES["int8"]) == {}
