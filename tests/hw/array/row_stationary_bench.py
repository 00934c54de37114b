"""Runs passes through a whole row-stationary array, with or without stalls on every stream.

The job (`ARRAY_JOB`, made by `row_stationary_jobs`) holds the words of every stream; the psums must
come out bit for bit.  What was counted goes to `ARRAY_RESULT`: for each pass the cycles from its
configuration to the cycle in which the next one can be taken, and the words moved.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.hw.streams import Sink, Source

JOB = json.loads(Path(os.environ["ARRAY_JOB"]).read_text())
COLUMNS, CHANCE = range(JOB["columns"]), JOB["chance"]
LIMIT = 200_000
"""Cycles after which a pass is given up."""


class Bench:
    """All streams of the array."""

    def __init__(self, dut) -> None:
        self.dut, self.dice = dut, random.Random(JOB["seed"])
        self.sources = {name: Source(dut, name) for name in ("setup", "config", "filter", "ifmap")}
        self.entering = [Source(dut, f"psum_in__{x}") for x in COLUMNS]
        self.leaving = [Sink(dut, f"psum_out__{x}") for x in COLUMNS]
        self.streams = (*self.sources.values(), *self.entering, *self.leaving)
        self.blocked = ""  # name of a stream that stands still

    def load(self, job: dict) -> None:
        """Queue all words of a pass, and what must come out."""
        self.sources["config"].words.append(job["config"])
        for name in ("filter", "ifmap"):
            self.sources[name].words.extend(job[name])
        for x in COLUMNS:
            self.entering[x].words.extend(job["psum_in"][x])
            self.leaving[x].expected.extend(job["psum_out"][x])

    async def clock(self, chance: float = CHANCE) -> None:
        await RisingEdge(self.dut.clk)
        for stream in self.streams:
            goes_on = chance == 1 or self.dice.random() < chance
            stream.clock(goes_on and stream.name != self.blocked)

    def moved(self) -> dict[str, int]:
        """Return the beats or words moved so far on each stream."""
        return {
            "filter": self.sources["filter"].moved,
            "ifmap": self.sources["ifmap"].moved,
            "psum_in": sum(source.moved for source in self.entering),
            "psum_out": sum(sink.moved for sink in self.leaving),
        }


@cocotb.test()
async def passes(dut):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    bench = Bench(dut)
    dut.rst.value = 1
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    results, set_up = [], None
    for job in JOB["passes"]:
        setup_cycles = 0
        if job["setup"] != set_up:
            set_up = job["setup"]
            bench.sources["setup"].words.extend(set_up)
            await bench.clock()  # the first word is offered
            while bench.sources["setup"].words:
                await bench.clock()
                setup_cycles += 1
        before = bench.moved()
        bench.load(job)
        while bench.sources["config"].words:
            await bench.clock()
        # One cycle for the configuration, then the busy ones.
        cycles, busy = 1, True
        while busy:
            await bench.clock()
            busy = dut.busy.value == 1
            cycles += busy
            assert cycles < LIMIT, f"not done after {LIMIT} cycles: {job['what']}"
        missing = sum(len(sink.expected) for sink in bench.leaving)
        assert not missing, f"{missing} psums are missing: {job['what']}"
        after = bench.moved()
        moved = {name: after[name] - before[name] for name in after}
        results.append({"setup_cycles": setup_cycles, "cycles": cycles, "words": moved})
    for _ in range(10):
        await bench.clock(1)
    for source in (*bench.sources.values(), *bench.entering):
        assert not source.words, "words were left over"
    Path(os.environ["ARRAY_RESULT"]).write_text(json.dumps(results))
