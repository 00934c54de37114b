"""Layers cut into passes, without hardware: the sums are those of a plain convolution."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from dse.rules import active_pes, set_places
from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_counts import LayerCounts, count_layer, layer_counts
from hw.array.row_stationary_cycles import cycles
from hw.array.row_stationary_golden import run_layer
from hw.array.row_stationary_layer import LayerPasses
from hw.array.row_stationary_pass import ArrayPass
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.layer import Layer
from hw.mapping import Mapping
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass
from tests.hw.array.row_stationary_cases import convolve, random_mapping, random_tensors
from tests.hw.array.systolic_layers import LAYERS, random_layer

PE = {"ifmap_spad": 8, "filter_spad": 64, "psum_spad": 6}
ARRAYS = ((1, 1), (2, 3), (3, 2), (5, 4), (8, 8))


def check_layer(passes: LayerPasses, dice: random.Random) -> None:
    """Run a layer pass by pass; compare outputs and counts."""
    weights, inputs, bias = random_tensors(passes, dice)
    layer = passes.layer
    outputs = np.zeros((layer.n, layer.m, layer.e, layer.f), object)
    taken = list(run_layer(passes, weights, inputs, outputs, bias))
    assert (outputs == convolve(passes, weights, inputs, bias)).all()
    counts = count_layer(passes)
    all_passes = [words.array_pass for words in taken]
    assert counts.passes == len(taken)
    assert counts.filter_loads == sum(a.row.load_filters for a in all_passes)
    assert counts.cycles == sum(cycles(a, passes.config) for a in all_passes)
    assert counts.filter_words == sum(a.filter_words for a in all_passes)
    assert counts.ifmap_words == sum(a.ifmap_words for a in all_passes)
    assert counts.psum_in_words == sum(a.psum_words for a in all_passes if a.row.accumulate)
    assert counts.psum_out_words == sum(a.psum_words for a in all_passes)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layers(layer: Layer) -> None:
    dice = random.Random(layer.name)
    for rows, cols in ARRAYS:
        config = RowStationaryConfig(pe=PEConfig(pe_type="int8", **PE), rows=rows, cols=cols)
        check_layer(random_mapping(layer, config, dice, bias=dice.random() < 0.5), dice)


def test_integers_equal_numpy() -> None:
    """The reference itself, where the order of exact sums does not matter."""
    config = RowStationaryConfig(pe=PEConfig(pe_type="int8", **PE), rows=3, cols=3)
    layer = Layer(name="plain", c=3, h=6, w=5, m=4, r=3, s=2, stride=2, padding=1)
    passes = random_mapping(layer, config, random.Random(3))
    weights, inputs, _ = random_tensors(passes, random.Random(4))
    w, x = (codes.astype(np.uint8).astype(np.int8).astype(np.int64) for codes in (weights, inputs))
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (3, 2), (1, 2))[:, ::2, ::2]
    plain = np.einsum("mcrs,cyxrs->myx", w, windows) & ((1 << config.pe.psum_width) - 1)
    assert (convolve(passes, weights, inputs, None)[0] == plain).all()


@pytest.mark.parametrize("seed", range(40))
def test_random_layers(seed: int) -> None:
    dice = random.Random(seed)
    pe_type = dice.choice([t for t in sorted(PE_TYPES) if not PE_TYPES[t].scaling])
    saturating = {"psum_bits": 16} if pe_type in ("int8", "int16") and seed % 2 else {}
    config = RowStationaryConfig(
        pe=PEConfig(pe_type=pe_type, **PE, **saturating),
        rows=dice.randint(1, 6), cols=dice.randint(1, 5),
        filter_lanes=dice.randint(1, 4), ifmap_lanes=dice.randint(1, 4),
    )  # fmt: skip
    layer = random_layer(dice)
    try:
        passes = random_mapping(layer, config, dice, bias=dice.random() < 0.5)
    except AssertionError:
        assert layer.padding and "no activation of zero" in refused(layer, config)
        return
    check_layer(passes, dice)


def refused(layer: Layer, config: RowStationaryConfig, **integers: int) -> str:
    """Return why a mapping is refused."""
    ones = dict.fromkeys("mnepqrt", 1)
    with pytest.raises(ConfigError) as error:
        LayerPasses(layer=layer, mapping=Mapping(**(ones | integers)), config=config)
    return str(error.value)


def test_refused() -> None:
    config = RowStationaryConfig(pe=PEConfig(pe_type="int8", **PE), rows=3, cols=3)
    layer = Layer(name="plain", c=3, h=6, w=6, m=4, r=3, s=3)
    assert refused(layer, config, q=4) == "mapping of layer 'plain': q must be at most 3, not 4"
    assert refused(layer, config, m=3, p=2) == (
        "mapping of layer 'plain': m must be a multiple of p*t = 2 or all 4 filters, not 3"
    )
    assert refused(layer, config, q=3) == (
        "q*S words of the window = 9 must be at most ifmap_spad = 8"
    )
    assert refused(layer, config, e=4) == (
        "2 chains of R*r = 3 PEs above each other = 6 must be at most rows = 3"
    )
    binary = RowStationaryConfig(pe=PEConfig(pe_type="binary", **PE), rows=3, cols=3)
    assert refused(layer, binary, q=2) == (
        "layer 'plain': binary has no activation of zero, so padding must be 0, not 0, and "
        "q*r = 2 must divide the 3 channels of a group"
    )


def test_cycles_of_arrays_equal_those_of_numbers() -> None:
    """The function an exploration calls with columns is the one the simulations check."""
    config = RowStationaryConfig(
        pe=PEConfig(pe_type="int8", **PE), rows=6, cols=4, filter_lanes=2, ifmap_lanes=3
    )
    dice = random.Random(9)
    layer = Layer(name="plain", c=7, h=9, w=8, m=9, r=3, s=2, stride=2, padding=1)
    passes = [random_mapping(layer, config, dice) for _ in range(200)]
    columns = {
        name: np.array([getattr(p.mapping, name) for p in passes], np.int64) for name in "mnepqrt"
    }
    many = layer_counts(
        layer,
        rows=np.full(200, config.rows),
        cols=np.full(200, config.cols),
        filter_lanes=config.filter_lanes,
        ifmap_lanes=config.ifmap_lanes,
        ifmap_spad=config.pe.ifmap_spad,
        interval=np.array([config.pe.psum_interval(p.mapping.p) for p in passes]),
        write_stage=config.pe.write_stage,
        link_cycles=config.link_cycles,
        **columns,
    )
    for index, one in enumerate(count_layer(p) for p in passes):
        for field in dataclasses.fields(LayerCounts):
            assert getattr(many, field.name)[index] == getattr(one, field.name), field.name


def test_places_are_those_of_the_exploration() -> None:
    """A pass fits the array exactly where the rules of `dse` say so."""
    dice, fits = random.Random(10), 0
    for _ in range(2000):
        rows, cols, high = dice.randint(1, 16), dice.randint(1, 16), dice.randint(1, 5)
        e, r, t = dice.randint(1, 40), dice.randint(1, 4), dice.randint(1, 12)
        config = RowStationaryConfig(pe=PEConfig(pe_type="int8", **PE), rows=rows, cols=cols)
        row = RowPass(filters=1, channels=1, taps=1, positions=1)
        array_pass = ArrayPass(row=row, filter_rows=high, strip=e, channel_sets=r, filter_sets=t)
        above, beside = set_places(high, e, rows, cols)
        allowed = r <= above and t <= above // r * beside
        try:
            array_pass.check(config)
        except ConfigError:
            assert not allowed, array_pass
        else:
            assert allowed, array_pass
            chains = [array_pass.place(config, j, o) for j in range(t) for o in range(e)]
            assert len(set(chains)) == len(chains)
            assert all(x < cols for x, _ in chains)
            assert active_pes(high, e, r, t) == array_pass.active_pes
            fits += 1
    assert fits > 100
