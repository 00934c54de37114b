"""The whole accelerator in simulation: bit for bit, row for row and cycle for cycle.

`make rtl-table` prints all predicted and simulated cycles.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hw.accelerator_config import HardwareConfig
from hw.layer import Layer
from hw.layer_program import LayerProgram
from hw.pe.registry import PE_TYPES
from tests.hw.accelerator.accelerator_jobs import (
    Counted,
    hardware,
    layer_job,
    random_program,
    simulate,
)
from tests.hw.array.systolic_layers import LAYERS, random_layer
from tests.rtl_table import add_row

MOST = ("int16", "int8", "lightpe1")


def check_counts(program: LayerProgram, counted: Counted, stalled: bool) -> None:
    """Compare what was counted with the closed forms."""
    counts, config = program.counts(), program.config
    beats = config.row_bits // config.off_chip_bits
    assert counts.fits
    assert counts.double == program.double
    assert counted.filter == counts.filter_rows * beats
    assert counted.ifmap == counts.ifmap_rows * beats
    assert counted.output == counts.output_rows * beats
    for name in ("ifmap_rows", "ifmap_read_rows", "psum_read_rows", "psum_write_rows"):
        assert getattr(counted, name) in (None, getattr(counts, name)), name
    if stalled:
        assert counted.cycles >= counts.array.cycles
    else:
        assert abs(counted.cycles - counts.cycles) <= counts.slack_cycles, (
            f"{counted.cycles} cycles, not {counts.cycles} +- {counts.slack_cycles}: {program}"
        )


def check_layers(
    config: HardwareConfig,
    layers: list[Layer],
    seed: int,
    folder: Path,
    *,
    chance: float = 1.0,
    simulator: str = "icarus",
) -> int:
    """Simulate layers and compare their cycles; return how many were predicted exactly."""
    dice = random.Random(f"{seed} {config.design.pe.pe_type}")
    programs = [random_program(config, layer, dice) for layer in layers]
    jobs = [layer_job(program, dice) for program in programs]
    exact = 0
    for program, counted in zip(
        programs,
        simulate(config, jobs, folder, chance=chance, seed=seed, simulator=simulator),
        strict=True,
    ):
        check_counts(program, counted, stalled=chance < 1)
        counts, k = program.counts(), program.mapping
        exact += int(counts.slack_cycles == 0)
        if chance == 1:
            add_row(
                f"{config.name}, {config.row_bits}/{config.off_chip_bits} bits",
                program.layer.name,
                " ".join(f"{name}{getattr(k, name)}" for name in "mnepqrt"),
                counts.cycles,
                counts.slack_cycles,
                counted.cycles,
            )
    return exact


@pytest.mark.parametrize("pe_type", ["int16", pytest.param("lightpe1", marks=pytest.mark.long)])
def test_layers(pe_type: str, tmp_path: Path) -> None:
    """With a port and off-chip streams that are fast enough most predictions are exact."""
    assert (
        check_layers(hardware(pe_type, port=32, off_chip_bytes=32), list(LAYERS), 1, tmp_path) > 12
    )


def test_layers_with_stalls(tmp_path: Path) -> None:
    check_layers(hardware("int8"), list(LAYERS), 2, tmp_path, chance=0.6)


def test_random_layers_where_everything_binds(tmp_path: Path) -> None:
    """A narrow port, slow streams, slow memories: predictions hold within what they state."""
    dice = random.Random(3)
    config = hardware("int8", port=8, off_chip_bytes=2, memory_latency=3, psum_queue=2)
    check_layers(config, [random_layer(dice) for _ in range(12)], 3, tmp_path)


SHAPES = {
    "one PE": {"rows": 1, "cols": 1},
    "wide": {"rows": 2, "cols": 5, "port": 8},
    "wider": {"rows": 3, "cols": 8, "off_chip_bytes": 16},
    "high": {"rows": 5, "cols": 2, "port": 64, "off_chip_bytes": 32},
    "one tile": {"glb_kib": 16, "off_chip_bytes": 4},
    "slow streams": {"port": 64, "off_chip_bytes": 4},
    "one lane": {"filter_lanes": 1, "ifmap_lanes": 1},
    "small banks": {"bank_kib": 1, "glb_kib": 12, "memory_latency": 2},
}


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, tmp_path: Path) -> None:
    dice = random.Random(shape)
    layers = [*LAYERS, *(random_layer(dice) for _ in range(12))]
    check_layers(hardware("int8", **SHAPES[shape]), layers, 4, tmp_path)


MANY = {
    **SHAPES,
    "plain": {},
    "everything binds": {"port": 8, "off_chip_bytes": 2, "memory_latency": 3, "psum_queue": 2},
    "large": {"rows": 8, "cols": 8, "glb_kib": 64, "pe": {"ifmap_spad": 12, "filter_spad": 64}},
}


@pytest.mark.long
@pytest.mark.parametrize("shape", MANY)
def test_many_random_layers(shape: str, tmp_path: Path) -> None:
    """Enough of them to meet the rare cases that a closed form forgets."""
    dice = random.Random(f"many {shape}")
    layers = [random_layer(dice) for _ in range(200)]
    check_layers(hardware("int8", **MANY[shape]), layers, 10, tmp_path, simulator="verilator")


@pytest.mark.long
@pytest.mark.parametrize("pe_type", sorted(set(PE_TYPES) - {"mxint8", "mxfp4"}))
def test_every_pe_type(pe_type: str, tmp_path: Path) -> None:
    """Layers without padding, whose channels some PE types could not fill up with zeros."""
    layers = [layer for layer in LAYERS if not layer.padding][:8]
    check_layers(hardware(pe_type, 2, 2), layers, 5, tmp_path, chance=0.8)


@pytest.mark.long
def test_floating_point_layers(tmp_path: Path) -> None:
    check_layers(hardware("bf16", port=32, off_chip_bytes=32), list(LAYERS), 6, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("pe_type", "size"), [("int8", 8), ("lightpe1", 5), ("int16", 4)])
def test_large_arrays(pe_type: str, size: int, tmp_path: Path) -> None:
    dice = random.Random(size)
    config = hardware(pe_type, size, size, glb_kib=64, pe={"ifmap_spad": 12, "filter_spad": 64})
    layers = [*LAYERS, *(random_layer(dice) for _ in range(12))]
    check_layers(config, layers, 7, tmp_path, simulator="verilator")


def test_a_layer_after_resets_in_the_middle(tmp_path: Path) -> None:
    """Nothing of a layer that a reset has ended is left in the next one."""
    config, dice = hardware("int8", 2, 2), random.Random(8)
    programs = [random_program(config, layer, dice) for layer in (LAYERS[0], LAYERS[3])]
    jobs = [layer_job(program, dice) for program in programs]
    counted = simulate(config, jobs, tmp_path, resets=(3, 17, 60, 111, 200))
    for program, item in zip(programs, counted, strict=True):
        check_counts(program, item, stalled=False)


@pytest.mark.parametrize("stream", ["filter", "ifmap", "output"])
def test_a_stream_that_stands_still(stream: str, tmp_path: Path) -> None:
    """Everything waits for a stream that stands still, and goes on as if nothing had been."""
    config, dice = hardware("int8", 2, 2), random.Random(9)
    program = random_program(config, LAYERS[3], dice)
    job = layer_job(program, dice)
    begin = len(job["writes"]) + 10  # a few cycles after the start
    (counted,) = simulate(config, [job], tmp_path, block=(stream, begin, begin + 3000))
    check_counts(program, counted, stalled=True)
    assert counted.cycles > 3000, "the stream did not stand still long enough"
