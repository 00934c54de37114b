"""The row-stationary array in simulation: bit for bit, word for word and cycle for cycle.

`make rtl-table` prints predicted and simulated cycles of the layers.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hw.array.row_stationary_cycles import cycles, waiting
from hw.array.row_stationary_pass import ArrayPass
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass
from tests.hw.array.row_stationary_cases import random_mapping
from tests.hw.array.row_stationary_checks import (
    array,
    check_cycles,
    check_passes,
    simulate_layers,
)
from tests.hw.array.row_stationary_jobs import random_job, simulate
from tests.hw.array.systolic_layers import LAYERS, random_layer


@pytest.mark.parametrize("lanes", [(1, 1), (2, 3)])
def test_passes_take_the_predicted_cycles(lanes: tuple[int, int], tmp_path: Path) -> None:
    check_passes(array("int8", lanes=lanes), 40, 1, tmp_path)


def test_passes_with_stalls(tmp_path: Path) -> None:
    check_passes(array("int8", lanes=(2, 3)), 15, 2, tmp_path, chance=0.6)


@pytest.mark.parametrize(
    "pe_type", ["int16", "lightpe1", pytest.param("bf16", marks=pytest.mark.long)]
)
def test_layers(pe_type: str, tmp_path: Path) -> None:
    config, dice = array(pe_type, lanes=(2, 2)), random.Random(pe_type)
    layers = [random_mapping(layer, config, dice, bias=dice.random() < 0.3) for layer in LAYERS]
    simulate_layers(layers, 1, tmp_path)


def test_layers_with_stalls(tmp_path: Path) -> None:
    config, dice = array("int8", 2, 3), random.Random(5)
    layers = [random_mapping(layer, config, dice) for layer in LAYERS[1:8]]
    simulate_layers(layers, 1, tmp_path, chance=0.7)


def test_one_pe(tmp_path: Path) -> None:
    config, dice = array("int8", 1, 1), random.Random(6)
    simulate_layers([random_mapping(layer, config, dice) for layer in LAYERS[6:]], 1, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("pe_type", "spad"), [("int8", 2), ("fp8_e4m3", 3)])
def test_long_chains_with_tiny_scratchpads(pe_type: str, spad: int, tmp_path: Path) -> None:
    """Passes whose shared words wait for the PE that lags most: the bound holds, and is needed."""
    config = array(pe_type, 8, 1, (1, 8), ifmap_spad=spad)
    passes = [
        ArrayPass(
            row=RowPass(filters=p, channels=q, taps=s, stride=s, positions=12),
            filter_rows=1,
            channel_sets=8 // chains,
            filter_sets=chains,
        )
        for p in (1, 2, 3, 4, 5)
        for q, s in ((1, 1), (2, 1), (1, 2))
        for chains in (1, 2)
    ]
    dice = random.Random(7)
    jobs = [random_job(config, a, dice) for a in passes]
    waited = 0
    for a, counted in zip(passes, simulate(config, jobs, tmp_path), strict=True):
        check_cycles(config, a, counted.cycles, stalled=False)
        waited += counted.cycles > cycles(a, config) - waiting(a, config)
    assert waited > 5, "too few passes wait: the test proves little"


KINDS = ("ifmap_spad_kind", "filter_spad_kind", "psum_spad_kind")
POINTS = {
    "macro": {"pe_type": "int8", **dict.fromkeys(KINDS, "macro")},
    "latch": {"pe_type": "int8", **dict.fromkeys(KINDS, "latch")},
    "saturating": {"pe_type": "int16", "psum_bits": 32},
    "shallow": {"pe_type": "int8", "pipeline_depth": 1},
    "edge": {"pe_type": "flint4", "decoders": "edge"},
}


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_pe_points(point: str, tmp_path: Path) -> None:
    check_passes(array(rows=2, cols=2, lanes=(1, 2), **POINTS[point]), 20, 4, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_every_pe_type(pe_type: str, tmp_path: Path) -> None:
    kind = PE_TYPES[pe_type]
    words = {"ifmap_spad": 12, "filter_spad": 72} if kind.scaling else {}
    check_passes(array(pe_type, 2, 2, (2, 1), **words), 20, 3, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_random_layers(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    config = array(
        "int8", dice.randint(1, 3), dice.randint(2, 3), (dice.randint(1, 4), dice.randint(1, 4))
    )
    layers = [random_mapping(random_layer(dice), config, dice) for _ in range(12)]
    simulate_layers(layers, seed, tmp_path)
