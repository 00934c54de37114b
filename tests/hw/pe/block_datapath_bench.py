"""Drives products and scales through a datapath with shared scales, one slot per cycle.

Every product goes into a block that opens or goes on; scales meet sums of every size.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

from .datapath_bench import operand_pairs

CONFIG = PEConfig(**json.loads(os.environ["PE_CONFIG"]))
KIND = PE_TYPES[CONFIG.pe_type]
SCALING = KIND.scaling
BITS = KIND.weight.bits
TOTAL_BITS = KIND.product_bits + (SCALING.block - 1).bit_length()
MINUS_ZERO = 1 << 31
"""The psum that leaves every summand as it is."""
SEEDED_SCALES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What the datapath gets for one slot."""

    weight: int
    activation: int
    stored_block: int
    opens: int = 0
    scale: int = 0


async def start(dut) -> None:
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    for name in ("begin_en", "product_en", "block_en", "convert_en", "first", "sum_en"):
        port = getattr(dut, name)
        port.value = (1 << len(port)) - 1
    dut.rst.value = dut.begin_zero.value = dut.stored_psum.value = 0
    dut.psum_in.value = MINUS_ZERO
    for _ in range(3):
        await RisingEdge(dut.clk)


async def play(dut, slots: list[Slot], port: str) -> list[int]:
    """Return what a port shows for each slot; there is one slot per cycle."""
    behind = CONFIG.write_stage if port == "psum" else CONFIG.product_stage
    latency = behind - CONFIG.operand_stage + (port == "block")
    output, found, last = getattr(dut, port), [], len(slots) - 1
    edge = RisingEdge(dut.clk)
    for cycle in range(len(slots) + latency + 1):
        await edge
        if cycle > latency:
            found.append(int(output.value))
        now = slots[min(cycle, last)]
        dut.weight.value, dut.activation.value = now.weight, now.activation
        later = slots[min(max(cycle - CONFIG.depth + 1, 0), last)]
        dut.opens.value, dut.scale.value = later.opens, later.scale
        dut.stored_block.value = later.stored_block
    return found


def extremes() -> tuple[int, int]:
    """Return the lowest and the highest sum of a block."""
    codes = range(1 << BITS)
    products = [KIND.product(w, a) for w in codes for a in codes]
    return SCALING.block * min(products), SCALING.block * max(products)


def word(total: int, dice: random.Random) -> int:
    """Return a block word with a sum, and anything above it."""
    above = SCALING.block_bits - TOTAL_BITS
    return dice.getrandbits(above) << TOTAL_BITS | total & ((1 << TOTAL_BITS) - 1)


@cocotb.test()
async def every_product(dut):
    dice = random.Random(1)
    lowest, highest = (end * (SCALING.block - 1) // SCALING.block for end in extremes())
    pairs = list(operand_pairs(CONFIG))
    totals = [dice.choice((lowest, highest, dice.randint(lowest, highest))) for _ in pairs]
    slots = [
        Slot(weight=w, activation=a, stored_block=word(total, dice), opens=dice.getrandbits(1))
        for (w, a), total in zip(pairs, totals, strict=True)
    ]
    await start(dut)
    mask = (1 << TOTAL_BITS) - 1
    blocks = await play(dut, slots, "block")
    for slot, total, block in zip(slots, totals, blocks, strict=True):
        want = (0 if slot.opens else total) + KIND.product(slot.weight, slot.activation)
        assert block & mask == want & mask, f"{block:#x} instead of {want & mask:#x} for {slot}"
    assert len(blocks) == 1 << 2 * BITS


def scaled_sums(dice: random.Random) -> list[tuple[int, int, int]]:
    """Return sums of blocks with both scales: corners, and seeded ones."""
    lowest, highest = extremes()
    corners = [0, 1, -1, 3, -3, lowest, lowest + 1, highest - 1, highest, highest // 2]
    ends = [0, 1, 126, 127, 128, 253, 254, 255, 15, 240]
    cases = [(total, w, a) for total in corners for w in ends for a in ends]
    for _ in range(SEEDED_SCALES):
        # any result, those around the smallest numbers, and those around the largest
        both = dice.choice((dice.randint(0, 510), dice.randint(85, 145), dice.randint(360, 400)))
        weight = dice.randint(max(0, both - 255), min(255, both))
        size = dice.randint(0, highest.bit_length())
        total = dice.choice((dice.randint(lowest, highest), 1 << size, -(1 << size), 3 << size))
        cases.append((max(lowest, min(highest, total)), weight, both - weight))
    return cases


@cocotb.test()
async def scaled(dut):
    dice = random.Random(2)
    cases = scaled_sums(dice)
    await start(dut)
    words = [word(total, dice) for total, _, _ in cases]
    for index in range(SCALING.words):
        low = BITS * index
        slots = [
            Slot(
                weight=weight >> low & ((1 << BITS) - 1),
                activation=activation >> low & ((1 << BITS) - 1),
                stored_block=stored,
                scale=index + 1,
            )
            for (_, weight, activation), stored in zip(cases, words, strict=True)
        ]
        words = await play(dut, slots, "psum" if index == SCALING.words - 1 else "block")
    results = set()
    for case, got in zip(cases, words, strict=True):
        want = SCALING.scaled(*case)
        assert got == want, f"sum, scales {case}: {got:#x} instead of {want:#x}"
        results.add(got)
    subnormal = sum(0 < code & ~MINUS_ZERO < 1 << 23 for code in results)
    assert results >= {0, MINUS_ZERO, 0x7F800000, 0xFF800000, 0x7FC00000} and subnormal > 100
