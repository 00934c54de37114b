"""The library's clock gate in the place of the modules that ask for one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.clock_gates import GATE_MODULE, gate_verilog, standard_clock_gate
from flows.liberty import read_liberty

from .circuits import TINY, library_path

TEXT = TINY.read_text(encoding="utf-8")
TEST_PIN = "pin (T) { direction : input; clock_gate_test_pin : true; capacitance : 1; }"
GATE = re.search(r"  cell \(GATE1\) \{.*?\n  \}\n", TEXT, re.DOTALL)[0]  # type: ignore[index]


def gate_in(folder: Path, cells: str) -> str | None:
    """Return the name of the gate found in a library that has these in the place of `GATE1`."""
    path = folder / "other.lib"
    path.write_text(TEXT.replace(GATE, cells), encoding="utf-8")
    gate = standard_clock_gate(read_liberty(path))
    return None if gate is None else gate.name


def test_smallest_gate_for_rising_edges(tmp_path: Path) -> None:
    small = GATE.replace("GATE1", "SMALL").replace("area : 7", "area : 6")
    assert gate_in(tmp_path, GATE) == "GATE1"
    assert gate_in(tmp_path, GATE + small) == "SMALL"
    for change in (
        small.replace("latch_posedge", "latch_negedge"),
        small.replace("latch_posedge", "none_posedge"),
        small.replace("area", "dont_use : true; area"),
        small.replace("clock_gate_out_pin", "other"),
    ):
        assert gate_in(tmp_path, GATE + change) == "GATE1"
        assert gate_in(tmp_path, change) is None


def test_test_pin_is_tied_low(tmp_path: Path) -> None:
    text = GATE.replace("latch_posedge", "latch_posedge_precontrol")
    path = tmp_path / "other.lib"
    path.write_text(TEXT.replace(GATE, text.replace("pin (E)", f"{TEST_PIN}\n pin (E)")))
    gate = standard_clock_gate(read_liberty(path))
    assert gate is not None
    verilog = gate_verilog(gate)
    assert "GATE1 gate(.CK(clk), .E(en), .GCK(q), .T(1'b0));" in verilog
    assert f"module {GATE_MODULE}(clk, en, q, left);" in verilog


def test_libraries() -> None:
    assert standard_clock_gate(read_liberty(library_path("osu018"))) is None
    cells = read_liberty(library_path("nangate45"))
    gate = standard_clock_gate(cells)
    assert gate is not None and gate.clock_gate is not None and gate.clock_gate.test is None
    areas = [cell.area_um2 for cell in cells.cells.values() if cell.clock_gate is not None]
    assert gate.area_um2 == pytest.approx(min(areas))
