"""Runs layers through a whole accelerator, with or without stalls on its off-chip streams.

The job (`ACCELERATOR_JOB`, made by `accelerator_jobs`) holds the host's writes and all beats; what
leaves must be right bit for bit.  What was counted goes to `ACCELERATOR_RESULT`: for each layer
the cycles from its start to its end, and the beats and rows moved.  `resets` lists after how many
cycles the first layer is given up before it counts; `block` names a stream that stands still
`while` the bench is between two cycles; `watch` says whether signals inside can be seen.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from tests.hw.streams import Sink, Source

JOB = json.loads(Path(os.environ["ACCELERATOR_JOB"]).read_text())
ROWS = {
    "ifmap_read_rows": "tiles.read__en",
    "ifmap_rows": "tiles.fill__en",
    "psum_read_rows": "psums.reads",
    "psum_write_rows": "psums.writes",
}
"""Signals of the shell that move a row of the global buffer while they are high."""


class Bench:
    """All streams of the accelerator."""

    def __init__(self, dut) -> None:
        self.dut, self.dice = dut, random.Random(JOB["seed"])
        self.sources = {name: Source(dut, name) for name in ("write", "filter", "ifmap")}
        self.output = Sink(dut, "output")
        self.watched = {}
        if JOB["watch"]:
            for name, path in ROWS.items():
                part, signal = path.split(".")
                self.watched[name] = getattr(getattr(dut.shell, part), signal)
        self.rows: Counter[str] = Counter()
        self.cycle = 0

    async def clock(self, chance: float = 1.0) -> None:
        """Let one cycle pass in which each stream goes on with a chance."""
        await RisingEdge(self.dut.clk)
        self.cycle += 1
        for name, signal in self.watched.items():
            self.rows[name] += signal.value == 1
        blocked = JOB["block"] if self.cycle in range(*JOB["while"]) else None
        for name, stream in (*self.sources.items(), ("output", self.output)):
            goes = chance == 1 or self.dice.random() < chance
            stream.clock(goes and name != blocked)

    async def reset(self) -> None:
        """Reset the accelerator and forget what was offered."""
        for source in self.sources.values():
            source.words.clear()
            source.offered, source.valid.value = False, 0
        self.output.expected.clear()
        self.output.held, self.output.taking, self.output.ready.value = None, False, 0
        self.dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0


async def start_layer(bench: Bench, job: dict, chance: float) -> None:
    """Set up a layer, offer its beats and start it."""
    writes = bench.sources["write"]
    writes.words.extend(job["writes"][:-1])
    while writes.words:
        await bench.clock()
    for name in ("filter", "ifmap"):
        bench.sources[name].words.extend(job[name])
    bench.output.expected.extend(map(tuple, job["output"]))
    writes.words.append(job["writes"][-1])
    while writes.words:
        await bench.clock(chance)


async def run_layer(bench: Bench, job: dict, chance: float) -> dict:
    """Run one layer and return what was counted."""
    busy = bench.dut.busy
    before = {name: source.moved for name, source in bench.sources.items()}
    rows, sent = bench.rows.copy(), bench.output.moved
    await start_layer(bench, job, chance)
    cycles, limit = 0, job["limit"]
    while True:
        await bench.clock(chance)
        if busy.value == 0:
            break
        cycles += 1
        assert cycles < limit, f"not done after {limit} cycles: {job['what']}"
    for _ in range(3):
        await bench.clock(1.0)
    left = {name: len(source.words) for name, source in bench.sources.items()}
    assert not any(left.values()), f"beats were left over, {left}: {job['what']}"
    assert not bench.output.expected, f"{len(bench.output.expected)} beats miss: {job['what']}"
    return {
        "cycles": cycles,
        "filter": bench.sources["filter"].moved - before["filter"],
        "ifmap": bench.sources["ifmap"].moved - before["ifmap"],
        "output": bench.output.moved - sent,
        **{name: bench.rows[name] - rows[name] for name in bench.watched},
    }


@cocotb.test()
async def layers(dut):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    bench = Bench(dut)
    await bench.reset()
    for cycles in JOB["resets"]:
        await start_layer(bench, JOB["layers"][0], JOB["chance"])
        for _ in range(cycles):
            await bench.clock(JOB["chance"])
        await bench.reset()
    results = [await run_layer(bench, job, JOB["chance"]) for job in JOB["layers"]]
    Path(os.environ["ACCELERATOR_RESULT"]).write_text(json.dumps(results))
