"""Runs one layer on an emitted accelerator; needs cocotb and the files beside this one, no more.

`stimuli.json` holds the words of every stream and what is expected.  Registers are written, the
off-chip streams are fed, and every beat of the output must come bit for bit, in order, once.  With
no stalls the cycles must be the predicted ones, or differ by no more than the stated slack; `STALL`
in the environment is the chance of each off-chip stream to pause in a cycle, and then any number of
cycles will do.  What was counted goes to the file `RESULT`.
"""

from __future__ import annotations

import json
import os
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

STIMULI = json.loads(Path(__file__).with_name("stimuli.json").read_text(encoding="utf-8"))
STALL = float(os.environ.get("STALL", "0"))
SEED = int(os.environ.get("SEED", "1"))
QUIET = 1000 + int(STIMULI["expected"]["cycles"] / (1 - STALL))
"""Cycles without a word on any stream after which the layer hangs."""


class Source:
    """Drives one stream; a word that is offered stays until it is taken."""

    def __init__(self, dut: Any, name: str) -> None:
        self.words: deque[int] = deque()
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.offered, self.moved = False, 0
        self.valid.value = 0

    def clock(self, pause: bool) -> None:
        """Follow one clock edge."""
        if self.offered and self.ready.value == 1:
            self.words.popleft()
            self.moved += 1
            self.offered = False
        if not self.offered:
            self.offered = bool(self.words) and not pause
            self.valid.value = int(self.offered)
            if self.offered:
                self.payload.value = self.words[0]


class Sink:
    """Takes one stream and compares it; a word that is offered must stay until it is taken."""

    def __init__(self, dut: Any, name: str, words: deque[int], masks: deque[int]) -> None:
        self.name, self.words, self.masks = name, words, masks
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.taking, self.moved = False, 0
        self.held: int | None = None
        self.ready.value = 0

    def clock(self, pause: bool) -> None:
        """Follow one clock edge."""
        if self.valid.value == 1:
            word = int(self.payload.value)
            assert self.held in (None, word), f"{self.name}: an offered word changed"
            self.held = word
            if self.taking:
                assert self.words, f"{self.name}: word {self.moved} is one too many"
                # Lanes without an output of the layer hold anything.
                want, got = self.words.popleft(), word & self.masks.popleft()
                assert got == want, f"{self.name}: word {self.moved} is {got:#x}, not {want:#x}"
                self.held = None
                self.moved += 1
        else:
            assert self.held is None, f"{self.name}: an offered word vanished"
        if self.taking == pause:
            self.taking = not pause
            self.ready.value = int(self.taking)


class Bench:
    """The four streams of an accelerator."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.dice = dut, random.Random(SEED)
        self.sources = {name: Source(dut, name) for name in ("write", "filter", "ifmap")}
        self.output = Sink(dut, "output", words("output"), words("output_masks"))

    async def clock(self) -> None:
        """Wait for a clock edge and let all streams follow it."""
        await RisingEdge(self.dut.clk)
        self.sources["write"].clock(pause=False)
        for port in (self.sources["filter"], self.sources["ifmap"], self.output):
            port.clock(pause=STALL > 0 and self.dice.random() < STALL)

    def moved(self) -> int:
        """Return the words moved so far on all streams."""
        return self.output.moved + sum(source.moved for source in self.sources.values())


def words(stream: str) -> deque[int]:
    """Return the words of a stream."""
    return deque(int(word, 16) for word in STIMULI["streams"][stream])


@cocotb.test()
async def layer(dut: Any) -> None:
    """Run the layer once."""
    Clock(dut.clk, 10, unit="ns").start()
    bench = Bench(dut)
    dut.rst.value = 1
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    writes = bench.sources["write"].words
    *before, start = words("write")
    writes.extend(before)
    setup_cycles = await until(bench, lambda: not writes)
    for name in ("filter", "ifmap"):
        bench.sources[name].words.extend(words(name))
    writes.append(start)
    await until(bench, lambda: not writes)
    cycles = await until(bench, lambda: dut.busy.value == 0) - 1
    for _ in range(100):  # nothing may follow
        await bench.clock()
    for name, source in bench.sources.items():
        assert not source.words, f"{name}: {len(source.words)} words were left over"
    assert not bench.output.words, f"output: {len(bench.output.words)} words are missing"

    counted = f"{cycles:,} cycles"
    if not STALL:
        predicted, slack = (STIMULI["expected"][name] for name in ("cycles", "slack_cycles"))
        bound = f"{predicted:,} ± {slack:,}" if slack else f"{predicted:,}"
        assert abs(cycles - predicted) <= slack, f"{cycles:,} cycles, not {bound} as predicted"
        counted += f", predicted {bound}" if slack else " as predicted"
    moved = {name: source.moved for name, source in bench.sources.items()}
    text = (
        f"{STIMULI['what']}: all {bench.output.moved:,} words of output right bit for bit; "
        f"{counted}, after {setup_cycles:,} of register writes; "
        f"words in: filter {moved['filter']:,}, ifmap {moved['ifmap']:,}"
    )
    Path(os.environ["RESULT"]).write_text(text + "\n", encoding="utf-8")


async def until(bench: Bench, done: Callable[[], bool]) -> int:
    """Let cycles pass until something holds; return their number."""
    cycles, quiet, before = 0, 0, bench.moved()
    while True:
        await bench.clock()
        cycles += 1
        if done():
            return cycles
        quiet, before = (0 if bench.moved() > before else quiet + 1), bench.moved()
        assert quiet < QUIET, (
            f"nothing has moved for {QUIET} cycles; {len(bench.output.words)} words of output miss"
        )
