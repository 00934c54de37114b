"""Netlists: nets, parts, order of evaluation, and what a wrong netlist gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.netlist import area_um2, clock_nets_of, read_netlist

from .circuits import TINY, circuit


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


CELLS = {
    "filter_spad.u1": ("NOT1", {"A": "a", "Y": "n"}),
    "$flatten\\filter_spad.$abc$u.cc:1": ("BOTH2", {"A": "n", "B": "q", "Y": "m"}),
    "u2": ("KEEP1", {"CK": "clk", "D": "m", "Q": "q"}),
    "$abc$1$x.cc:396": ("NOT1", {"A": "q", "Y": "y"}),
}
PORTS = ({"clk": "clk", "a": "a"}, {"word": ["y", "q", "0"]})


def test_nets_parts_and_area(tiny: Liberty, tmp_path: Path) -> None:
    netlist = circuit(tmp_path, tiny, CELLS, *PORTS)
    assert netlist.parts == ("filter_spad", "top")
    assert [netlist.parts[p] for p in netlist.part] == ["filter_spad", "filter_spad", "top", "top"]
    assert area_um2(netlist) == {"filter_spad": 1.5 + 2, "top": 9 + 1.5}
    by_name = {group.cell.name: group for group in netlist.groups}
    q = by_name["KEEP1"].nets["Q"][0]
    assert netlist.names["word"].tolist() == [by_name["NOT1"].nets["Y"][1], q, 0]
    assert by_name["NOT1"].nets["A"].tolist() == [netlist.names["a"][0], q]
    open_output = by_name["KEEP1"].nets["QN"][0]  # a net of its own, on which nothing hangs
    assert all(open_output not in nets for nets in netlist.names.values())


def test_every_cell_comes_after_what_it_depends_on(tiny: Liberty, tmp_path: Path) -> None:
    netlist = circuit(tmp_path, tiny, CELLS, *PORTS)
    settled = np.zeros(netlist.n_nets, dtype=bool)
    settled[[0, 1, *netlist.names["a"], *netlist.names["clk"]]] = True
    for group in netlist.groups:
        if group.cell.register is not None:
            settled[group.nets[group.cell.register.state]] = True
    for step in netlist.steps:
        group = netlist.groups[step.group]
        for pin, function in group.cell.functions.items():
            assert all(settled[group.nets[name][step.rows]].all() for name in function.names)
            settled[group.nets[pin][step.rows]] = True
    assert settled.all()


def test_the_clock_passes_gates_and_stops_at_stored_bits(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "inv": ("NOT1", {"A": "clk", "Y": "clk_n"}),
        "gate": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "and": ("BOTH2", {"A": "g", "B": "q", "Y": "g2"}),
        "r": ("KEEP1", {"CK": "g2", "D": "e", "Q": "q"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "e": "e"}, {"q": "q"})
    clock = clock_nets_of(netlist, "clk")
    marked = {name for name, nets in netlist.names.items() if clock[nets].any()}
    assert marked == {"clk", "clk_n", "g", "g2"}
    with pytest.raises(FlowError, match=r"clock must be an input port \(clk, e\), not 'ck'"):
        clock_nets_of(netlist, "ck")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"u": ("LOST", {})}, "every cell must be one of library tiny, not 'LOST' .instance u."),
        ({"u": ("NOT1", {"Z": "a"})}, "instance u: cell NOT1 has no pin 'Z'"),
        (
            {"u": ("NOT1", {"A": "a", "Y": "y"}), "v": ("NOT1", {"A": "a", "Y": "y"})},
            "instance v: its output Y must drive a net alone; u drives it too",
        ),
        ({"u": ("NOT1", {"A": "a", "Y": "0"})}, "instance u: .* tied to a constant"),
        (
            {"u": ("NOT1", {"A": "v", "Y": "w"}), "x": ("NOT1", {"A": "w", "Y": "v"})},
            "2 cells wait for each other in a combinational loop, among them u, x",
        ),
    ],
)
def test_wrong_netlists(tiny: Liberty, tmp_path: Path, cells: Any, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        circuit(tmp_path, tiny, cells, {"a": "a"}, {"y": "y"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"modules": 1}',
        '{"modules": {"top": {"cells": []}}}',
        '{"modules": {"top": {"cells": {"u": {"type": "NOT1"}}}}}',
        '{"modules": {"top": {"netnames": {"u": {"bits": [[]]}}}}}',
    ],
)
def test_files_that_are_no_netlist(tiny: Liberty, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FlowError, match="must be a netlist written by Yosys as JSON"):
        read_netlist(path, "top", tiny)


def test_missing_module_and_file(tiny: Liberty, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"modules": {"other": {}}}), encoding="utf-8")
    with pytest.raises(FlowError, match="has no module 'top'; it has other"):
        read_netlist(path, "top", tiny)
    with pytest.raises(FlowError, match="cannot be read"):
        read_netlist(tmp_path / "none.json", "top", tiny)
