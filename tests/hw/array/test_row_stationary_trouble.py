"""Resets in the middle of a layer, and streams that stand still: no psum is lost or doubled."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_golden import run_layer
from hw.layer import Layer
from tests.hw.array.row_stationary_cases import random_mapping, random_tensors
from tests.hw.array.row_stationary_checks import array
from tests.hw.array.row_stationary_jobs import layer_job, run_jobs

BENCH = "tests.hw.array.row_stationary_trouble_bench"
LAYER = Layer(name="trouble", c=3, h=5, w=6, m=5, r=2, s=3, padding=1, stride=2)


def trouble(config: RowStationaryConfig, folder: Path, simulator: str, chance: float) -> None:
    """Run a layer of several passes, with bias; every stream in use must have stood still."""
    dice = random.Random(8)
    while True:  # several passes: filter blocks, strips, sums over channels
        passes = random_mapping(LAYER, config, dice, bias=True)
        k = passes.mapping
        if k.q * k.r < LAYER.c and k.p * k.t < LAYER.m and k.e >= min(config.cols, LAYER.e):
            break
    weights, inputs, bias = random_tensors(passes, dice)
    outputs = np.zeros((1, LAYER.m, LAYER.e, LAYER.f), object)
    jobs = [layer_job(config, words) for words in run_layer(passes, weights, inputs, outputs, bias)]
    used = {"config", "filter", "ifmap"} | {
        f"{stream}__{x}"
        for stream in ("psum_in", "psum_out")
        for x in range(config.cols)
        if any(job[stream][x] for job in jobs)
    }
    assert len(used) > 3 + 2
    stood = run_jobs(config, jobs, folder, chance=chance, simulator=simulator, bench=BENCH)
    assert set(stood) == used


@pytest.mark.parametrize("chance", [1.0, 0.7])
def test_trouble(chance: float, tmp_path: Path) -> None:
    trouble(array("int8", 2, 3, (2, 2)), tmp_path, "icarus", chance)


@pytest.mark.long
@pytest.mark.parametrize("chance", [1.0, 0.7])
@pytest.mark.parametrize("pe_type", ["int8", "lightpe1", "bf16"])
def test_trouble_on_a_larger_array(pe_type: str, chance: float, tmp_path: Path) -> None:
    trouble(array(pe_type, 5, 4, (2, 3)), tmp_path, "verilator", chance)
