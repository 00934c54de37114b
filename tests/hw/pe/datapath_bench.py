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
from hw.pe.golden import accumulate, to_signed
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


@cocotb.test()
async def every_product(dut):
    config = PEConfig(**json.loads(os.environ["PE_CONFIG"]))
    product = PE_TYPES[config.pe_type].product
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    for name in ("begin_en", "begin_zero", "product_en", "first", "sum_en"):
        getattr(dut, name).value = 1
    dut.rst.value = 0
    dut.stored_psum.value = 0
    dut.psum_in.value = 0
    edge = RisingEdge(dut.clk)
    weight_port, activation_port, psum = dut.weight, dut.activation, dut.psum
    weight_port.value = activation_port.value = 0
    for _ in range(3):
        await edge  # from here on psums begin at zero
    in_flight: deque[tuple[int, int]] = deque()
    checked = 0
    # Operands set after one edge are in `psum` when the edge after the last register is sampled.
    for pair in chain(operand_pairs(config), repeat((0, 0), config.pipeline_depth + 1)):
        await edge
        if len(in_flight) > config.pipeline_depth:
            operands = in_flight.popleft()
            want = accumulate(0, product(*operands), config)
            got = to_signed(int(psum.value), config.psum_width)
            assert got == want, f"weight, activation {operands}: {got} instead of {want}"
            checked += 1
        weight_port.value, activation_port.value = pair
        in_flight.append(pair)
    assert checked == sum(1 for _ in operand_pairs(config))
