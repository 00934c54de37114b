"""One function, two callers: what designs are believed to take is what hardware is predicted to."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from dse.designs import DesignArrays
from dse.errors import DesignError
from dse.mapper import MappingArrays, map_layer
from dse.performance import LayerPerformance, layer_performance
from dse.rules import broken_rules
from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig
from hw.errors import ConfigError
from hw.layer import Layer
from hw.layer_program import LayerProgram, Requantization
from hw.mapping import Mapping
from hw.pe.registry import PE_TYPES

from .design_points import SPACE, WIDTHS, sample, special_layers, zoo_layers

ROWS = ("filter_rows", "ifmap_rows", "ifmap_read_rows", "psum_read_rows", "psum_write_rows",
        "output_rows")  # fmt: skip


def random_hardware(rng: np.random.Generator, name: str) -> HardwareConfig:
    """Return a random accelerator of one PE type."""
    spads = {
        f"{spad}_spad": int(rng.choice(sizes))
        for spad, sizes in (("ifmap", (12, 24)), ("filter", (64, 224)), ("psum", (8, 24)))
    }
    kind = str(rng.choice(["flipflop", "macro"]))
    kinds = {f"{spad}_spad_kind": kind for spad in ("ifmap", "filter", "psum")}
    port = int(rng.choice([16, 32, 64]))
    design = AcceleratorConfig(
        pe=PEConfig(pe_type=name, **spads, **kinds),
        rows=int(rng.choice([4, 8, 12, 24])),
        cols=int(rng.choice([3, 8, 14])),
        glb_kib=int(rng.choice([32, 108, 256])),
        glb_bytes_per_cycle=port,
    )
    return HardwareConfig(
        design=design,
        off_chip_bytes=port >> int(rng.integers(0, 4)),
        memory_latency=int(rng.integers(1, 6)),
    )


def arrays_of(config: HardwareConfig, terms: int = 1) -> DesignArrays:
    """Return the one design that has this hardware."""
    return dataclasses.replace(
        DesignArrays.of(config.design),
        dram_bytes_per_cycle=np.array([float(config.off_chip_bytes)]),
        memory_latency=config.memory_latency,
        terms=terms,
    )


def integers_of(rng: np.random.Generator, layer: Layer, d: DesignArrays) -> Mapping | None:
    """Return a random mapping that the design can run, if one is met with."""
    c, m = layer.c // layer.groups, layer.m // layer.groups

    def up_to(most: int) -> int:
        return int(rng.integers(1, max(1, most) + 1))

    for _ in range(60):
        q = up_to(min(c, int(d.ifmap_spad[0]) // layer.s))
        p = up_to(min(m, int(d.psum_spad[0]), int(d.filter_spad[0]) // (q * layer.s * d.terms)))
        r, t = up_to(min(c, int(d.rows[0]) // layer.r)), up_to(min(m, 6))
        n = int(rng.choice([n for n in range(1, layer.n + 1) if layer.n % n == 0]))
        k = Mapping(m=min(m, p * t * up_to(4)), n=n, e=up_to(layer.e), p=p, q=q, r=r, t=t)
        if not broken_rules(layer, d, k):
            return k
    return None


def check(x: LayerPerformance, program: LayerProgram) -> None:
    """Compare what is believed of a design with what is predicted of the program."""
    counts = program.counts()
    assert counts.fits and x.feasible[0]
    assert x.cycles[0] == counts.cycles + counts.setup_cycles
    for name in (*ROWS, "setup_cycles", "array_cycles", "off_chip_cycles", "fill_cycles"):
        assert getattr(x, name)[0] == getattr(counts, name), name
    port = program.config.design.glb_bytes_per_cycle
    read = counts.filter_rows + counts.ifmap_read_rows + counts.psum_read_rows
    assert x.glb_read_bytes[0] == read * port
    written = counts.filter_rows + counts.ifmap_rows + counts.psum_write_rows
    assert x.glb_write_bytes[0] == written * port
    assert x.dram_read_bytes[0] == (counts.filter_rows + counts.ifmap_rows) * port
    assert x.dram_write_bytes[0] == counts.output_rows * port
    assert x.filter_words[0] == counts.array.filter_words
    assert x.ifmap_words[0] == counts.array.ifmap_words
    assert x.psum_in_words[0] == counts.array.psum_in_words
    assert x.psum_out_words[0] == counts.array.psum_out_words
    check_pes(x, program)


def check_pes(x: LayerPerformance, program: LayerProgram) -> None:
    """Compare actions of PEs with those of all passes, one after the other."""
    a, steps = program.array_pass, list(program.passes.steps())
    pes = a.height * a.strip * a.filter_sets
    assert x.active_pes[0] == pes
    loads = sum(step.load for step in steps)
    # a set of filter words goes to the PEs of all output rows
    assert x.filter_loads[0] == loads * a.filter_words * a.strip
    assert x.ifmap_loads[0] == len(steps) * pes * a.row.ifmap_words
    assert x.slots[0] == len(steps) * pes * a.row.positions * a.row.filter_words
    assert x.ifmap_reads[0] == len(steps) * pes * a.row.positions * a.row.window
    assert x.psum_passes[0] == len(steps) * pes * a.row.positions * a.row.filters
    chains = a.strip * a.filter_sets
    assert x.link_words[0] * a.height == x.psum_passes[0] * (a.height - 1)
    assert x.psum_passes[0] == len(steps) * chains * a.height * layer_psums(program)


def layer_psums(program: LayerProgram) -> int:
    """Return the psums of one chain in one pass."""
    return program.layer.f * program.mapping.p


NAMES = [name for name in sorted(PE_TYPES) if PE_TYPES[name].scaling is None]


@pytest.mark.parametrize("name", NAMES)
def test_random_layers_take_what_the_hardware_is_predicted_to(name: str) -> None:
    """Mappings nobody would choose: ragged strips, channels, filters, images and blocks."""
    rng = np.random.default_rng(NAMES.index(name))
    kind, checked = PE_TYPES[name], 0
    for layer in special_layers() * 3:
        config = random_hardware(rng, name)
        d = arrays_of(config, int(rng.integers(1, kind.terms + 1)))
        k = integers_of(rng, layer, d) if d.rows[0] >= layer.r else None
        if k is None:
            continue
        try:
            program = LayerProgram(
                config=config, layer=layer, mapping=k, terms=d.terms,
                requantization=Requantization() if config.requantizes else None,
            )  # fmt: skip
        except ConfigError as error:
            assert "has no activation of zero" in str(error)
            continue
        check(layer_performance(layer, d, MappingArrays.of(k)), program)
        checked += 1
    assert checked >= 5


def test_mappings_of_the_mapper_are_programs_of_the_hardware() -> None:
    rng = np.random.default_rng(1)
    layers = [x for x in zoo_layers() if x.macs < 3e6] + special_layers()
    checked = 0
    for layer in layers:
        config = random_hardware(rng, str(rng.choice(["int16", "int8", "lightpe1", "fp32"])))
        d = arrays_of(config)
        mappings = map_layer(layer, d)
        if not mappings.feasible[0]:
            continue
        program = LayerProgram(
            config=config, layer=layer, mapping=mappings.mapping(0),
            requantization=Requantization() if config.requantizes else None,
        )  # fmt: skip
        check(layer_performance(layer, d, mappings), program)
        checked += 1
    assert checked >= len(layers) // 2


def test_a_layer_by_hand() -> None:
    """One 3 x 3 filter over one 5 x 5 channel on a column of three PEs, every word by hand."""
    layer = Layer(name="hand", c=1, h=5, w=5, m=1, r=3, s=3)
    config = AcceleratorConfig(
        pe=PEConfig(pe_type="int16", psum_bits=32),
        rows=3,
        cols=3,
        glb_bytes_per_cycle=4,
        dram_gb_per_s=2.0,
    )
    d = DesignArrays.of(config, clock_ghz=0.5)
    k = Mapping(m=1, n=1, e=3, p=1, q=1, r=1, t=1)
    x = layer_performance(layer, d, MappingArrays.of(k))
    # two words of 16 bits in a row: filters of three PEs two at a time, five input rows likewise
    assert x.filter_rows[0] == 2 * 3
    assert x.ifmap_rows[0] == x.ifmap_read_rows[0] == 3 * 5
    assert x.psum_read_rows[0] == x.psum_write_rows[0] == 0
    assert x.output_rows[0] == np.ceil(3 * 3 / 2)  # one activation for each of three columns
    assert x.dram_read_bytes[0] == (6 + 15) * 4
    assert x.slots[0] == 9 * 9
    assert x.psum_passes[0] == 9 * 3  # nine PEs, three positions each
    assert x.link_words[0] == 6 * 3  # the three PEs on top send theirs out of the array
    assert x.filter_loads[0] == 9 * 3
    assert x.ifmap_loads[0] == 9 * 5
    assert x.setup_cycles[0] == 3 * 4 + 3


def test_infeasible_designs_are_nan() -> None:
    layer = zoo_layers()[0]
    d = sample(200, 1, SPACE)
    mappings = map_layer(layer, d)
    x = layer_performance(layer, d, mappings)
    assert 0 < x.feasible.sum() < 200
    for name in x.__dataclass_fields__:
        if name not in ("feasible", "reason"):
            assert np.array_equal(np.isnan(getattr(x, name)), ~x.feasible), name


@pytest.mark.parametrize("change", [{"dram_bytes_per_cycle": 0.5}, {"glb_interval": 3}])
def test_slower_memories_move_as_much_and_take_longer(change: dict[str, Any]) -> None:
    layers = [layer for layer in zoo_layers() if layer.r == 3][::6]
    slower = 0
    for seed, layer in enumerate(layers):
        d = sample(50, seed, SPACE, **WIDTHS[seed % len(WIDTHS)])
        mappings = map_layer(layer, d)
        x = layer_performance(layer, d, mappings)
        columns = {name: np.full(50, value) for name, value in change.items()}
        y = layer_performance(layer, dataclasses.replace(d, **columns), mappings)
        for name in ROWS:
            assert np.array_equal(getattr(x, name), getattr(y, name), equal_nan=True)
        ok = x.feasible
        assert (y.cycles >= x.cycles)[ok].all()
        slower += int((y.cycles > x.cycles)[ok].sum())
    assert slower > 0


def test_a_macro_slower_than_the_clock_is_never_faster_than_its_port() -> None:
    layer = zoo_layers()[2]
    d = sample(300, 3, SPACE, **WIDTHS[2])
    slow = dataclasses.replace(d, glb_interval=4)
    mappings = map_layer(layer, slow)
    x = layer_performance(layer, slow, mappings)
    ok = x.feasible
    for rows in (x.filter_rows, x.ifmap_read_rows, x.psum_read_rows + x.psum_write_rows):
        assert (x.cycles[ok] >= 4 * rows[ok]).all()


def test_mappings_and_designs_must_match() -> None:
    layer = zoo_layers()[0]
    with pytest.raises(DesignError, match="must be 3, one for each design, not 2"):
        layer_performance(layer, sample(3, 0, SPACE), map_layer(layer, sample(2, 0, SPACE)))
