"""Large row-stationary arrays on Verilator: random passes and layers, as small ones on Icarus."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_counts import count_layer
from hw.array.row_stationary_layer import LayerPasses
from hw.layer import Layer
from tests.hw.array.row_stationary_cases import random_mapping
from tests.hw.array.row_stationary_checks import array, check_passes, simulate_layers
from tests.hw.array.systolic_layers import LARGER, LAYERS


def large(pe_type: str, rows: int, cols: int) -> RowStationaryConfig:
    # Room for the columns that a chain of floating-point PEs lags: no word waits.
    return array(pe_type, rows, cols, (4, 4), ifmap_spad=24, filter_spad=64, psum_spad=6)


def mappings(
    layers: Sequence[Layer], config: RowStationaryConfig, dice: random.Random, draws: int
) -> list[LayerPasses]:
    """Return for each layer the fastest of some mappings under which no word waits."""
    chosen = []
    for layer in layers:
        drawn: list[tuple[int, int, LayerPasses]] = []
        while len(drawn) < draws:
            passes = random_mapping(layer, config, dice, bias=dice.random() < 0.3)
            counts = count_layer(passes)
            if counts.waiting_cycles == 0:
                drawn.append((counts.cycles, len(drawn), passes))
        chosen.append(min(drawn)[-1])
    return chosen


@pytest.mark.long
@pytest.mark.parametrize(
    "size", [(4, 4), (5, 7), (8, 8)], ids=lambda size: "x".join(map(str, size))
)
@pytest.mark.parametrize("pe_type", ["int8", "lightpe1", "bf16"])
def test_large_arrays(pe_type: str, size: tuple[int, int], tmp_path: Path) -> None:
    config, dice = large(pe_type, *size), random.Random(str((pe_type, size)))
    layers = mappings(LAYERS, config, dice, 1) + mappings(LARGER, config, dice, 50)
    simulate_layers(layers, 1, tmp_path, simulator="verilator")
    check_passes(config, 40, 1, tmp_path, simulator="verilator")
    check_passes(config, 20, 2, tmp_path, chance=0.6, simulator="verilator")
