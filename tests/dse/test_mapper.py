"""The heuristic against the exhaustive search, and its own guarantees."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from dse.designs import DesignArrays
from dse.errors import MappingError
from dse.estimate import fill_in
from dse.exhaustive import search_mappings
from dse.group_shape import GroupShape
from dse.hardware import hardware_counts
from dse.mapper import MappingArrays, map_layer
from dse.performance import layer_performance
from dse.places import all_places, best_places, pad_places, tight_values
from dse.rules import REASONS, broken_rules, unmappable
from dse.workloads import load_network
from hw.config import AcceleratorConfig, PEConfig
from hw.layer import Layer
from hw.mapping import Mapping

from .design_points import SPACE, TINY, WIDTHS, sample, special_layers, zoo_layers


def _cycles(layer: Layer, d: DesignArrays, mapping: Mapping) -> float:
    return float(layer_performance(layer, d, MappingArrays.of(mapping)).cycles[0])


def _small_layers() -> list[Layer]:
    """Return layers whose exhaustive search is short."""
    return special_layers() * 3 + [layer for layer in zoo_layers() if layer.macs < 1e6]


@pytest.mark.parametrize(
    ("space", "seed", "equal", "mean"), [(SPACE, 1, 0.7, 1.02), (TINY, 100, 0.8, 1.02)],
    ids=["default", "tiny"],
)  # fmt: skip
def test_nearly_as_fast_as_the_exhaustive_search(
    space: dict[str, tuple[float, ...]], seed: int, equal: float, mean: float
) -> None:
    """Same feasibility; the same cycles for most pairs, a few percent more for others."""
    ratios = []
    for i, layer in enumerate(_small_layers()):
        # the others are there because the mapper works on all designs of a call together
        designs = sample(50, seed + i, space, **WIDTHS[i % len(WIDTHS)])
        design = designs.select([0])
        best, found = search_mappings(layer, design), map_layer(layer, designs)
        assert found.feasible[0] == (best is not None), (layer, design)
        if best is not None:
            least = _cycles(layer, design, best)
            ratios.append(_cycles(layer, design, found.mapping(0)) / least)
            assert ratios[-1] >= 1, (layer, design)
    assert len(ratios) >= 15
    assert np.mean(np.array(ratios) == 1) >= equal, ratios
    assert np.mean(ratios) <= mean, ratios
    assert max(ratios) <= 1.3, ratios


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("space", [SPACE, TINY], ids=["default", "tiny"])
def test_every_mapping_obeys_the_rules(
    space: dict[str, tuple[float, ...]], widths: dict[str, Any]
) -> None:
    designs = sample(25, 7, space, **widths)
    mapped = 0
    for layer in special_layers() + zoo_layers()[::5]:
        found = map_layer(layer, designs)
        for i in np.nonzero(found.feasible)[0]:
            mapped += 1
            assert broken_rules(layer, designs.select([i]), found.mapping(int(i))) == ()
    assert mapped > 100


@pytest.mark.parametrize("space", [SPACE, TINY], ids=["default", "tiny"])
def test_what_is_filled_in_fits_as_the_hardware_says(
    space: dict[str, tuple[float, ...]],
) -> None:
    """Rows of tiles and psums, and which mappings have room for two tiles."""
    checked = 0
    for seed, layer in enumerate(special_layers() + zoo_layers()[::7]):
        d = sample(40, seed, space, **WIDTHS[seed % len(WIDTHS)])
        d = d.select(unmappable(layer, d) == 0)
        g = GroupShape.of(layer)
        arrays = zip(d.rows, d.cols, strict=True)
        if not len(d):
            continue
        places = pad_places([all_places(g, int(rows), int(cols)) for rows, cols in arrays])
        k = fill_in(g, d, places[:, :, None])
        at = np.nonzero(k.fits)
        integers = {
            name: np.broadcast_to(getattr(k, name), k.fits.shape)[at].astype(np.int64)
            for name in "mnepqrt"
        }
        counts = hardware_counts(layer, d.select(at[0]), integers)
        assert counts.fits.all()
        assert np.array_equal(counts.tile_rows, k.tile_rows[at])
        psum_rows = np.broadcast_to(k.filter_psum_rows, k.fits.shape)[at] * integers["p"]
        # fewer where t turned out smaller, which leaves more room
        assert (counts.psum_rows <= psum_rows).all()
        assert (counts.psum_rows == psum_rows).mean() > 0.7
        assert (counts.double | ~k.double[at]).all()
        assert (integers["m"] % (integers["p"] * integers["t"]) == 0)[integers["m"] < g.m].all()
        assert (g.n % integers["n"] == 0).all()
        checked += at[0].size
    assert checked > 1000


def test_reasons_of_unmappable_designs() -> None:
    layer = Layer(name="x", c=4, h=20, w=20, m=4, r=5, s=5)
    one = sample(1, 0, SPACE)
    fits = {"rows": 8, "ifmap_spad": 8, "filter_spad": 64, "glb_kib": 32, "glb_bytes_per_cycle": 16}
    for change, code in (
        ({}, 0),
        ({"ifmap_spad": 4}, 1),
        ({"filter_spad": 4}, 2),
        ({"rows": 4}, 3),
        ({"glb_kib": 8}, 4),
        ({"glb_bytes_per_cycle": 4}, 5),  # psums of 45 bits
        ({"glb_bytes_per_cycle": 24}, 6),
        ({"glb_bytes_per_cycle": 512}, 6),
    ):
        columns = {name: np.array([value]) for name, value in (fits | change).items()}
        design = dataclasses.replace(one, **columns)
        found = map_layer(layer, design)
        assert (found.reason[0], found.feasible[0]) == (code, code == 0)
        assert (search_mappings(layer, design) is None) == (code != 0)
        if code:
            with pytest.raises(MappingError, match=REASONS[code]):
                found.mapping(0)
            assert broken_rules(layer, design, Mapping(m=1, n=1, e=1, p=1, q=1, r=1, t=1))


def test_a_faster_link_never_makes_a_layer_slower() -> None:
    for layer in zoo_layers()[::7]:
        d = sample(200, 3, SPACE, **WIDTHS[2])
        faster = dataclasses.replace(d, dram_bytes_per_cycle=d.dram_bytes_per_cycle * 4)
        slow, fast = (layer_performance(layer, x, map_layer(layer, x)) for x in (d, faster))
        assert (slow.cycles >= fast.cycles)[slow.feasible].all()
        assert np.array_equal(slow.reason, fast.reason)


def test_mappings_follow_the_bandwidths() -> None:
    """Each of two designs' mappings is the better one there."""
    layer = load_network("vgg16").layers[3]
    designs = sample(300, 3, SPACE)
    faster = dataclasses.replace(designs, dram_bytes_per_cycle=designs.dram_bytes_per_cycle * 8)
    slow, fast = map_layer(layer, designs), map_layer(layer, faster)
    assert not np.array_equal(slow.e, fast.e)
    for d, own, foreign in ((designs, slow, fast), (faster, fast, slow)):
        cycles = [layer_performance(layer, d, x).cycles for x in (own, foreign)]
        assert (cycles[0] <= cycles[1])[slow.feasible].all()


def test_tiles_are_double_buffered_where_there_is_room() -> None:
    """On the Eyeriss point, VGG-16: two tiles for every layer whose tile is not the whole input."""
    d = DesignArrays.of(AcceleratorConfig(pe=PEConfig(pe_type="int8")))
    for layer, _ in load_network("vgg16").unique_layers():
        found = map_layer(layer, d)
        counts = hardware_counts(layer, d, {name: getattr(found, name) for name in "mnepqrt"})
        assert counts.double[0]


def test_all_infeasible_designs_are_no_error() -> None:
    found = map_layer(zoo_layers()[0], sample(5, 0, TINY))
    assert not found.feasible.any()
    assert len(found) == 5
    assert set(found.reason) <= {1, 2, 3, 4}


def test_arrays_of_a_mapping() -> None:
    mapping = Mapping(m=4, n=1, e=2, p=2, q=1, r=1, t=2)
    assert MappingArrays.of(mapping).mapping(0) == mapping


@pytest.mark.parametrize("space", [SPACE, TINY], ids=["default", "tiny"])
def test_a_mapping_does_not_depend_on_the_designs_beside_it(
    space: dict[str, tuple[float, ...]],
) -> None:
    for seed, layer in enumerate(zoo_layers()[::4] + special_layers()):
        designs = sample(300, seed, space, **WIDTHS[seed % len(WIDTHS)])
        together = map_layer(layer, designs)
        some = map_layer(layer, designs.select(slice(0, 300, 2)))
        for name in (*"mnepqrt", "reason"):
            assert np.array_equal(getattr(some, name), getattr(together, name)[::2]), layer
        for index in range(0, 300, 60):
            alone = map_layer(layer, designs.select([index]))
            assert alone.feasible[0] == together.feasible[index]
            for name in "mnepqrt":
                assert getattr(alone, name)[0] == getattr(together, name)[index], layer


def test_best_places_are_some_of_all_places() -> None:
    for layer in special_layers() + zoo_layers()[::6]:
        g = GroupShape.of(layer)
        for rows, cols in ((16, 14), (32, 4), (12, 32)):
            if rows < layer.r:
                continue
            every, best = (
                {tuple(place) for place in zip(x.n, x.e, x.r, x.t, strict=True)}
                for x in (all_places(g, rows, cols), best_places(g, rows, cols))
            )
            assert best and best <= every


def test_tight_values_split_into_every_number_of_parts() -> None:
    for total in (1, 7, 55, 224):
        parts = {-(-total // size) for size in range(1, total + 1)}
        assert {-(-total // size) for size in tight_values(total)} == parts
        assert len(tight_values(total)) == len(parts)
