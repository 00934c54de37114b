"""Thousands of mutated libraries and netlists: the readers say what is wrong, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.errors import FlowError, LibertyError
from flows.liberty import read_liberty
from flows.netlist import area_um2, read_netlist
from tests.mutations import survives

from .circuits import TINY

LIBERTY_WORDS = [
    b"library", b"cell", b"pin", b"ff", b"latch", b"bus", b"timing", b"internal_power", b"values",
    b"when", b"function", b"index_1", b"direction", b"output", b"related_pin", b"leakage_power",
    b"lu_table_template", b"statetable", b"{", b"}", b"(", b")", b";", b":", b",", b"!", b"^",
]  # fmt: skip
NETLIST_WORDS = [
    b"cells", b"ports", b"netnames", b"bits", b"type", b"connections", b"direction", b"modules",
    b"NOT1", b"KEEP1", b"BOTH2", b"[]", b"{}", b"[[]]", b'"x"', b"{", b"}", b"[", b"]", b":", b",",
]  # fmt: skip
LIBERTY_SEEDS: tuple[int, ...] = ()
NETLIST_SEEDS: tuple[int, ...] = ()
"""Seeds that found a defect once: always read."""

Fuzz = Callable[[range], int]


@pytest.fixture
def liberty(tmp_path: Path) -> Fuzz:
    path = tmp_path / "mutated.lib"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        assert read_liberty(path).cells

    return lambda seeds: survives(
        read, TINY.read_bytes(), [*LIBERTY_SEEDS, *seeds], LIBERTY_WORDS, LibertyError
    )


@pytest.fixture
def netlist(tmp_path: Path) -> Fuzz:
    path, library = tmp_path / "mutated.json", read_liberty(TINY)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        area_um2(read_netlist(path, "top", library))

    return lambda seeds: survives(
        read, _netlist(), [*NETLIST_SEEDS, *seeds], NETLIST_WORDS, FlowError
    )


def _netlist() -> bytes:
    cells = {
        "pad.u1": ("NOT1", {"A": [2], "Y": [3]}),
        "$flatten\\pad.$u.cc:1": ("BOTH2", {"A": [3], "B": [5], "Y": [4]}),
        "u2": ("KEEP1", {"CK": [6], "D": [4], "Q": [5]}),
        "gate": ("GATE1", {"CK": [6], "E": [2], "GCK": [8]}),
        "u3": ("NOT1", {"A": ["0"], "Y": [7]}),
    }
    module = {
        "attributes": {"top": "1"},
        "ports": {
            "clk": {"direction": "input", "bits": [6]},
            "a": {"direction": "input", "bits": [2]},
            "word": {"direction": "output", "bits": [7, 5, "0", "x"]},
        },
        "cells": {
            name: {"hide_name": 0, "type": kind, "connections": pins}
            for name, (kind, pins) in cells.items()
        },
        "netnames": {"a": {"hide_name": 0, "bits": [2]}, "n": {"bits": [3, 4]}},
    }
    return json.dumps({"creator": "Yosys", "modules": {"top": module}}, indent=1).encode()


@pytest.mark.parametrize("reader", ["liberty", "netlist"])
def test_500_mutated_files(reader: str, request: pytest.FixtureRequest) -> None:
    fuzz: Fuzz = request.getfixturevalue(reader)
    assert 100 < fuzz(range(500)) < 500


@pytest.mark.long
@pytest.mark.parametrize("reader", ["liberty", "netlist"])
def test_10000_mutated_files(reader: str, request: pytest.FixtureRequest) -> None:
    fuzz: Fuzz = request.getfixturevalue(reader)
    assert 2_000 < fuzz(range(500, 10_500)) < 10_000
