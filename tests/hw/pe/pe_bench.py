"""Runs passes through a whole PE with random stalls on every stream, against the golden model."""

from __future__ import annotations

import json
import os
import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hw.config import PEConfig
from hw.pe.control import PassLayout
from hw.pe.golden import run_pass, to_signed
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

CONFIG = PEConfig(**json.loads(os.environ["PE_CONFIG"]))
PE_TYPE = PE_TYPES[CONFIG.pe_type]
WIDTH = CONFIG.psum_width


class Source:
    """Drives one stream; a word offered stays until it is taken."""

    def __init__(self, dut, name: str, words, chance: float, dice: random.Random) -> None:
        self.words, self.chance, self.dice = deque(words), chance, dice
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.offered = False
        self.valid.value = 0

    def clock(self) -> None:
        if self.offered and self.ready.value == 1:
            self.words.popleft()
            self.offered = False
        if not self.offered and self.words and self.dice.random() < self.chance:
            self.payload.value = self.words[0]
            self.offered = True
        self.valid.value = int(self.offered)


class Memory:
    """A single-ported synchronous memory at a macro port; its output holds between reads."""

    def __init__(self, dut, name: str) -> None:
        self.ports = {
            p: getattr(dut, f"{name}__{p}") for p in ("en", "write", "addr", "write_data")
        }
        self.read_data = getattr(dut, f"{name}__read_data")
        self.words: dict[int, int] = {}
        self.read_data.value = 0

    def clock(self) -> None:
        if self.ports["en"].value == 1:
            address = int(self.ports["addr"].value)
            if self.ports["write"].value == 1:
                self.words[address] = int(self.ports["write_data"].value)
            else:
                self.read_data.value = self.words.get(address, 0)


def random_code(bits: int, dice: random.Random) -> int:
    """Return a code; extremes are as likely as all others together."""
    extremes = (0, 1 << (bits - 1), (1 << (bits - 1)) - 1, (1 << bits) - 1)
    return dice.choice(extremes) if dice.random() < 0.5 else dice.getrandbits(bits)


def random_passes(dice: random.Random, count: int) -> list[RowPass]:
    """Return passes that use the scratchpads to the last word and far below it."""
    passes: list[RowPass] = []
    while len(passes) < count:
        taps = dice.randint(1, min(7, CONFIG.ifmap_spad))
        channels = dice.choice((1, CONFIG.ifmap_spad // taps, dice.randint(1, 4)))
        room = CONFIG.filter_spad // max(1, taps * channels)
        filters = dice.choice((1, 2, min(room, CONFIG.psum_spad), dice.randint(1, 5)))
        row = RowPass(
            filters=filters,
            channels=channels,
            taps=taps,
            stride=dice.randint(1, taps),
            positions=dice.randint(1, 5),
            load_filters=True,
            accumulate=dice.random() < 0.6,
        )
        try:
            row.check(CONFIG)
        except ValueError:
            continue
        passes.append(row)
        if dice.random() < 0.3:  # the same filters once more
            passes.append(
                RowPass(
                    filters=row.filters,
                    channels=row.channels,
                    taps=row.taps,
                    stride=row.stride,
                    positions=dice.randint(1, 4),
                    load_filters=False,
                    accumulate=not row.accumulate,
                )
            )
    return passes


def largest_pass() -> RowPass:
    """Return a pass of one channel that fills a psum scratchpad and as many taps as fit."""
    filters = min(CONFIG.psum_spad, CONFIG.filter_spad)
    return RowPass(
        filters=filters,
        channels=1,
        taps=min(CONFIG.ifmap_spad, CONFIG.filter_spad // filters),
        positions=3,
    )


async def reset(dut) -> None:
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dut.rst.value = 1
    dut.psum_out__ready.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


def memories(dut) -> list[Memory]:
    names = [("ifmap", 1), ("filter", 1), ("psum", 2)]
    return [
        Memory(dut, f"{name}_memory{bank}")
        for name, banks in names
        if getattr(CONFIG, f"{name}_spad_kind") == "macro"
        for bank in range(banks)
    ]


async def run(dut, passes: list[RowPass], dice: random.Random, chance: float) -> tuple[int, bool]:
    """Run passes; return the busy cycles and whether a psum reached an end of its range."""
    await reset(dut)
    words: dict[str, list[int]] = {"config": [], "filter": [], "ifmap": [], "psum_in": []}
    expected: deque[int] = deque()
    limit, mask = 1 << (WIDTH - 1), (1 << WIDTH) - 1
    held_filters: list[int] = []
    for row in passes:
        if row.load_filters:
            held_filters = [random_code(PE_TYPE.weight.bits, dice) for _ in range(row.filter_words)]
            words["filter"] += held_filters
        ifmap = [random_code(PE_TYPE.activation.bits, dice) for _ in range(row.ifmap_words)]
        psums = []
        if row.accumulate:
            count = row.positions * row.filters
            psums = [to_signed(random_code(WIDTH, dice), WIDTH) for _ in range(count)]
            if not CONFIG.saturating:  # an incoming psum is a sum within the declared depth
                psums = [psum // 4 for psum in psums]
        layout = PassLayout(CONFIG)
        words["config"].append(layout.const(row.fields(CONFIG)).as_value().value)
        words["ifmap"] += ifmap
        words["psum_in"] += [psum & mask for psum in psums]
        expected.extend(run_pass(CONFIG, row, held_filters, ifmap, psums))
    saturated = any(psum in (-limit, limit - 1) for psum in expected)
    sources = [Source(dut, name, stream, chance, dice) for name, stream in words.items()]
    external = memories(dut)
    out_ready, out_valid, out_payload = (
        dut.psum_out__ready,
        dut.psum_out__valid,
        dut.psum_out__payload,
    )
    ready, busy_cycles, held, quiet = False, 0, None, 0
    while expected or dut.busy.value == 1:
        await RisingEdge(dut.clk)
        busy_cycles += int(dut.busy.value == 1)
        for memory in external:
            memory.clock()
        valid = out_valid.value == 1
        quiet = 0 if valid and ready else quiet + 1
        assert quiet < 20_000, f"nothing came out for {quiet} cycles; {len(expected)} are missing"
        if held is not None:
            assert valid and int(out_payload.value) == held, "an offered psum changed or vanished"
        held = None
        if valid and ready:
            got, want = to_signed(int(out_payload.value), WIDTH), expected.popleft()
            assert got == want, f"psum {got} instead of {want}, {len(expected)} to come"
        elif valid:
            held = int(out_payload.value)
        for source in sources:
            source.clock()
        ready = dice.random() < chance
        out_ready.value = int(ready)
    for _ in range(20):
        await RisingEdge(dut.clk)
        assert not (out_valid.value == 1 and ready), "a psum too many"
    assert not any(source.words for source in sources), "words were left over"
    return busy_cycles, saturated


@cocotb.test()
async def convolutions_with_stalls(dut):
    dice = random.Random(int(os.environ["BENCH_SEED"]))
    passes = [largest_pass(), *random_passes(dice, int(os.environ["BENCH_PASSES"]))]
    _, saturated = await run(dut, passes, dice, chance=0.7)
    if CONFIG.saturating:
        assert saturated, "no psum reached an end of its range: the bench proves nothing"


@cocotb.test()
async def one_product_per_cycle(dut):
    dice = random.Random(int(os.environ["BENCH_SEED"]))
    for row in (largest_pass(), RowPass(filters=1, channels=1, taps=2, positions=4)):
        busy, _ = await run(dut, [row], dice, chance=1.0)
        assert busy == row.cycles(CONFIG), f"{busy} busy cycles, not {row.cycles(CONFIG)}: {row}"
