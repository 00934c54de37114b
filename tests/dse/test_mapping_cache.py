from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import dse.mapping_cache
from dse.mapper import MappingArrays, map_layer
from dse.mapping_cache import map_layer_cached

from .design_points import SPACE, WIDTHS, sample, zoo_layers

LAYER = zoo_layers()[3]
DESIGNS = sample(50, 1, SPACE, **WIDTHS[0])


def same(one: MappingArrays, other: MappingArrays) -> bool:
    names = [field.name for field in dataclasses.fields(MappingArrays)]
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


def test_what_was_mapped_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = map_layer(LAYER, DESIGNS)
    assert same(map_layer_cached(LAYER, DESIGNS, tmp_path)[0], wanted)
    assert not map_layer_cached(LAYER, DESIGNS.select(slice(1, None)), tmp_path)[1]
    monkeypatch.setattr(dse.mapping_cache, "map_layer", None)
    assert map_layer_cached(LAYER, DESIGNS, tmp_path)[1]
    assert same(map_layer_cached(LAYER, DESIGNS, tmp_path)[0], wanted)


def test_another_design_layer_or_width_is_another_entry(tmp_path: Path) -> None:
    others = [
        (LAYER, dataclasses.replace(DESIGNS, psum_bits=DESIGNS.psum_bits + 1)),
        (LAYER, dataclasses.replace(DESIGNS, rows=DESIGNS.rows + 1)),
        (
            LAYER,
            dataclasses.replace(DESIGNS, dram_bytes_per_cycle=DESIGNS.dram_bytes_per_cycle * 2),
        ),
        (dataclasses.replace(LAYER, m=LAYER.m * 2), DESIGNS),
    ]
    for layer, designs in [(LAYER, DESIGNS), *others]:
        assert same(map_layer_cached(layer, designs, tmp_path)[0], map_layer(layer, designs))
    assert len(list(tmp_path.iterdir())) == 5


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    map_layer_cached(LAYER, DESIGNS, tmp_path)
    entry = next(tmp_path.iterdir())
    good = entry.read_bytes()
    for bad in (b"", good[: len(good) // 2], b"no archive"):
        entry.write_bytes(bad)
        assert same(map_layer_cached(LAYER, DESIGNS, tmp_path)[0], map_layer(LAYER, DESIGNS))


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found, kept = map_layer_cached(LAYER, DESIGNS, tmp_path / "file" / "inside")
    assert same(found, map_layer(LAYER, DESIGNS))
    assert not kept
