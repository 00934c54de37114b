"""Cycles and traffic against a loop nest that is walked pass by pass, and against hand counts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from math import ceil

import numpy as np
import pytest

from dse.designs import DesignArrays
from dse.errors import DesignError
from dse.mapper import MappingArrays, map_layer
from dse.passes import GroupShape
from dse.performance import LayerPerformance, layer_performance
from dse.rules import allowed_channels
from dse.workloads import load_network
from hw.config import AcceleratorConfig, PEConfig
from hw.layer import Layer
from hw.mapping import Mapping
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

from .design_points import SPACE, TINY, WIDTHS, sample, special_layers, zoo_layers


def _pixels(first: int, count: int, step: int, size: int, low: int, high: int) -> list[int]:
    """Return the padded coordinates that outputs first ... first + count - 1 use."""
    used = {(first + i) * step + j for i in range(count) for j in range(size)}
    return sorted(x for x in used if low <= x < high)


def _walk(layer: Layer, d: DesignArrays, k: Mapping) -> Counter[str]:
    """Run the loop nest of docs/mapping.md pass by pass and count what happens."""
    c, m = layer.c // layer.groups, layer.m // layer.groups
    real_columns = len(
        _pixels(0, layer.f, layer.stride, layer.s, layer.padding, layer.padding + layer.w)
    )
    columns = len(_pixels(0, layer.f, layer.stride, layer.s, 0, layer.padded_w))
    if layer.stride > layer.s:
        columns = layer.f * layer.s
    interval = max(k.p, d.psum_latency)
    interval += interval % 2 if d.macro else 0
    active = layer.r * k.e * k.r * k.t
    count: Counter[str] = Counter()
    in_array: object = None
    tile_in_glb: object = None
    filters_in_buffer: set[object] = set()
    channel_groups = [range(i, min(i + k.q * k.r, c)) for i in range(0, c, k.q * k.r)]
    filter_groups = [range(i, min(i + k.p * k.t, m)) for i in range(0, m, k.p * k.t)]
    # the one case in which the array keeps its filters from pass to pass
    keeps = len(channel_groups) == len(filter_groups) == 1
    per_block = ceil(k.m / (k.p * k.t))
    column = k.q + d.scale_words

    def stored(channels: range) -> int:
        """Channels and, before the first of each block, its scale."""
        opened = sum(x % d.block == 0 for x in channels) if d.block else 0
        return len(channels) + d.scale_words * opened

    for group in range(layer.groups):
        for first in range(0, len(filter_groups), per_block):
            block = filter_groups[first : first + per_block]
            bits = k.m * stored(range(c)) * layer.r * layer.s * d.terms * d.weight_bits
            buffered = bits <= d.filter_buffer_bytes * 8
            filters_in_buffer.clear()
            for image in range(0, layer.n, k.n):
                images = min(k.n, layer.n - image)
                for top in range(0, layer.e, k.e):
                    rows = min(k.e, layer.e - top)
                    real = len(
                        _pixels(
                            top, rows, layer.stride, layer.r, layer.padding, layer.padding + layer.h
                        )
                    )
                    tall = len(_pixels(top, rows, layer.stride, layer.r, 0, layer.padded_h))
                    for channels in channel_groups:
                        tile = (group, image, top, channels)
                        sent = len(channels) + d.scale_words * ceil(len(channels) / k.q)
                        if tile != tile_in_glb:
                            words = images * stored(channels)
                            count["ifmap_dram"] += words * real * real_columns
                            count["ifmap_glb_write"] += words * tall * columns
                            tile_in_glb = tile
                        for filters in block:
                            work = (group, channels, filters)
                            weights = len(filters) * layer.r * layer.s * d.terms
                            if not keeps or work != in_array:
                                count["loads"] += 1
                                count["filter_glb"] += weights * sent
                                count["load_cycles"] += k.p * column * layer.s * d.terms
                                if not (buffered and work in filters_in_buffer):
                                    count["filter_dram"] += weights * stored(channels)
                                filters_in_buffer.add(work)
                                in_array = work
                            count["passes"] += 1
                            taps = layer.f * column * layer.s
                            slots = taps * d.terms
                            count["cycles"] += (
                                k.n * (slots * interval + column * layer.s) + d.fill_cycles
                            )
                            count["slots"] += active * k.n * slots * k.p
                            count["ifmap_reads"] += active * k.n * taps
                            count["ifmap_glb"] += images * sent * tall * columns
                            outputs = images * rows * layer.f * len(filters)
                            count["psum_glb"] += outputs
                            if channels == channel_groups[-1]:
                                count["out"] += outputs
    return count


def _check(layer: Layer, d: DesignArrays, k: Mapping, index: int, x: LayerPerformance) -> None:
    want = _walk(layer, d, k)
    act, wgt, psum = d.activation_bits / 8, d.weight_bits / 8, d.psum_bits / 8
    got = {name: getattr(x, name)[index] for name in x.__dataclass_fields__}
    active = layer.r * k.e * k.r * k.t
    assert got["active_pes"] == active
    assert got["compute_cycles"] == want["cycles"] + want["load_cycles"]
    assert got["slots"] == want["slots"] >= layer.macs
    assert got["ifmap_reads"] == want["ifmap_reads"]
    assert got["filter_loads"] == active * want["load_cycles"]
    assert got["psum_passes"] == want["passes"] * active * k.n * layer.f * k.p
    window = (k.q + d.scale_words) * (layer.s + (layer.f - 1) * min(layer.stride, layer.s))
    assert got["ifmap_loads"] == pytest.approx(want["passes"] * active * k.n * window)
    out = (d.output_bits or d.activation_bits) / 8
    outputs = layer.n * layer.m * layer.e * layer.f
    assert got["dram_write_bytes"] == want["out"] * out == outputs * out
    assert got["dram_read_bytes"] == want["ifmap_dram"] * act + want["filter_dram"] * wgt
    assert got["glb_write_bytes"] == pytest.approx(
        want["ifmap_glb_write"] * act + want["filter_dram"] * wgt + want["psum_glb"] * psum
    )
    assert got["glb_read_bytes"] == pytest.approx(
        want["ifmap_glb"] * act + want["filter_glb"] * wgt + want["psum_glb"] * psum
    )
    port = got["glb_read_bytes"] + (want["psum_glb"] - want["out"]) * psum
    assert got["glb_cycles"] == pytest.approx(port / d.glb_bytes_per_cycle[0])
    dram = got["dram_read_bytes"] + got["dram_write_bytes"]
    assert got["dram_cycles"] == pytest.approx(dram / d.dram_bytes_per_cycle[0])
    terms = [got[name] for name in ("compute_cycles", "glb_cycles", "dram_cycles")]
    assert got["cycles"] == pytest.approx(max(terms) + got["fill_cycles"])
    pes = d.rows[0] * d.cols[0] * got["cycles"]
    assert got["busy_pe_cycles"] + got["idle_pe_cycles"] == pytest.approx(pes)
    assert got["idle_pe_cycles"] >= 0
    assert 0 <= got["inter_pe_psum_words"] < got["psum_passes"]


def test_counts_are_those_of_the_walked_loop_nest() -> None:
    checked = 0
    layers = special_layers() * 4 + [x for x in zoo_layers() if x.h <= 8 and x.macs < 3e7]
    for i, layer in enumerate(layers):
        space = TINY if i % 2 else SPACE
        d = sample(1, 500 + i, space, **WIDTHS[i % len(WIDTHS)])
        mappings = map_layer(layer, d)
        if mappings.feasible[0]:
            checked += 1
            _check(layer, d, mappings.mapping(0), 0, layer_performance(layer, d, mappings))
    assert checked > 30


def test_counts_of_random_legal_mappings() -> None:
    """Mappings nobody would choose: ragged strips, channels, filters, images and blocks."""
    rng = np.random.default_rng(5)
    big = {
        "rows": 64,
        "cols": 64,
        "ifmap_spad": 64,
        "filter_spad": 512,
        "psum_spad": 64,
        "glb_kib": 2048,
    }
    columns = {name: np.array([value]) for name, value in big.items()}
    for i, layer in enumerate(special_layers() * 6):
        d = dataclasses.replace(sample(1, 9, SPACE, **WIDTHS[i % len(WIDTHS)]), **columns)
        c, m = layer.c // layer.groups, layer.m // layer.groups
        e, n = int(rng.integers(1, layer.e + 1)), int(rng.integers(1, layer.n + 1))
        q = int(rng.choice(allowed_channels(GroupShape.of(layer), d, 4 * layer.s + layer.s)))
        p = int(rng.integers(1, min(m, 4) + 1))
        r, t = int(rng.integers(1, min(c, 3) + 1)), int(rng.integers(1, min(m, 3) + 1))
        k = Mapping(m=min(m, p * t * int(rng.integers(1, 4))), n=n, e=e, p=p, q=q, r=r, t=t)
        _check(layer, d, k, 0, layer_performance(layer, d, MappingArrays.of(k)))


def test_a_layer_by_hand() -> None:
    """One 3 x 3 filter over one 5 x 5 channel on a column of three PEs, every figure by hand."""
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
    interval = config.pe.psum_interval(1)
    assert x.compute_cycles[0] == 3 + 3 + 3 * 3 * interval + config.pe.pipeline_stages
    assert x.slots[0] == 9 * 9
    assert x.dram_read_bytes[0] == (25 + 9) * 2
    assert x.dram_write_bytes[0] == 9 * 2
    assert x.dram_cycles[0] == (34 + 9) * 2 / 4
    assert x.glb_cycles[0] == ((25 + 9) * 2 + 9 * 4) / 4
    assert x.fill_cycles[0] == (25 + 9) * 2 / 4 + 9 * 2 / 4 + 2 * 3 * interval
    assert x.psum_passes[0] == 9 * 3  # nine PEs, three positions each
    assert x.inter_pe_psum_words[0] == pytest.approx(6 * 3)  # the three PEs on top reach the GLB


def test_infeasible_designs_are_nan() -> None:
    layer = zoo_layers()[0]
    d = sample(200, 1, SPACE)
    mappings = map_layer(layer, d)
    x = layer_performance(layer, d, mappings)
    assert 0 < x.feasible.sum() < 200
    for name in x.__dataclass_fields__:
        if name not in ("feasible", "reason"):
            assert np.array_equal(np.isnan(getattr(x, name)), ~x.feasible), name


def test_bandwidth_only_moves_its_own_term() -> None:
    layer = load_network("vgg16").layers[7]
    d = sample(50, 2, SPACE)
    mappings = map_layer(layer, d)
    x = layer_performance(layer, d, mappings)
    faster = dataclasses.replace(d, dram_bytes_per_cycle=d.dram_bytes_per_cycle * 2)
    y = layer_performance(layer, faster, mappings)
    assert np.array_equal(x.dram_cycles, 2 * y.dram_cycles)
    assert np.array_equal(x.glb_cycles, y.glb_cycles)
    assert np.array_equal(x.compute_cycles, y.compute_cycles)
    assert (y.cycles <= x.cycles).all()


def test_mappings_and_designs_must_match() -> None:
    layer = zoo_layers()[0]
    with pytest.raises(DesignError, match="must be 3, one for each design, not 2"):
        layer_performance(layer, sample(3, 0, SPACE), map_layer(layer, sample(2, 0, SPACE)))


@pytest.mark.parametrize("kind", ["flipflop", "macro"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(PE_TYPES))
def test_a_pass_takes_what_the_pe_takes_and_the_first_window(
    name: str, depth: int, kind: str
) -> None:
    """`RowPass.cycles` is what the simulated PE takes; the model hides no first window."""
    kinds = {f"{spad}_spad_kind": kind for spad in ("ifmap", "filter", "psum")}
    pe = PEConfig(pe_type=name, pipeline_depth=depth, **kinds)
    pe_type = PE_TYPES[name]
    d = dataclasses.replace(DesignArrays.of(AcceleratorConfig(pe=pe)), terms=pe_type.terms)
    for p, q, s, stride, f in (
        (1, 1, 2, 1, 4),
        (24, 3, 3, 1, 9),
        (5, 2, 5, 2, 7),
        (16, 1, 11, 4, 3),
    ):
        size = (f - 1) * stride + s
        layer = Layer(name="row", c=2 * q, h=1, w=size, m=p, r=1, s=s, stride=stride)
        k = Mapping(m=p, n=1, e=1, p=p, q=q, r=1, t=1)
        x = layer_performance(layer, d, MappingArrays.of(k))
        row = RowPass(
            filters=p, channels=q, taps=s, stride=stride, positions=f, terms=pe_type.terms,
            scale_words=d.scale_words,
        )  # fmt: skip
        more = x.compute_cycles[0] / 2 - row.cycles(pe) - row.window
        # where slots stay empty at the end, the pipeline already empties in them
        assert 0 <= more <= pe.psum_interval(p) - p, (more, row)
        assert x.slots[0] / 2 == f * p * row.window * pe_type.terms
        assert x.filter_loads[0] / 2 == row.filter_words
        assert x.ifmap_loads[0] / 2 == row.ifmap_words
