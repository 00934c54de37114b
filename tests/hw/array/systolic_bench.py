"""Runs layers on a systolic array: psums bit for bit, cycles and words as predicted."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from hw.array.matrix import activation_matrix, golden_layer, matrix_product, weight_matrix
from hw.array.systolic import SystolicConfig
from hw.array.systolic_array import layer_cycles, layer_traffic
from hw.array.systolic_tiles import activation_vectors, config_fields, layer_tiles, weight_vectors
from hw.config import PEConfig
from hw.layer import Layer
from hw.pe.golden import to_signed

JOB = json.loads(os.environ["SYSTOLIC_JOB"])
CONFIG = SystolicConfig(**{**JOB["config"], "pe": PEConfig(**JOB["config"]["pe"])})
KIND, PE = CONFIG.kind, CONFIG.pe
STREAMS = ("config", "weights", "activations", "psum_in")
RETURNED = None


def packed(vector, bits: int) -> int:
    """Return the payload of a vector, element 0 lowest."""
    return sum(int(word) << bits * place for place, word in enumerate(vector))


class Source:
    """Drives one stream; a word offered stays.  A word `RETURNED` is the next of `returned`."""

    def __init__(self, dut, name: str, words, chance: float, dice: random.Random) -> None:
        self.words, self.returned, self.chance, self.dice = deque(words), deque(), chance, dice
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.offered, self.taken = False, 0
        self.valid.value = 0

    def clock(self) -> bool:
        """Return whether a word was taken."""
        taken = self.offered and self.ready.value == 1
        if taken:
            self.words.popleft()
            self.offered, self.taken = False, self.taken + 1
        there = self.words and (self.words[0] is not RETURNED or self.returned)
        if not self.offered and there and self.dice.random() < self.chance:
            word = self.words[0]
            self.payload.value = self.returned.popleft() if word is RETURNED else word
            self.offered = True
        self.valid.value = int(self.offered)
        return taken


def random_codes(bits: int, shape: tuple[int, ...], dice: random.Random):
    """Return codes; extremes are as likely as all others together."""
    extremes = (0, 1 << (bits - 1), (1 << (bits - 1)) - 1, (1 << bits) - 1)
    codes = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        codes[place] = dice.choice(extremes) if dice.random() < 0.3 else dice.getrandbits(bits)
    return codes


def random_biases(count: int, dice: random.Random):
    """Return psums as the golden model takes them; NaN is the canonical one."""
    codes = random_codes(PE.psum_width, (count,), dice)
    if KIND.accumulator is not None:
        return np.array([KIND.accumulator.add_golden(c, 1 << (PE.psum_width - 1)) for c in codes])
    if KIND.filter_lanes > 1:
        return codes
    return np.array([to_signed(code, PE.psum_width) for code in codes], dtype=object)


class Work:
    """A layer with random operands, as streams, and the psums expected."""

    def __init__(self, job: dict, dice: random.Random) -> None:
        self.layer, self.terms = Layer(**job["layer"]), job.get("terms", 1)
        self.bias, self.mapping = job.get("bias", False), job.get("mapping", {})
        layer = self.layer
        self.product = matrix_product(layer, KIND, self.terms)
        channels, filters = layer.c // KIND.channel_lanes, layer.m // KIND.filter_lanes
        shape = (layer.n, channels, layer.h, layer.w)
        activations = random_codes(KIND.activation.bits, shape, dice)
        shape = (filters, channels // layer.groups, layer.r, layer.s, self.terms)
        weights = random_codes(KIND.weight.bits, shape, dice)
        bias = random_biases(filters, dice) if self.bias else None
        golden = golden_layer(PE, layer, activations, weights, bias)
        by_pixel = golden.transpose(0, 2, 3, 1).reshape(self.product.pixels, layer.groups, -1)
        self._streams(activations, weights, bias, by_pixel)

    def _streams(self, activations, weights, bias, golden) -> None:
        tiles = list(layer_tiles(CONFIG, self.product, bias=self.bias, **self.mapping))
        layout = CONFIG.pass_layout
        words, there = activation_matrix(self.layer, activations, self.terms)
        matrix = weight_matrix(self.layer, weights)
        self.words: dict[str, list] = {name: [] for name in STREAMS}
        self.expected: list[tuple[bool, list[int]]] = []
        mask, filters = (1 << PE.psum_width) - 1, self.product.filters
        for tile in tiles:
            fields = config_fields(CONFIG, tile)
            self.words["config"].append(layout.const(fields).as_value().value)
            self.words["weights"] += [
                packed(v, KIND.weight.bits) for v in weight_vectors(CONFIG, tile, matrix)
            ]
            self.words["activations"] += [
                packed(v, CONFIG.activation_word)
                for v in activation_vectors(CONFIG, tile, words, there)
            ]
            count = tile.pixels.stop - tile.pixels.start
            if tile.depth.start:
                self.words["psum_in"] += [RETURNED] * count
            elif self.bias:
                first = tile.group * filters + tile.filters.start
                used = bias[first : first + tile.filters.stop - tile.filters.start]
                self.words["psum_in"] += [packed(used & mask, PE.psum_width)] * count
            for vector in golden[tile.pixels, tile.group, tile.filters]:
                self.expected.append((tile.last, [int(psum) & mask for psum in vector]))


async def reset(dut) -> None:
    dut.rst.value = 1
    dut.psum_out__ready.value = 0
    for name in STREAMS:
        getattr(dut, f"{name}__valid").value = 0
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await idle(dut)


async def idle(dut) -> None:
    await RisingEdge(dut.clk)
    for _ in range(1000):
        await RisingEdge(dut.clk)
        if dut.busy.value == 0:
            return
    raise AssertionError("the array does not come to rest")


async def run(
    dut, work: Work, dice: random.Random, chance: float, *, give_up_after: int | None = None
) -> tuple[int, dict[str, int]]:
    """Run a layer; return its cycles and the vectors that passed each port."""
    sources = {name: Source(dut, name, work.words[name], chance, dice) for name in STREAMS}
    expected, bits = deque(work.expected), PE.psum_width
    valid, payload, out_ready = dut.psum_out__valid, dut.psum_out__payload, dut.psum_out__ready
    ready, held, begun, cycles, quiet, out_vectors = False, None, False, 0, 0, 0
    # Now and then a stream stays away for long.
    blocked = dict.fromkeys((*STREAMS, "psum_out"), 0)
    while expected:
        await RisingEdge(dut.clk)
        cycles += begun
        if give_up_after is not None and cycles > give_up_after:
            break
        leaves = valid.value == 1
        if held is not None:
            assert leaves and int(payload.value) == held, "an offered vector changed or vanished"
        held = int(payload.value) if leaves and not ready else None
        quiet += 1
        if leaves and ready:
            vector, quiet, out_vectors = int(payload.value), 0, out_vectors + 1
            last, wanted = expected.popleft()
            got = [vector >> bits * place & ((1 << bits) - 1) for place in range(len(wanted))]
            if last:
                assert got == wanted, f"psums {got} instead of {wanted}, {len(expected)} to come"
            else:
                sources["psum_in"].returned.append(vector)
        assert quiet < 5000, f"nothing came out for {quiet} cycles; {len(expected)} are missing"
        for name in blocked:
            if blocked[name]:
                blocked[name] -= 1
            elif dice.random() < 0.005 * (chance < 1):
                blocked[name] = dice.randint(20, 120)
        for name, source in sources.items():
            source.chance = 0.0 if blocked[name] else chance
            begun |= source.clock() and name == "config"
        ready = not blocked["psum_out"] and dice.random() < chance
        out_ready.value = int(ready)
    if give_up_after is None:
        out_ready.value = 1
        for _ in range(30):
            await RisingEdge(dut.clk)
            assert valid.value == 0, "a vector too many"
        assert not any(source.words for source in sources.values()), "words were left over"
    return cycles, {name: source.taken for name, source in sources.items()} | {
        "psum_out": out_vectors
    }


@cocotb.test()
async def layers(dut):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dice = random.Random(JOB["seed"])
    await reset(dut)
    rows = []
    for job in JOB["layers"]:
        work = Work(job, dice)
        await idle(dut)
        cycles, vectors = await run(dut, work, dice, chance=1.0)
        predicted = layer_cycles(CONFIG, work.product, bias=work.bias, **work.mapping)
        pixels = work.mapping.get("pass_pixels")
        traffic = layer_traffic(CONFIG, work.product, bias=work.bias, pass_pixels=pixels)
        rows.append([work.layer.name, work.layer.macs, cycles, int(predicted)])
        for port in ("weight", "activation", "psum_in", "psum_out"):
            name = port if port.startswith("psum") else f"{port}s"
            counted, model = vectors[name], int(getattr(traffic, f"{port}_vectors"))
            assert counted == model, f"{job}: {counted} vectors on {name}, not {model}"
        if JOB.get("stalls", True):
            await run(dut, work, dice, chance=dice.choice((0.3, 0.7, 0.9)))
    if "table" in JOB:
        Path(JOB["table"]).write_text(json.dumps(rows))
    wrong = [row for row in rows if row[2] != row[3]]
    assert not wrong, f"layer, products, simulated and predicted cycles: {wrong}"


@cocotb.test()
async def reset_in_the_middle(dut):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    dice = random.Random(JOB["seed"] + 1)
    await reset(dut)
    work = Work(JOB["layers"][0], dice)
    for _ in range(3):
        await run(dut, work, dice, chance=0.8, give_up_after=dice.randint(1, 60))
        await reset(dut)
    cycles, _ = await run(dut, work, dice, chance=1.0)
    assert cycles == layer_cycles(CONFIG, work.product, bias=work.bias, **work.mapping)
