"""A row-stationary array in trouble: resets within a layer, and streams that stand still.

All words of a layer are offered at once, as far as the array takes them.  After a reset the host
sets the array up again and repeats the layer; after a stream stood still everything goes on, or
the host gives up and resets.  Every psum must come once and in order, and no word be left over.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.hw.array.row_stationary_bench import JOB, LIMIT, Bench

STANDSTILL = 400
"""Cycles in which all streams come to rest once one stands still."""


async def reset(dut) -> Bench:
    """Reset the array; return a bench that offers nothing yet."""
    dut.rst.value = 1
    bench = Bench(dut)
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    assert dut.busy.value == 0, "busy after a reset"
    for sink in bench.leaving:
        assert sink.valid.value == 0, f"{sink.name} has a word after a reset"
    return bench


def left(bench: Bench) -> int:
    """Return the words that have still to enter or leave the array."""
    entering = sum(len(source.words) for source in (*bench.sources.values(), *bench.entering))
    return entering + sum(len(sink.expected) for sink in bench.leaving)


def load(bench: Bench) -> None:
    """Queue a whole layer."""
    for job in JOB["passes"]:
        bench.load(job)


async def start(bench: Bench, cycles: int) -> int:
    """Set the array up and run the layer for at most so many cycles; return those it took."""
    bench.sources["setup"].words.extend(JOB["passes"][0]["setup"])
    loaded = False
    for cycle in range(cycles):
        if not loaded and not bench.sources["setup"].words:
            load(bench)
            loaded = True
        if not left(bench):
            return cycle
        await bench.clock()
    return cycles


async def finish(bench: Bench) -> None:
    """Run to the end of the layer and a little further: nothing is missing, nothing too much."""
    cycles = 0
    while left(bench):
        await bench.clock()
        cycles += 1
        assert cycles < LIMIT, f"{left(bench)} words are missing"
    for _ in range(30):
        await bench.clock(1)
    assert bench.dut.busy.value == 0


@cocotb.test()
async def resets(dut):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dice = random.Random(JOB["seed"])
    length = await start(await reset(dut), LIMIT)
    for _ in range(6):
        cut = dice.randrange(1, length)
        assert await start(await reset(dut), cut) == cut, "the layer was over before the reset"
        bench = await reset(dut)
        await start(bench, LIMIT)
        await finish(bench)


@cocotb.test()
async def standstills(dut):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    bench = await reset(dut)
    await start(bench, LIMIT)
    stood = []
    for number in range(len(bench.streams)):
        await finish(bench)
        load(bench)
        stream = bench.streams[number]
        words = stream.expected if stream in bench.leaving else stream.words
        if not words:  # the set-up, columns out of use
            continue
        half = len(words) // 2
        while len(words) > half:
            await bench.clock()
        bench.blocked = stream.name
        for _ in range(STANDSTILL):
            await bench.clock()
        before = left(bench)
        for _ in range(STANDSTILL // 2):
            await bench.clock()
        assert left(bench) == before, f"words move long after {stream.name} stood still"
        stood.append(stream.name)
        bench.blocked = ""
        if len(stood) % 2:
            bench = await reset(dut)
            await start(bench, LIMIT)
    await finish(bench)
    Path(os.environ["ARRAY_RESULT"]).write_text(json.dumps(stood))
