"""Flattened PEs: settled values, a pass through netlists, both forms measured, what is shipped."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from characterize import flattened, flattened_points
from characterize.datapoints import SHIPPED
from characterize.errors import CharacterizeError, StoreError
from characterize.flattened import composition_errors
from characterize.flattened_pass import run_netlist, typical_pass
from characterize.flattened_points import (
    POINTS,
    flat_modules,
    flattened_digest,
    flattened_plan,
)
from characterize.flattened_schema import (
    COMPARED,
    check_flattened_row,
    load_flattened,
    point_of_row,
)
from characterize.flattened_signals import LANES, SettledNetlist, lane_words, words_of_lanes
from characterize.source_digest import generator_digest
from flows.activity import Statistic, propagate
from flows.errors import LibraryNotFound
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary, find_library
from flows.netlist import Netlist, read_netlist
from flows.synthesis import synthesize
from hw.config import PEConfig
from hw.pe.pe import PE, pe_modules
from hw.pe.registry import PE_TYPES
from tests.flows.circuits import TINY, circuit

LIBRARIES = sorted(path.stem.removeprefix("flattened-") for path in SHIPPED.glob("flattened-*.csv"))
SMALL = PEConfig(pe_type="lightpe1", ifmap_spad=4, filter_spad=16, psum_spad=4)


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


@pytest.fixture(scope="module")
def osu018() -> CellLibrary:
    if shutil.which("sta") is None:
        pytest.skip("sta is not installed (apt-get install opensta)")
    try:
        return find_library("osu018")
    except LibraryNotFound:
        pytest.skip("osu018 is not installed (apt-get install qflow-tech-osu018)")


def test_words_and_lanes() -> None:
    words = [(7 * lane) % 61 for lane in range(LANES)]
    assert words_of_lanes(lane_words(words, 6)) == words


def test_a_divider_halves_the_clock(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "keep": ("KEEP1", {"D": "d", "CK": "clk", "Q": "q"}),
        "turn": ("NOT1", {"A": "q", "Y": "d"}),
        "second": ("KEEP1", {"D": "q", "CK": "clk", "Q": "y"}),
    }
    signals = SettledNetlist(circuit(tmp_path, tiny, cells, {"clk": "clk"}, {"y": "y"}))
    signals.settle()
    signals.cycle()  # what a register holds at first follows from nothing
    for _ in range(9):
        signals.settle()
        before, following = signals.read("y"), signals.values[signals.netlist.names["q"]]
        signals.cycle(record=True)
        signals.settle()
        assert (signals.read("y") == following).all()
        assert (signals.read("y") == ~before).all()
    found, nets = signals.activity(), signals.netlist.names
    assert found.toggle[nets["q"]] == found.toggle[nets["y"]] == 1.0
    assert found.toggle[nets["clk"]] == 2.0 and found.p1[nets["clk"]] == 0.5
    assert found.p1[nets["d"]] + found.p1[nets["q"]] == 1.0


def test_a_gated_register_holds_its_word(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "gate": ("GATE1", {"CK": "clk", "E": "en", "GCK": "gck"}),
        "keep": ("KEEP1", {"D": "d", "CK": "gck", "Q": "q"}),
    }
    inputs = {"clk": "clk", "en": "en", "d": "d"}
    signals = SettledNetlist(circuit(tmp_path, tiny, cells, inputs, {"q": "q"}))
    dice = np.random.default_rng(1)
    held = None
    for number in range(40):
        word = dice.integers(0, 2**64, 1, dtype=np.uint64)
        signals.drive("d", word)
        signals.drive("en", int(number % 4 == 0))
        signals.settle()
        assert held is None or signals.read("q") == held
        signals.cycle(record=True)
        held = word if number % 4 == 0 else held
    found, nets = signals.activity(), signals.netlist.names
    assert found.toggle[nets["gck"]] == pytest.approx(2 / 4)
    assert found.toggle[nets["q"]] == pytest.approx(0.5 / 4, abs=0.04)
    assert found.toggle[nets["d"]] == pytest.approx(0.5, abs=0.04)


def test_random_inputs_give_the_statistics_that_are_computed(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "pick": ("PICK3", {"A": "a", "B": "b", "S": "s", "Y": "m"}),
        "both": ("BOTH2", {"A": "m", "B": "c", "Y": "n"}),
        "differ": ("DIFF2", {"A": "n", "B": "e", "Y": "y"}),
    }
    inputs = {name: name for name in ("clk", "a", "b", "s", "c", "e")}
    netlist = circuit(tmp_path, tiny, cells, inputs, {"y": "y"})
    signals, dice = SettledNetlist(netlist), np.random.default_rng(3)
    for _ in range(200):
        for name in ("a", "b", "s", "c"):
            signals.drive(name, dice.integers(0, 2**64, 1, dtype=np.uint64))
        signals.drive("e", 1)
        signals.settle()
        signals.cycle(record=True)
    found = signals.activity()
    wanted = propagate(netlist, {"e": Statistic(1.0, 0.0)}, inputs=Statistic.random())
    assert found.p1 == pytest.approx(wanted.p1, abs=0.02)
    assert found.toggle == pytest.approx(wanted.toggle, abs=0.02)


def test_latches_of_the_other_phase_are_refused(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "low": ("KEEP1", {"D": "n", "CK": "clk", "Q": "q"}),
        "turn": ("NOT1", {"A": "q", "Y": "n"}),
        "high": ("HOLD1", {"D": "q", "G": "clk", "Q": "y"}),
    }
    signals = SettledNetlist(circuit(tmp_path, tiny, cells, {"clk": "clk"}, {"y": "y"}))
    with pytest.raises(CharacterizeError, match="latches must be closed while the clock is high"):
        for _ in range(3):
            signals.settle()
            signals.cycle()


def test_lanes_must_agree_where_data_must_not_matter(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"turn": ("NOT1", {"A": "a", "Y": "y"})}
    signals = SettledNetlist(circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a"}, {"y": "y"}))
    signals.drive("a", np.array([5], dtype=np.uint64))
    signals.settle()
    with pytest.raises(CharacterizeError, match="y must not depend on the data"):
        signals.flag("y")
    with pytest.raises(CharacterizeError, match="at least two recorded cycles"):
        signals.activity()


@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_every_type_has_points_and_a_pass_for_each(pe_type: str) -> None:
    plan = flattened_plan(pe_type)
    assert len(set(plan)) == len(plan) == POINTS >= 12
    assert plan == flattened_plan(pe_type)
    assert [point.filter_spad for point in plan][:2] == [16, 64]
    for point in plan:
        row = typical_pass(point)
        row.check(point)
        assert row.positions * row.filters * row.window * row.terms > 64


def test_a_flat_pe_is_one_leaf() -> None:
    top, modules = pe_modules(PE(SMALL))
    flat = flat_modules(top, modules)
    assert set(flat) == {"whole", top}
    names = re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);$", flat[top], re.M)
    assert {"clk", "rst", "config__payload", "psum_out__payload"} <= set(names)
    for name in names:
        assert f".{name}({name})" in flat[top]
    for name in modules:
        assert f"module {'whole' if name == top else name}(" in flat["whole"]


@pytest.fixture(scope="module")
def netlist(osu018: CellLibrary, tmp_path_factory: pytest.TempPathFactory) -> Netlist:
    folder = tmp_path_factory.mktemp("whole")
    top, modules = pe_modules(PE(SMALL))
    made = synthesize(
        flat_modules(top, modules), top, osu018, work_dir=folder, cache_dir=folder / "cache"
    )
    return read_netlist(made.netlist_json, top, read_liberty(osu018.path))


def test_a_flat_netlist_computes_the_psums_of_the_golden_model(netlist: Netlist) -> None:
    row = typical_pass(SMALL)
    ran = run_netlist(netlist, SMALL)
    assert ran.products == row.positions * row.filters * row.window
    assert ran.products < ran.cycles < 1.3 * ran.products
    nets = netlist.ports["psum_out__payload"].nets
    assert 0.1 < ran.activity.toggle[nets[0]] < 0.6
    assert (ran.activity.toggle <= 2).all() and (ran.activity.p1 <= 1).all()


def test_a_wrong_netlist_is_refused(netlist: Netlist) -> None:
    port = netlist.ports["psum_out__payload"]
    turned = dataclasses.replace(port, nets=port.nets[[1, 0, *range(2, len(port.nets))]])
    wrong = dataclasses.replace(netlist, ports={**netlist.ports, "psum_out__payload": turned})
    with pytest.raises(CharacterizeError, match="netlist of pe_lightpe1 computes wrongly"):
        run_netlist(wrong, SMALL)


@pytest.mark.long
@pytest.mark.usefixtures("osu018")
def test_points_are_measured_once_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = dataclasses.replace(SMALL, filter_spad=8)
    monkeypatch.setattr(flattened, "flattened_plan", lambda _: [SMALL, wrong])
    monkeypatch.setattr(flattened, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    run = flattened_points.run_netlist

    def sometimes(netlist: Netlist, config: PEConfig) -> object:
        if config == wrong:
            raise CharacterizeError("a pass must end")
        return run(netlist, config)

    monkeypatch.setattr(flattened_points, "run_netlist", sometimes)
    command = ["--library", "osu018", "--pe", "lightpe1", "--json"]
    assert flattened.main(command) == 1
    first = capsys.readouterr()
    row, failed = json.loads(first.out)
    assert (row["status"], failed["status"]) == ("ok", "failed")
    assert "failed lightpe1 4/8/4: a pass must end" in first.err
    assert row["flat_area_um2"] != row["parts_area_um2"]
    for name in COMPARED:
        assert row[f"parts_{name}"] == pytest.approx(row[f"flat_{name}"], rel=0.25)
    assert row["stated_product_pj"] == pytest.approx(row["parts_product_pj"], rel=0.25)

    monkeypatch.setattr(flattened_points, "run_netlist", None)  # nothing is measured again
    assert flattened.main(command[:-1]) == 1
    again = capsys.readouterr()
    assert "lightpe1" not in again.err and "error by PE type" in again.out


def test_errors_are_those_of_the_parts() -> None:
    figures = {f"flat_{name}": [100.0, 100.0] for name in COMPARED}
    figures |= {f"parts_{name}": [110.0, 98.0] for name in COMPARED}
    found = composition_errors(pd.DataFrame({"pe_type": ["int8", "int16"], **figures}))
    assert found["pe_type"].tolist() == ["int8", "int16", "all"]
    last = found.iloc[-1]
    for name in COMPARED:
        assert last[f"{name}_mean"] == pytest.approx(0.06)
        assert last[f"{name}_max"] == pytest.approx(0.10)
        assert last[f"{name}_bias"] == pytest.approx(0.04)


@pytest.mark.parametrize("library", LIBRARIES)
def test_shipped_points_are_complete_and_of_this_tree(library: str) -> None:
    """Measure again with `python -m characterize.flattened` when hardware or flow have changed."""
    table = load_flattened(library)
    assert "nangate45" in LIBRARIES
    assert set(table["flow_digest"]) == {flattened_digest()}
    for pe_type, rows in table.groupby("pe_type"):
        assert set(rows["generator_digest"]) == {generator_digest(str(pe_type))}
        plan = {point.digest() for point in flattened_plan(str(pe_type))}
        assert set(rows["config_digest"]) == plan
    for row in table.to_dict("records"):
        named = {str(name): value for name, value in row.items()}
        assert point_of_row(named).digest() == row["config_digest"]
    errors = composition_errors(table).iloc[-1]
    assert errors["area_um2_mean"] < 0.03
    assert errors["product_pj_mean"] < 0.06
    assert errors["critical_path_ns_mean"] < 0.12


@pytest.mark.skipif(not LIBRARIES, reason="no flattened PEs are shipped")
def test_wrong_rows_are_refused() -> None:
    path = SHIPPED / f"flattened-{LIBRARIES[0]}.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    row = {str(name): value for name, value in table.iloc[0].items()}
    assert check_flattened_row(row, "here")["status"] == "ok"
    for change, message in (
        ({"ifmap_spad": "1"}, "here: ifmap_spad must be a int from 2 to 1024, not '1'"),
        ({"nonsense": "1"}, "here: unknown column 'nonsense'"),
        ({"flat_area_um2": ""}, "here: column 'flat_area_um2' is empty"),
        ({"pe_type": "int17"}, "here: there is no such PE: pe_type must be"),
        ({"filter_spad": "17"}, "here: config_digest must be"),
    ):
        with pytest.raises(StoreError, match=re.escape(message)):
            check_flattened_row(row | change, "here")


def test_unknown_types_and_libraries_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert flattened.main(["--pe", "int17"]) == 2
    assert "--pe must be one of" in capsys.readouterr().err
    assert flattened.main(["--library", "none", "--show"]) == 1
    assert "no flattened PEs for the library 'none'" in capsys.readouterr().err
