"""Arrays of design points: from configurations, with their checks and unique keys."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dse.designs import MAPPING_KEYS, DesignArrays, psum_interval, unique_rows
from dse.errors import DesignError
from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig
from hw.pe.registry import PE_TYPES

from .design_points import SPACE, sample


@pytest.mark.parametrize("kind", ["flipflop", "latch", "macro"])
def test_psum_interval_is_the_twin_of_the_configuration(kind: str) -> None:
    config = PEConfig(pe_type="int16", psum_spad_kind=kind)
    p = np.arange(1, 65)
    twin = psum_interval(p, config.psum_latency, kind == "macro")
    assert twin.tolist() == [config.psum_interval(int(x)) for x in p]


@pytest.mark.parametrize("name", sorted(PE_TYPES))
def test_arrays_of_a_configuration(name: str) -> None:
    pe = PEConfig(pe_type=name, psum_spad_kind="macro", pipeline_depth=1)
    config = AcceleratorConfig(pe=pe, rows=6, cols=7, glb_kib=64, dram_gb_per_s=6.4)
    d = DesignArrays.of(config, clock_ghz=0.8)
    assert len(d) == 1
    assert (d.rows[0], d.cols[0], d.glb_kib[0], d.glb_bytes_per_cycle[0]) == (6, 7, 64, 16)
    assert (d.ifmap_spad[0], d.filter_spad[0], d.psum_spad[0]) == (12, 224, 24)
    assert d.dram_bytes_per_cycle[0] == 8.0
    kind, hardware = PE_TYPES[name], HardwareConfig(design=config)
    assert d.weight_bits == kind.weight.bits
    assert d.activation_bits == kind.activation.bits
    assert (d.scale_words > 0) == (kind.scaling is not None) == (d.block is not None)
    assert (d.psum_bits, d.psum_latency, d.macro) == (pe.psum_width, pe.psum_latency, True)
    assert (d.write_stage, d.link_cycles) == (pe.write_stage, hardware.array.link_cycles)
    assert d.requantizes == hardware.requantizes


@pytest.mark.parametrize("port", [8, 16, 64, 256])
@pytest.mark.parametrize("name", sorted(PE_TYPES))
def test_what_a_design_leaves_open_is_the_hardwares(name: str, port: int) -> None:
    pe = PEConfig(pe_type=name)
    if pe.psum_width > 8 * port:
        return
    config = AcceleratorConfig(pe=pe, cols=5, glb_kib=71, glb_bytes_per_cycle=port)
    d, hardware = DesignArrays.of(config), HardwareConfig(design=config)
    assert d.has_port[0] and d.row_holds_words[0]
    for column in ("row_bits", "banks", "bank_rows", "queue_rows", "psums_per_row"):
        assert getattr(d, column)[0] == getattr(hardware, column), column
    assert d.filter_lanes[0] == hardware.array.filter_lanes
    assert d.ifmap_lanes[0] == hardware.array.ifmap_lanes


def test_several_configurations_must_share_their_scalars() -> None:
    one = AcceleratorConfig(pe=PEConfig(pe_type="int16"))
    wider = dataclasses.replace(one, cols=32)
    assert DesignArrays.of([one, wider]).cols.tolist() == [14, 32]
    with pytest.raises(DesignError, match="configurations must share"):
        DesignArrays.of([one, AcceleratorConfig(pe=PEConfig(pe_type="int8"))])
    with pytest.raises(DesignError, match="must be at least one"):
        DesignArrays.of([])
    with pytest.raises(DesignError, match="clock_ghz must be a number above 0"):
        DesignArrays.of(one, clock_ghz=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.array([1, 2])}, "cols must be an array of 2 values like rows"),
        ({"cols": np.array([0, 1, 2])}, "cols must be an integer of at least 1 .*, not .*0"),
        ({"cols": np.array([1.5, 1, 2])}, "cols must be an integer of at least 1 .*, not .*1.5"),
        (
            {"dram_bytes_per_cycle": np.array([1, -1.0, 2])},
            "dram_bytes_per_cycle must be a number above 0",
        ),
        (
            {"dram_bytes_per_cycle": np.array([1, np.nan, 2])},
            "dram_bytes_per_cycle must be a number above 0",
        ),
        ({"psum_bits": 0}, "psum_bits must be an integer of at least 1, not 0"),
        ({"scale_words": 1}, "block must be given where, .* not None with 1"),
    ],
)
def test_wrong_arrays_are_named(change: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(DesignError, match=message):
        dataclasses.replace(sample(3, 0, SPACE), **change)


def test_designs_that_differ_in_their_dram_rate_only_are_one_point() -> None:
    d = sample(2000, 4, {**SPACE, "rows": (4, 8), "cols": (4,), "filter_spad": (64,)})
    first, number = d.of_rates
    assert first.size < 2000
    points = d.select(first)
    names = (*MAPPING_KEYS, "glb_bytes_per_cycle")
    for name in names:
        assert np.array_equal(getattr(points, name)[number], getattr(d, name))
    columns = np.stack([getattr(points, name) for name in names])
    assert np.unique(columns, axis=1).shape == columns.shape


@pytest.mark.parametrize(
    ("port", "has"), [(1, True), (8, True), (12, False), (256, True), (512, False), (8.5, False)]
)
def test_ports_are_powers_of_two(port: float, has: bool) -> None:
    d = dataclasses.replace(sample(1, 0, SPACE), glb_bytes_per_cycle=np.array([float(port)]))
    assert d.has_port[0] == has


def test_a_row_off_chip_takes_at_least_a_cycle() -> None:
    d = sample(1, 0, SPACE)
    for port, link, cycles in ((16, 32, 1), (16, 16, 1), (16, 6.4, 2.5)):
        columns = {"glb_bytes_per_cycle": [float(port)], "dram_bytes_per_cycle": [float(link)]}
        one = dataclasses.replace(d, **{name: np.array(x) for name, x in columns.items()})
        assert one.row_cycles[0] == cycles


def test_unique_rows_of_many_values() -> None:
    """More combinations of values than an int64 can number."""
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 1 << 40, 3000) for _ in range(8)]
    columns = [np.concatenate([c, c[:100]]) for c in columns]
    first, inverse = unique_rows(columns)
    assert first.size == 3000
    assert all(np.array_equal(c[first][inverse], c) for c in columns)
