"""Each rule is reported with its numbers, and only where it is broken."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dse.errors import MappingError
from dse.eyeriss import chip_design, chip_layers
from dse.eyeriss_search import broken_published_rules
from dse.rules import broken_rules, set_places
from hw.mapping import Mapping

from .design_points import SPACE, sample

CONV4 = Mapping(m=64, n=4, e=13, p=16, q=3, r=2, t=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": 5, "r": 1}, "q*S = 15 must be at most ifmap_spad = 12"),
        ({"q": 4, "p": 24, "m": 192, "n": 1}, "p*q*S = 288 must be at most filter_spad = 224"),
        ({"p": 32, "q": 1}, "p = 32 must be at most psum_spad = 24"),
        ({"r": 5, "t": 1, "q": 1}, "r = 5 must be at most the PE sets above each other = 4"),
        ({"t": 3, "m": 48}, "t = 3 must be at most the places for r sets = 2"),
        ({"e": 14}, "e = 14 must be at most the layer's = 13"),
        ({"n": 5}, "n = 5 must be at most the layer's = 4"),
        ({"m": 40}, "m = 40 must be a multiple of p*t = 32 or all 192 filters"),
        (
            {"q": 4},
            "psums of 86528 bytes beside an ifmap tile of 14400 bytes must fit the 102400 bytes of "
            "the global buffer in banks of 4096 bytes",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_numbers(change: dict[str, int], message: str) -> None:
    layer = chip_layers()[3]
    assert broken_published_rules(layer, chip_design(), CONV4) == ()
    mapping = dataclasses.replace(CONV4, **change)
    assert message in broken_published_rules(layer, chip_design(), mapping)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 3}, "n = 3 must divide the batch of 4"),
        ({"p": 32, "q": 1, "m": 192}, "p = 32 must be at most psum_spad = 24"),
        (
            {"n": 4, "m": 192},
            "an ifmap tile of 1440 rows in 3 banks and 39936 rows of psums in 78 banks must fit "
            "the 25 banks of 512 rows of the global buffer",
        ),
    ],
)
def test_a_rule_of_the_hardware_is_named_with_its_numbers(
    change: dict[str, int], message: str
) -> None:
    layer = chip_layers()[3]
    mapping = Mapping(m=64, n=1, e=13, p=16, q=3, r=2, t=2)
    assert broken_rules(layer, chip_design(), mapping) == ()
    broken = broken_rules(layer, chip_design(), dataclasses.replace(mapping, **change))
    assert message in broken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"glb_bytes_per_cycle": 12.0}, "port of the global buffer not a power of two"),
        ({"glb_bytes_per_cycle": 1.0}, "word wider than the port of the global buffer"),
        ({"rows": 2}, "filter higher than the array"),
    ],
)
def test_a_design_without_hardware_is_named(change: dict[str, float], message: str) -> None:
    columns = {name: np.array([value]) for name, value in change.items()}
    design = dataclasses.replace(chip_design(), **columns)
    mapping = Mapping(m=64, n=1, e=13, p=16, q=3, r=2, t=2)
    assert message in broken_rules(chip_layers()[3], design, mapping)


def test_a_filter_higher_than_the_array_is_named() -> None:
    design = dataclasses.replace(chip_design(), rows=np.array([2]))
    broken = broken_rules(chip_layers()[3], design, CONV4)
    assert "rows of a PE set, R*ceil(e/cols) = 3 must be at most rows = 2" in broken


def test_rules_take_one_design() -> None:
    with pytest.raises(MappingError, match="one design point, not on 2"):
        broken_rules(chip_layers()[0], sample(2, 0, SPACE), CONV4)


@pytest.mark.parametrize(
    ("filter_rows", "e", "rows", "cols", "places"),
    [
        (11, 7, 12, 14, (1, 2)),  # AlexNet CONV1: two sets beside each other
        (5, 27, 12, 14, (1, 1)),  # CONV2: folded into 14 + 13
        (3, 13, 12, 14, (4, 1)),
        (5, 27, 9, 14, (0, 1)),  # the two pieces need ten rows
        (1, 1, 4, 4, (4, 4)),
        (3, 8, 24, 4, (4, 1)),
    ],
)
def test_places_of_pe_sets(
    filter_rows: int, e: int, rows: int, cols: int, places: tuple[int, int]
) -> None:
    high, wide = set_places(filter_rows, e, rows, cols)
    assert high == places[0]
    assert not high or wide == places[1]
