"""Runs passes through a whole PE with random stalls on every stream, against the golden model."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.control import PassLayout
from hw.pe.golden import run_pass, to_signed
from hw.pe.pe_type import Decoder
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


def random_psum(dice: random.Random) -> int:
    """Return a psum as the golden model takes it."""
    if PE_TYPE.scaling is not None and dice.random() < 0.9:  # about as large as a block
        return dice.getrandbits(1) << 31 | dice.randint(117, 147) << 23 | dice.getrandbits(23)
    if PE_TYPE.accumulator is not None:
        return random_code(WIDTH, dice)
    width, psum = CONFIG.lane_width, 0
    for lane in range(PE_TYPE.filter_lanes):
        value = to_signed(random_code(width, dice), width)
        if not CONFIG.saturating:  # an incoming psum is a sum within the declared depth
            value //= 4
        if PE_TYPE.filter_lanes == 1:
            return value
        psum |= (value & ((1 << width) - 1)) << width * lane
    return psum


def at_an_end(psum: int) -> bool:
    """Return whether the psum of a lane is at an end of its range."""
    width = CONFIG.lane_width
    lanes = (psum >> width * lane & ((1 << width) - 1) for lane in range(PE_TYPE.filter_lanes))
    return any(lane in (1 << (width - 1), (1 << (width - 1)) - 1) for lane in lanes)


def put_scales(words: list[int], row: RowPass, bits: int, lanes: int, dice: random.Random) -> None:
    """Write scales behind the elements: most near 1, so that sums of blocks meet; a few extreme."""
    for start in range(row.channels * lanes, len(words), row.column * lanes):
        for lane in range(lanes):
            scale = dice.randint(117, 137) if dice.random() < 0.95 else random_code(8, dice)
            for index in range(row.scale_words):
                word = scale >> bits * index & ((1 << bits) - 1)
                words[start + index * lanes + lane] = word


def operands(codes: list[int], decoder: Decoder | None) -> list[int]:
    """Return what the PE gets for codes: the codes, or operands decoded at the edge."""
    if decoder is None or CONFIG.decoders == "pe":
        return codes
    return [decoder.golden(code) for code in codes]


def random_passes(dice: random.Random, count: int) -> list[RowPass]:
    """Return passes that use the scratchpads to the last word and far below it."""
    passes: list[RowPass] = []
    scale_words = PE_TYPE.scaling.words if PE_TYPE.scaling else 0
    while len(passes) < count:
        taps = dice.randint(1, min(7, CONFIG.ifmap_spad))
        channels = dice.choice((1, CONFIG.ifmap_spad // taps - scale_words, dice.randint(1, 4)))
        terms = dice.randint(1, PE_TYPE.terms)
        room = CONFIG.filter_spad // max(1, taps * (channels + scale_words) * terms)
        filters = dice.choice((1, 2, min(room, CONFIG.psum_spad), dice.randint(1, 5)))
        row = RowPass(
            filters=filters,
            channels=channels,
            taps=taps,
            stride=dice.randint(1, taps),
            positions=dice.randint(1, 5),
            load_filters=True,
            accumulate=dice.random() < 0.6,
            terms=terms,
            scale_words=scale_words,
        )
        if not fits(row):
            continue
        passes.append(row)
        if dice.random() < 0.3:  # the same filters once more
            again = {"load_filters": False, "accumulate": not row.accumulate}
            passes.append(dataclasses.replace(row, positions=dice.randint(1, 4), **again))
    return passes


def simple_pass(filters: int, taps: int, positions: int, terms: int = 1) -> RowPass:
    """Return a pass of one channel."""
    scale_words = PE_TYPE.scaling.words if PE_TYPE.scaling else 0
    return RowPass(
        filters=filters,
        channels=1,
        taps=taps,
        positions=positions,
        terms=terms,
        scale_words=scale_words,
    )


def fits(row: RowPass) -> bool:
    """Return whether a pass fits the PE."""
    try:
        row.check(CONFIG)
    except ConfigError:
        return False
    return True


def largest_pass() -> RowPass:
    """Return a pass of one channel that fills a psum scratchpad and as many taps as fit."""
    words = 1 + (PE_TYPE.scaling.words if PE_TYPE.scaling else 0)
    terms = PE_TYPE.terms
    filters = min(CONFIG.psum_spad, CONFIG.filter_spad // (words * terms))
    taps = min(CONFIG.ifmap_spad, CONFIG.filter_spad // (filters * terms)) // words
    return simple_pass(filters, taps, positions=3, terms=terms)


async def reset(dut) -> None:
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dut.rst.value = 1
    dut.psum_out__ready.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


def memories(dut) -> list[Memory]:
    banks = {"ifmap": 1, "filter": 1, "psum": 2}
    found = [
        Memory(dut, f"{name}_memory{bank}")
        for name, count in banks.items()
        if getattr(CONFIG, f"{name}_spad_kind") == "macro"
        for bank in range(count)
    ]
    if PE_TYPE.scaling and CONFIG.psum_spad_kind == "macro":
        found += [Memory(dut, f"block_memory{bank}") for bank in range(2)]
    return found


async def run(dut, passes: list[RowPass], dice: random.Random, chance: float) -> tuple[int, bool]:
    """Run passes; return the busy cycles and whether a psum reached an end of its range."""
    await reset(dut)
    words: dict[str, list[int]] = {"config": [], "filter": [], "ifmap": [], "psum_in": []}
    expected: deque[int] = deque()
    mask = (1 << WIDTH) - 1
    held_filters: list[int] = []
    for row in passes:
        if row.load_filters:
            held_filters = [random_code(PE_TYPE.weight.bits, dice) for _ in range(row.filter_words)]
            if row.scale_words:
                put_scales(held_filters, row, PE_TYPE.weight.bits, row.filters, dice)
            words["filter"] += operands(held_filters, PE_TYPE.weight_decoder)
        ifmap = [random_code(PE_TYPE.activation.bits, dice) for _ in range(row.ifmap_words)]
        if row.scale_words:
            put_scales(ifmap, row, PE_TYPE.activation.bits, 1, dice)
        psums = []
        if row.accumulate:
            count = row.positions * row.filters
            psums = [random_psum(dice) for _ in range(count)]
        layout = PassLayout(CONFIG)
        words["config"].append(layout.const(row.fields(CONFIG)).as_value().value)
        words["ifmap"] += operands(ifmap, PE_TYPE.activation_decoder)
        words["psum_in"] += [psum & mask for psum in psums]
        expected.extend(run_pass(CONFIG, row, held_filters, ifmap, psums))
    saturated = any(at_an_end(psum) for psum in expected)
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
            got, want = int(out_payload.value), expected.popleft() & mask
            assert got == want, f"psum {got:#x} instead of {want:#x}, {len(expected)} to come"
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
    passes = [largest_pass(), simple_pass(1, taps=2, positions=4)]
    if PE_TYPE.terms > 1:
        passes.append(simple_pass(2, taps=2, positions=4, terms=PE_TYPE.terms))
    for row in (row for row in passes if fits(row)):
        busy, _ = await run(dut, [row], dice, chance=1.0)
        assert busy == row.cycles(CONFIG), f"{busy} busy cycles, not {row.cycles(CONFIG)}: {row}"
