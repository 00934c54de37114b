"""Writes and reads a scratchpad at random, often both at once, and compares every word read."""

from __future__ import annotations

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer

CYCLES = 3000


@cocotb.test()
async def random_accesses(dut):
    words, bits = int(os.environ["SPAD_WORDS"]), int(os.environ["SPAD_BITS"])
    draw = random.Random(int(os.environ["SPAD_SEED"]))
    edge = RisingEdge(dut.clk)
    dut.rst.value = dut.write_en.value = dut.read_en.value = 0
    dut.write_addr.value = dut.read_addr.value = dut.write_data.value = dut.clk.value = 0
    await Timer(10, unit="ns")  # models of cells never forget an undefined value they stored
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    await edge
    stored = [None] * words  # what the scratchpad must hold after the edges so far
    expected, checked = None, 0
    for cycle in range(CYCLES):
        # First every word, then bursts: successive addresses as a PE has them, and random ones.
        counting = cycle < words or cycle % 64 < 32
        write, read = counting or draw.random() < 0.5, cycle >= words and draw.random() < 0.7
        write_addr = cycle % words if counting else draw.randrange(words)
        read_addr = draw.choice([draw.randrange(words), (write_addr + words - 1) % words])
        data = draw.getrandbits(bits)
        # Address and data move without a write, too.
        dut.write_en.value, dut.write_addr.value, dut.write_data.value = write, write_addr, data
        dut.read_en.value, dut.read_addr.value = read, read_addr
        await edge
        # The outputs are still those of the edge before.
        if expected is not None:
            got = int(dut.read_data.value)
            assert got == expected, f"cycle {cycle}: {got:#x} instead of {expected:#x}"
            checked += 1
        if read:
            expected = stored[read_addr]
        if write:
            stored[write_addr] = data
    assert checked > CYCLES // 2
