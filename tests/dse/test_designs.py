"""Arrays of design points: from configurations, with their checks and unique keys."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dse.designs import MAPPING_KEYS, DesignArrays, psum_interval, unique_rows
from dse.errors import DesignError
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
    kind = PE_TYPES[name]
    assert d.weight_bits == kind.weight.storage_bits
    assert d.activation_bits == kind.activation.storage_bits
    assert d.ofmap_bits * kind.channel_lanes == d.activation_bits * kind.filter_lanes
    assert (d.scale_words > 0) == (kind.scaling is not None) == (d.block is not None)
    assert (d.psum_bits, d.psum_latency, d.macro) == (pe.psum_width, pe.psum_latency, True)
    assert d.fill_cycles == pe.pipeline_stages
    assert d.glb_bits[0] == (64 - 8) * 1024 * 8


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


@pytest.mark.parametrize(
    ("how", "rates"),
    [
        ("without_rates", ()),
        ("with_port", ("glb_bytes_per_cycle",)),
        ("with_rates", ("glb_bytes_per_cycle", "dram_bytes_per_cycle")),
    ],
)
def test_distinct_designs_cover_all_designs(how: str, rates: tuple[str, ...]) -> None:
    d = sample(2000, 4, {**SPACE, "rows": (4, 8), "cols": (4,), "filter_spad": (64,)})
    distinct, number = getattr(d, how)
    assert len(distinct) < 2000
    assert (np.diff(distinct.ifmap_spad) <= 0).all()
    names = (*MAPPING_KEYS, *rates)
    for name in names:
        assert np.array_equal(getattr(distinct, name)[number], getattr(d, name))
    columns = np.stack([getattr(distinct, name) for name in names])
    assert np.unique(columns, axis=1).shape == columns.shape


def test_numbers_of_distinct_designs_fit_each_other() -> None:
    d = sample(500, 4, {**SPACE, "rows": (4,), "cols": (4, 8), "filter_spad": (64,)})
    ports, rates = d.with_port[0], d.with_rates[0]
    for name in (*MAPPING_KEYS, "glb_bytes_per_cycle"):
        assert np.array_equal(getattr(ports, name)[d.port_of_rates], getattr(rates, name))


def test_unique_rows_of_many_values() -> None:
    """More combinations of values than an int64 can number."""
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 1 << 40, 3000) for _ in range(8)]
    columns = [np.concatenate([c, c[:100]]) for c in columns]
    first, inverse = unique_rows(columns)
    assert first.size == 3000
    assert all(np.array_equal(c[first][inverse], c) for c in columns)
