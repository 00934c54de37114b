"""The heuristic against the exhaustive search of the same objectives, and its own guarantees."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dse.designs import DesignArrays
from dse.errors import MappingError
from dse.exhaustive import search_mappings
from dse.mapper import MappingArrays, map_layer
from dse.objective import Objective, criteria
from dse.passes import GroupShape, Passes, count_passes
from dse.performance import layer_performance
from dse.rules import REASONS, broken_rules
from dse.workloads import load_network
from hw.config import AcceleratorConfig, PEConfig
from hw.layer import Layer
from hw.mapping import Mapping

from .design_points import SPACE, TINY, WIDTHS, sample, special_layers, zoo_layers


def _count(layer: Layer, design: DesignArrays, mapping: Mapping) -> Passes:
    integers = {name: getattr(mapping, name) for name in "mnepqrt"}
    return count_passes(GroupShape.of(layer), design, **integers)


def _latency(layer: Layer, d: DesignArrays, mapping: Mapping) -> tuple[float, float, float]:
    """Return cycles, DRAM bytes and port bytes, of which the mapper minimises the first first."""
    rates = {"port_rate": d.glb_bytes_per_cycle[0], "dram_rate": d.dram_bytes_per_cycle[0]}
    counts = _count(layer, d, mapping)
    cycles, dram, port = criteria(layer, d, counts, mapping.e, "latency", **rates)
    return float(cycles), float(dram), float(port)


def _pairs(space: str, seed: int) -> list[tuple[Layer, DesignArrays]]:
    """Return seeded designs for every layer, of which the first is searched exhaustively.

    The others are there because the mapper works on all designs of a call together.
    """
    layers, columns = (zoo_layers(), SPACE) if space == "default" else (special_layers() * 6, TINY)
    return [
        (layer, sample(200, seed + i, columns, **WIDTHS[i % len(WIDTHS)]))
        for i, layer in enumerate(layers)
    ]


@pytest.mark.parametrize(("space", "seed"), [("default", 1), ("tiny", 100)])
def test_as_few_compute_cycles_as_the_exhaustive_search(space: str, seed: int) -> None:
    """60 and more pairs each: same feasibility; fewest cycles but for a few pairs, none far off."""
    ratios = []
    for layer, designs in _pairs(space, seed):
        design = designs.select([0])
        best = search_mappings(layer, design, "compute")
        found = map_layer(layer, designs, "compute")
        assert found.feasible[0] == (best is not None), (layer, design)
        if best is None:
            continue
        least, mine = _count(layer, design, best), _count(layer, design, found.mapping(0))
        ratios.append(mine.compute_cycles / least.compute_cycles)
        assert ratios[-1] >= 1, (layer, design)
        if ratios[-1] == 1:
            assert mine.dram_words >= least.dram_words
    assert len(ratios) >= (50 if space == "default" else 25)
    assert np.mean(np.array(ratios) == 1) >= 0.97, ratios
    assert max(ratios) <= 1.02, ratios


@pytest.mark.parametrize(("space", "seed"), [("default", 1), ("tiny", 100)])
def test_as_short_a_latency_as_the_exhaustive_search(space: str, seed: int) -> None:
    """60 and more pairs each, all bandwidths: same feasibility, the same latency but for a few."""
    ratios = []
    for layer, designs in _pairs(space, seed):
        design = designs.select([0])
        best = search_mappings(layer, design)
        found = map_layer(layer, designs)
        assert found.feasible[0] == (best is not None), (layer, design)
        if best is None:
            continue
        least, mine = _latency(layer, design, best), _latency(layer, design, found.mapping(0))
        ratios.append(mine[0] / least[0])
        assert ratios[-1] >= 1, (layer, design)
        if ratios[-1] == 1:
            assert mine[1] >= least[1]
    assert len(ratios) >= (50 if space == "default" else 25)
    assert np.mean(np.array(ratios) == 1) >= 0.92, ratios
    assert np.mean(ratios) <= 1.005, ratios
    assert max(ratios) <= 1.05, ratios


def test_the_latency_of_the_criteria_is_that_of_the_performance_model() -> None:
    for i, layer in enumerate(zoo_layers()[::6] + special_layers()):
        designs = sample(20, i, SPACE, **WIDTHS[i % len(WIDTHS)])
        found = map_layer(layer, designs)
        done = layer_performance(layer, designs, found)
        for k in np.nonzero(found.feasible)[0]:
            cycles, dram, _ = _latency(layer, designs.select([k]), found.mapping(int(k)))
            assert cycles == pytest.approx(done.cycles[k] - done.fill_cycles[k])
            assert dram == done.dram_read_bytes[k] + done.dram_write_bytes[k]


@pytest.mark.parametrize("pe_type", ["int16", "int8"])
@pytest.mark.parametrize("number", [1])
def test_a_layer_that_the_port_binds(pe_type: str, number: int) -> None:
    """VGG-16 on the Eyeriss point: fewest compute cycles would wait for the port most of the time.

    CONV1_2 with int16, fewest compute cycles: 11.1 M cycles of the array and 78.6 M of the port.
    """
    layer = load_network("vgg16").layers[number]
    design = DesignArrays.of(AcceleratorConfig(pe=PEConfig(pe_type=pe_type)))
    best = search_mappings(layer, design)
    assert best is not None
    least = _latency(layer, design, best)[0]
    fastest_array = _latency(layer, design, map_layer(layer, design, "compute").mapping(0))[0]
    assert fastest_array > 1.15 * least
    assert _latency(layer, design, map_layer(layer, design).mapping(0))[0] <= 1.02 * least


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("space", [SPACE, TINY], ids=["default", "tiny"])
def test_every_mapping_obeys_the_rules(space: dict[str, tuple[float, ...]], widths: dict) -> None:  # type: ignore[type-arg]
    designs = sample(60, 7, space, **widths)
    mapped = 0
    for layer in special_layers() + zoo_layers()[::5]:
        found = map_layer(layer, designs)
        for i in np.nonzero(found.feasible)[0]:
            mapped += 1
            assert broken_rules(layer, designs.select([i]), found.mapping(int(i))) == ()
    assert mapped > 100


def test_reasons_of_unmappable_designs() -> None:
    layer = Layer(name="x", c=4, h=20, w=20, m=4, r=5, s=5)
    one = sample(1, 0, SPACE)
    fits = {"rows": 8, "ifmap_spad": 8, "filter_spad": 64, "glb_kib": 32}
    for change, code in (
        ({}, 0),
        ({"ifmap_spad": 4}, 1),
        ({"filter_spad": 4}, 2),
        ({"rows": 4}, 3),
        ({"glb_kib": 8}, 4),
    ):
        columns = {name: np.array([value]) for name, value in (fits | change).items()}
        found = map_layer(layer, dataclasses.replace(one, **columns))
        assert (found.reason[0], found.feasible[0]) == (code, code == 0)
        assert (search_mappings(layer, dataclasses.replace(one, **columns)) is None) == (code != 0)
        if code:
            with pytest.raises(MappingError, match=REASONS[code]):
                found.mapping(0)


def test_compute_cycles_look_at_no_bandwidth_and_latency_does() -> None:
    layer = load_network("vgg16").layers[3]
    designs = sample(300, 3, SPACE)
    rates = ("glb_bytes_per_cycle", "dram_bytes_per_cycle")
    faster = dataclasses.replace(designs, **{name: getattr(designs, name) * 4 for name in rates})
    same, other = (map_layer(layer, d, "compute") for d in (designs, faster))
    for name in ("m", "n", "e", "p", "q", "r", "t", "reason"):
        assert np.array_equal(getattr(same, name), getattr(other, name))
    slow, fast = map_layer(layer, designs), map_layer(layer, faster)
    assert not np.array_equal(slow.e, fast.e)
    # either is the better one on its own designs
    for d, own, foreign in ((designs, slow, fast), (faster, fast, slow)):
        cycles = [layer_performance(layer, d, x) for x in (own, foreign)]
        both = slow.feasible
        terms = [x.cycles[both] - x.fill_cycles[both] for x in cycles]
        assert np.mean(terms[0] <= terms[1] * (1 + 1e-12)) > 0.99


def test_all_infeasible_designs_are_no_error() -> None:
    found = map_layer(zoo_layers()[0], sample(5, 0, TINY))
    assert not found.feasible.any()
    assert len(found) == 5
    assert set(found.reason) <= {1, 2, 3, 4}


def test_the_published_layers_map_to_the_published_cycles() -> None:
    """On the chip the heuristic may use idle filters, so it is never slower than the published."""
    from dse.eyeriss import best_mapping, chip_design, chip_layers

    for layer in chip_layers():
        mine = map_layer(layer, chip_design(), "compute").mapping(0)
        published = _count(layer, chip_design(), best_mapping(layer))
        assert broken_rules(layer, chip_design(), mine) == ()
        assert _count(layer, chip_design(), mine).compute_cycles <= published.compute_cycles


def test_arrays_of_a_mapping() -> None:
    mapping = Mapping(m=4, n=1, e=2, p=2, q=1, r=1, t=2)
    assert MappingArrays.of(mapping).mapping(0) == mapping


@pytest.mark.parametrize("objective", ["latency", "compute"])
@pytest.mark.parametrize("space", [SPACE, TINY], ids=["default", "tiny"])
def test_a_mapping_does_not_depend_on_the_designs_beside_it(
    space: dict[str, tuple[float, ...]], objective: Objective
) -> None:
    for seed, layer in enumerate(zoo_layers()[::4] + special_layers()):
        designs = sample(300, seed, space, **WIDTHS[seed % len(WIDTHS)])
        together = map_layer(layer, designs, objective)
        some = map_layer(layer, designs.select(slice(0, 300, 2)), objective)
        for name in (*"mnepqrt", "reason"):
            assert np.array_equal(getattr(some, name), getattr(together, name)[::2]), layer
        for index in range(0, 300, 60):
            alone = map_layer(layer, designs.select([index]), objective)
            assert alone.feasible[0] == together.feasible[index]
            for name in "mnepqrt":
                assert getattr(alone, name)[0] == getattr(together, name)[index], layer
