"""Simulated passes and layers compared with what was predicted: psums, words and cycles."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_counts import count_layer
from hw.array.row_stationary_cycles import cycles, waiting
from hw.array.row_stationary_golden import run_layer
from hw.array.row_stationary_layer import LayerPasses
from hw.array.row_stationary_pass import ArrayPass
from hw.config import PEConfig
from tests.hw.array.row_stationary_cases import convolve, random_pass, random_tensors
from tests.hw.array.row_stationary_jobs import Counted, layer_job, random_job, simulate
from tests.rtl_table import add_row

PE = {"ifmap_spad": 6, "filter_spad": 32, "psum_spad": 5}


def array(
    pe_type: str, rows: int = 3, cols: int = 3, lanes: tuple[int, int] = (1, 1), **pe: object
) -> RowStationaryConfig:
    """Return a small array."""
    return RowStationaryConfig(
        pe=PEConfig(pe_type=pe_type, **(PE | pe)),
        rows=rows,
        cols=cols,
        filter_lanes=lanes[0],
        ifmap_lanes=lanes[1],
    )


def beats(words: int, parallel: int, lanes: int) -> int:
    """Return the beats of `words` words, of which `parallel` are sent side by side."""
    return -(-parallel // lanes) * (words // parallel)


def check_words(config: RowStationaryConfig, a: ArrayPass, counted: Counted) -> None:
    """Compare the words moved with the pass's counts."""
    assert counted.words == {
        "filter": beats(a.filter_words, a.filter_targets, config.filter_lanes),
        "ifmap": beats(a.ifmap_words, a.channel_sets * a.strip_rows, config.ifmap_lanes),
        "psum_in": a.psum_words if a.row.accumulate else 0,
        "psum_out": a.psum_words,
    }


def check_cycles(config: RowStationaryConfig, a: ArrayPass, simulated: int, stalled: bool) -> None:
    """Compare simulated cycles with those predicted, which are a bound where words wait."""
    high = cycles(a, config)
    low = high - waiting(a, config)
    assert simulated >= low, f"{simulated}, but at least {low}: {a}"
    assert stalled or simulated <= high, f"{simulated}, but at most {high}: {a}"


def check_passes(
    config: RowStationaryConfig,
    count: int,
    seed: int,
    folder: Path,
    chance: float = 1.0,
    simulator: str = "icarus",
) -> None:
    """Simulate random passes; without stalls the cycles are those predicted."""
    dice = random.Random(seed)
    passes = [random_pass(config, dice) for _ in range(count)]
    jobs = [random_job(config, a, dice) for a in passes]
    how = {"chance": chance, "seed": seed, "simulator": simulator}
    for a, counted in zip(passes, simulate(config, jobs, folder, **how), strict=True):
        check_words(config, a, counted)
        check_cycles(config, a, counted.cycles, stalled=chance < 1)


def simulate_layers(
    all_passes: list[LayerPasses],
    seed: int,
    folder: Path,
    chance: float = 1.0,
    simulator: str = "icarus",
) -> None:
    """Simulate layers on one array; compare outputs, words and cycles."""
    dice, config = random.Random(seed), all_passes[0].config
    jobs, taken = [], []
    for passes in all_passes:
        weights, inputs, bias = random_tensors(passes, dice)
        layer = passes.layer
        outputs = np.zeros((layer.n, layer.m, layer.e, layer.f), object)
        words = list(run_layer(passes, weights, inputs, outputs, bias))
        assert (outputs == convolve(passes, weights, inputs, bias)).all()
        jobs += [layer_job(config, w) for w in words]
        taken.append([w.array_pass for w in words])
    how = {"chance": chance, "seed": seed, "simulator": simulator}
    counted = iter(simulate(config, jobs, folder, **how))
    for passes, array_passes in zip(all_passes, taken, strict=True):
        counts = count_layer(passes)
        here = [next(counted) for _ in array_passes]
        for a, item in zip(array_passes, here, strict=True):
            check_words(config, a, item)
        setup, simulated = (
            sum(item.setup_cycles for item in here), sum(item.cycles for item in here)
        )  # fmt: skip
        for name in ("psum_in", "psum_out"):
            moved = sum(item.words[name] for item in here)
            assert moved == getattr(counts, f"{name}_words")
        k = passes.mapping
        integers = " ".join(f"{name}{getattr(k, name)}" for name in "mnepqrt")
        if chance == 1:
            assert counts.waiting_cycles == 0, "no layer of these should have to wait"
            assert simulated == counts.cycles, passes
            assert setup in (0, counts.setup_cycles)
            what = f"{config.name}, lanes {config.filter_lanes}/{config.ifmap_lanes}"
            add_row(what, passes.layer.name, integers, counts.cycles, 0, simulated)
