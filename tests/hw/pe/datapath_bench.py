"""Drives products through a datapath, one per cycle, and compares each with the golden product."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from itertools import chain, repeat

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hw.config import PEConfig
from hw.pe.golden import accumulate
from hw.pe.registry import PE_TYPES

SEEDED_PRODUCTS = 20_000


def operand_pairs(config: PEConfig):
    """Yield all pairs of codes up to 16 operand bits, else the corners and seeded ones."""
    pe_type = PE_TYPES[config.pe_type]
    weight_bits, activation_bits = pe_type.weight.bits, pe_type.activation.bits
    if weight_bits + activation_bits <= 16:
        for weight in range(1 << weight_bits):
            for activation in range(1 << activation_bits):
                yield weight, activation
        return
    corners = [
        [0, 1, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1, (1 << (bits - 1)) + 1]
        for bits in (weight_bits, activation_bits)
    ]
    yield from ((weight, activation) for weight in corners[0] for activation in corners[1])
    random_codes = random.Random(1)
    for _ in range(SEEDED_PRODUCTS):
        yield random_codes.getrandbits(weight_bits), random_codes.getrandbits(activation_bits)


def operands_of(config: PEConfig, codes: tuple[int, int]) -> tuple[int, int]:
    """Return what the PE gets for a pair of codes: the codes, or operands decoded at the edge."""
    kind = PE_TYPES[config.pe_type]
    decoders = (kind.weight_decoder, kind.activation_decoder)
    if config.decoders == "pe":
        return codes
    weight, activation = (d.golden(c) if d else c for d, c in zip(decoders, codes, strict=True))
    return weight, activation


@cocotb.test()
async def every_product(dut):
    config = PEConfig(**json.loads(os.environ["PE_CONFIG"]))
    kind = PE_TYPES[config.pe_type]
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    for name in ("begin_en", "begin_zero", "product_en", "first", "sum_en"):
        port = getattr(dut, name)
        port.value = (1 << len(port)) - 1
    dut.rst.value = 0
    dut.stored_psum.value = 0
    dut.psum_in.value = 0
    edge = RisingEdge(dut.clk)
    weight_port, activation_port, psum = dut.weight, dut.activation, dut.psum
    weight_port.value = activation_port.value = 0
    for _ in range(3):
        await edge  # from here on psums begin at zero
    in_flight: deque[tuple[int, int]] = deque()
    checked, mask = 0, (1 << config.psum_width) - 1
    # Operands set after one edge are in `psum` when the edge after the last register is sampled.
    registers = config.depth + config.write_stage - config.sum_stage - 1
    for pair in chain(operand_pairs(config), repeat((0, 0), registers + 1)):
        await edge
        if len(in_flight) > registers:
            operands = in_flight.popleft()
            want = accumulate(0, kind.product(*operands), config) & mask
            got = int(psum.value)
            assert got == want, f"weight, activation {operands}: {got:#x} instead of {want:#x}"
            checked += 1
        weight_port.value, activation_port.value = operands_of(config, pair)
        in_flight.append(pair)
    assert checked == sum(1 for _ in operand_pairs(config))
