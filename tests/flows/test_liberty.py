"""Liberty files: values and units of a small library, mutations of it, two real libraries."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.errors import LibertyError
from flows.functions import parse_function
from flows.liberty import Liberty, read_liberty
from flows.liberty_cells import ClockGate

from .circuits import TINY, library_path

TEXT = TINY.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


def test_units_are_normalised(tiny: Liberty) -> None:
    assert (tiny.name, tiny.voltage_v) == ("tiny", 2.0)
    cell = tiny.cells["NOT1"]
    assert cell.area_um2 == 1.5
    assert cell.pins["A"].capacitance_pf == pytest.approx(0.02)
    assert cell.default_leakage_uw == pytest.approx(0.010)
    assert [leak.leakage_uw for leak in cell.leakages] == pytest.approx([0.030, 0.020])
    assert tiny.cells["DIFF2"].pins["A"].capacitance_pf == pytest.approx(0.02)  # mean of 3 and 1


def test_tables_in_either_order_and_beyond_their_ends(tiny: Liberty) -> None:
    (arc,), (power,) = tiny.cells["NOT1"].arcs, tiny.cells["NOT1"].powers
    assert arc.transition_rise is not None
    slew, load = np.array([0.0, 0.1, 0.2, 0.4]), np.array([0.0, 0.01, 0.04, 0.08])
    np.testing.assert_allclose(arc.transition_rise.at(slew, load), 0.1 + load * 5 + slew / 2)
    np.testing.assert_allclose(power.rise.at(slew, load), 0.04 + load + slew / 10)
    np.testing.assert_allclose(power.fall.at(slew, load), 0.02 + slew / 10)


def test_storage(tiny: Liberty) -> None:
    keep, hold, gate = (tiny.cells[n] for n in ("KEEP1", "HOLD1", "GATE1"))
    assert keep.functions == {"Q": parse_function("IQ"), "QN": parse_function("!IQ")}
    assert keep.register is not None
    assert not keep.register.transparent
    assert keep.register.clock == parse_function("CK")
    assert hold.register is not None
    assert hold.register.transparent
    assert gate.clock_gate == ClockGate(
        kind="latch_posedge", clock="CK", enable="E", test=None, out="GCK"
    )
    assert gate.register is not None
    assert gate.register.transparent
    assert gate.register.clock == parse_function("!CK")  # open while the clock is low
    assert gate.functions["GCK"].names == ("CK", gate.register.state)
    assert tiny.cells["PICK3"].dont_use
    assert not keep.dont_use


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("latch_posedge_precontrol", "CK & state"),
        ("latch_posedge_postcontrol", "CK & (state | T)"),
        ("latch_negedge", "CK | !state"),
        ("none_posedge", "CK & (E | T)"),
        ("none_negedge", "CK | !(E | T)"),
    ],
)
def test_kinds_of_clock_gates(kind: str, function: str, tmp_path: Path) -> None:
    text = TEXT.replace("latch_posedge", kind).replace(
        "pin (IQ) { direction : internal; internal_node : IQ; }",
        "pin (T) { direction : input; clock_gate_test_pin : true; capacitance : 1; }",
    )
    cell = _read(tmp_path, text).cells["GATE1"]
    state = cell.register.state if cell.register is not None else "none"
    expected = parse_function(function).substitute({"state": parse_function("state")})
    renamed = cell.functions["GCK"].substitute({state: parse_function("state")})
    names = tuple(sorted({*expected.names, *renamed.names}))
    assert renamed.over(names) == expected.over(names)


def test_wire_load(tiny: Liberty) -> None:
    assert tiny.wire_load is not None
    # 0.5 units of 0.01 pF per length; lengths 1 and 2 at 1 and 3 loads, then 3 for each more
    found = tiny.wire_load.at(np.array([0, 1, 2, 3, 5]))
    np.testing.assert_allclose(found, np.array([0, 1.0, 1.5, 2.0, 8.0]) * 0.005)


def test_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.lib.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert list(read_liberty(path).cells) == list(read_liberty(TINY).cells)
    path.write_bytes(gzip.compress(TEXT.encode())[:-200])
    with pytest.raises(LibertyError, match="cannot be read"):
        read_liberty(path)


def _without(pattern: str) -> str:
    text, count = re.subn(pattern, "", TEXT)
    assert count > 0
    return text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r":1: not Liberty: the file must begin with 'library \(NAME\) {'"),
        ("module m; endmodule", r":1: not Liberty: the file must begin"),
        ("cell (A) { }", r":1: not Liberty: it must begin with"),
        (TEXT[: TEXT.index("cell (KEEP1)")], r":4: truncated: library \(tiny\) is not closed"),
        (TEXT[: TEXT.index("next_state")], r":\d+: truncated: ff \(IQ, IQN\) is not closed"),
        (_without(r'time_unit : "100ps";'), "must state time_unit"),
        (_without(r"capacitive_load_unit .*;"), "must state capacitive_load_unit"),
        (TEXT.replace('"1nW"', '"1nV"'), "a unit must be a prefix from m to f and 'w', not 'nV'"),
        (
            TEXT.replace("e_transition (", "e_x (").replace("l_transition (", "l_x ("),
            "no timing tables",
        ),
        (_without(r"internal_power"), "must be 'name : value;'"),
        (TEXT.replace("internal_power", "other"), "no power tables"),
        (TEXT.replace("ff (IQ, IQN)", "other ()"), "no flip-flops"),
        (TEXT.replace('"4, 6", "8, 10"', '"4, 6", "8"'), r"must have 2 x 2 values, not 3"),
        (TEXT.replace('"4, 6", "8, 10"', '"4, 6", "8, x"'), "must be a list of numbers"),
        (TEXT.replace('index_1 ("0, 4")', 'index_1 ("4, 4")'), "must be strictly rising"),
        (TEXT.replace("rise_power (load_by_slew)", "rise_power (lost)"), "does not define"),
        (TEXT.replace('"!A & Q"', '"x"').replace('"D ^ Q"', '"D ^ X"'), "not 'X'"),
        (TEXT.replace('function : "!A"', 'function : "!"'), "a Boolean function must consist of"),
        (TEXT.replace("area : 1.5", "area : big"), "area of cell .NOT1. must be a number"),
        (TEXT.replace("cell (DIFF2)", "cell (NOT1)"), "must be defined once"),
        (TEXT.replace("2.0", "0"), "above 0 V"),
        (TEXT.replace('default_wire_load : "short"', 'default_wire_load : "l"'), "not 'l'"),
        (TEXT.replace("area : 9;", "area ! 9;"), r":\d+: a statement must be 'name : value;'"),
    ],
)
def test_errors_say_where_and_what(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.lib"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LibertyError, match=message) as caught:
        read_liberty(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LibertyError, match="cannot be read"):
        read_liberty(tmp_path / "none.lib")


position = st.integers(0, len(TEXT) - 1)
mutation = st.one_of(
    st.tuples(position, st.integers(0, 400), st.just("")),
    st.tuples(position, st.integers(0, 3), st.text(alphabet='(){}:;",\\/*!&^ 0aQ.-\n', max_size=4)),
    st.tuples(position, st.integers(0, 1), st.sampled_from(["1e999", "nan", "-1", "{", '"', "/*"])),
    st.tuples(position, st.just(len(TEXT)), st.just("")),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations=st.lists(mutation, min_size=1, max_size=4))
def test_mutations_never_raise_anything_else(
    mutations: list[tuple[int, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = TEXT
    for start, length, new in mutations:
        text = text[:start] + new + text[start + length :]
    path = tmp_path_factory.getbasetemp() / "mutated.lib"
    path.write_text(text, encoding="utf-8")
    try:
        library = read_liberty(path)
    except LibertyError as error:
        assert str(path) in str(error)
    else:
        assert library.cells


@pytest.mark.parametrize(
    ("name", "cells", "wires"), [("nangate45", 134, True), ("osu018", 32, False)]
)
def test_real_libraries(name: str, cells: int, wires: bool) -> None:
    library = read_liberty(library_path(name))
    assert len(library.cells) == cells
    assert (library.wire_load is not None) == wires
    assert not [cell.name for cell in library.cells.values() if cell.unusable]
    for cell in library.cells.values():
        for table in (table for power in cell.powers for table in (power.rise, power.fall)):
            assert np.all(np.abs(table.values) < 10.0)  # pJ: no unit has been mistaken


def _read(folder: Path, text: str) -> Liberty:
    path = folder / "changed.lib"
    path.write_text(text, encoding="utf-8")
    return read_liberty(path)
