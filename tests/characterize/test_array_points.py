"""Arrays measured: modules cut apart, tiny arrays on a free library, and what is shipped."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from characterize import array_overhead
from characterize.array_actions import PARTS
from characterize.array_modules import flat_modules, leaf_modules
from characterize.array_plan import plan_arrays
from characterize.array_points import ArrayTask, array_digests, measure_array
from characterize.array_schema import (
    ENERGIES,
    check_array_row,
    load_arrays,
    read_arrays,
    row_config,
)
from characterize.datapoints import SHIPPED
from characterize.errors import StoreError
from flows.errors import LibraryNotFound
from flows.libraries import CellLibrary, find_library
from hw.array.row_stationary import RowStationaryArray
from hw.array.row_stationary_config import RowStationaryConfig
from hw.config import PEConfig

LIBRARIES = sorted(path.stem.removeprefix("arrays-") for path in SHIPPED.glob("arrays-*.csv"))
TYPES = ("int16", "int8", "lightpe1")
SMALL = PEConfig(pe_type="lightpe1", ifmap_spad=2, filter_spad=2, psum_spad=2)


def small_array(rows: int, cols: int, **fields: int) -> RowStationaryConfig:
    return RowStationaryConfig(pe=SMALL, rows=rows, cols=cols, **fields)


@pytest.fixture(scope="module")
def osu018() -> CellLibrary:
    if shutil.which("sta") is None:
        pytest.skip("sta is not installed (apt-get install opensta)")
    try:
        return find_library("osu018")
    except LibraryNotFound:
        pytest.skip("osu018 is not installed (apt-get install qflow-tech-osu018)")


def test_an_array_is_cut_into_leaves_and_one_top() -> None:
    array = RowStationaryArray(small_array(2, 3, filter_lanes=2))
    top, modules = leaf_modules(array)
    assert list(modules)[-1] == top
    assert len(re.findall(r"^module ", modules[top], re.M)) == 1
    placed = re.findall(r"^  (\w+) \\?(\S+) +\(", modules[top], re.M)
    by_instance = {instance: module for module, instance in placed}
    for y in range(2):
        for x in range(3):
            assert by_instance[f"node_{y}_{x}.glue"] == "node_lightpe1_glue"
            assert by_instance[f"node_{y}_{x}.link"] == array.node.link.module_name
            assert by_instance[f"node_{y}_{x}.pe.datapath"] == array.node.pe.datapath.module_name
    assert set(by_instance.values()) == set(modules) - {top}
    for part in array.node.pe.parts.values():  # the very text that the PE's datapoints are made of
        assert f"module {part.module_name}(" in modules[part.module_name]


def test_the_plan_has_what_a_fit_needs() -> None:
    plan = list(plan_arrays("int8"))
    quick = list(plan_arrays("int8", quick=True))
    assert set(map(str, quick)) < set(map(str, plan))
    for arrays in (plan, quick):
        parts = [array for array, form in arrays if form == "parts"]
        assert max(array.rows * array.cols for array in parts) == 64
        assert {array.ifmap_lanes for array in parts} == {1, 2, 4, 8}
        assert any(array.rows > array.cols for array in parts)
        assert any(array.rows < array.cols for array in parts)
    flat = [array for array, form in plan if form == "flat"]
    assert max(array.rows * array.cols for array in flat) == 16
    assert any(array.pe.saturating for array, _ in plan)
    assert not any(array.pe.saturating for array, _ in plan_arrays("bf16"))
    own = [array for array, _ in plan_arrays("int8", sizes=[(12, 14, 8, 4)])]
    assert [(array.rows, array.cols) for array in own] == [(12, 14)]


def test_a_flat_array_is_one_leaf() -> None:
    array = RowStationaryArray(small_array(1, 2))
    top, modules = flat_modules(array)
    assert set(modules) == {"whole", top}
    assert "node_lightpe1 node_0_1 (" in modules["whole"]
    assert ".psum_out__1__payload(psum_out__1__payload)" in modules[top]


@pytest.mark.usefixtures("osu018")
def test_tiny_arrays_are_measured_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    points = [(small_array(1, 1), "parts"), (small_array(2, 2, ifmap_lanes=2), "parts")]
    monkeypatch.setattr(array_overhead, "plan_arrays", lambda *_, **__: points)
    monkeypatch.setattr(array_overhead, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    command = ["--library", "osu018", "--pe", "lightpe1", "--quick", "--json"]
    assert array_overhead.main(command) == 0
    first = capsys.readouterr()
    assert first.err.count("ok lightpe1") == 2
    one, four = json.loads(first.out)
    for row, pes in ((one, 1), (four, 4)):
        assert row["overhead_um2"] == pytest.approx(sum(row[f"area_{p}_um2"] for p in PARTS))
        whole = row["overhead_um2"] + pes * row["pe_area_um2"]
        assert row["area_um2"] == pytest.approx(whole, rel=2e-3)
        assert row["leakage_uw"] == pytest.approx(sum(row[f"leakage_{p}_uw"] for p in PARTS))
        assert min(row[name] for name in ENERGIES) > 0
        assert row["critical_path_ns"] >= row["pe_critical_path_ns"] * 0.99
    assert four["area_links_um2"] == pytest.approx(4 * one["area_links_um2"])
    assert four["area_nodes_um2"] > 4 * one["area_nodes_um2"]  # tags and lanes to select
    assert four["psum_hop_pj"] == pytest.approx(one["psum_hop_pj"], rel=0.05)
    assert four["ifmap_row_pj"] > one["ifmap_row_pj"]

    assert array_overhead.main(command) == 0
    again = capsys.readouterr()
    assert "ok " not in again.err
    shown = json.loads(again.out)
    assert [row["key"] for row in shown] == [one["key"], four["key"]]
    assert shown[1]["area_um2"] == pytest.approx(four["area_um2"], rel=1e-5)


def test_what_cannot_be_measured_is_a_failed_row(osu018: CellLibrary, tmp_path: Path) -> None:
    pe = PEConfig(pe_type="lightpe1", filter_spad=8, filter_spad_kind="macro")
    array = RowStationaryConfig(pe=pe, rows=1, cols=1)
    row = measure_array(ArrayTask(array=array, library=osu018, build=tmp_path))
    assert row["status"] == "failed"
    assert "scratchpads of flip-flops, not with decoders 'pe' and flipflop, macro" in row["message"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_shipped_arrays_are_complete_and_of_this_tree(library: str) -> None:
    """Remeasure with `python -m characterize.array_overhead` when the array has changed."""
    table = load_arrays(library)
    assert "nangate45" in LIBRARIES
    assert set(table["pe_type"]) >= set(TYPES)
    large = table[(table["rows"] == 8) & (table["cols"] == 8)]
    assert len(large) > 0
    for pe_type, rows in table.groupby("pe_type"):
        generator, flow = array_digests(str(pe_type))
        assert set(rows["generator_digest"]) == {generator}
        assert set(rows["flow_digest"]) == {flow}
        parts = rows[rows["form"] == "parts"]
        sizes = {(row.rows, row.cols) for row in parts.itertuples()}
        assert {(2, 2), (4, 4)} <= sizes and any(rows != cols for rows, cols in sizes)
        assert {1, 2, 8} <= set(parts["filter_lanes"])
        split = sum(parts[f"area_{part}_um2"] for part in PARTS)
        assert (abs(split - parts["overhead_um2"]) <= 2e-5 * split).all()
        assert (parts[list(ENERGIES)] > 0).all().all()
    for row in table.to_dict("records"):
        named = {str(name): value for name, value in row.items()}
        assert row_config(named).digest() == row["config_digest"]


def test_wrong_rows_are_refused(tmp_path: Path) -> None:
    table = pd.read_csv(SHIPPED / "arrays-nangate45.csv", dtype=str, keep_default_na=False)
    row = {str(name): value for name, value in table.iloc[0].items()}
    for change, message in (
        ({"rows": "0"}, "here: rows must be a int from 1 to 256, not '0'"),
        ({"nonsense": "1"}, "here: unknown column 'nonsense'"),
        ({"library": ""}, "here: column 'library' is empty"),
        ({"pe_type": "int17"}, "here: there is no such array: 'int17'"),
        ({"status": "fine"}, "here: status must be ok or failed, not 'fine'"),
    ):
        with pytest.raises(StoreError, match=re.escape(message)):
            check_array_row(row | change, "here")
    with pytest.raises(StoreError, match="cannot read arrays from"):
        read_arrays(tmp_path / "none.csv")


def test_unknown_types_and_libraries_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert array_overhead.main(["--pe", "int17"]) == 2
    assert "--pe must be one of" in capsys.readouterr().err
    assert array_overhead.main(["--sizes", "12x14"]) == 2
    assert "like 12x14/8/4, not '12x14'" in capsys.readouterr().err
    with pytest.raises(StoreError, match="no measured arrays for the library 'none'"):
        load_arrays("none")


@pytest.mark.long
@pytest.mark.parametrize("pe_type", ["int8", "bf16"])
def test_flat_and_joined_arrays_need_nearly_the_same(
    osu018: CellLibrary, tmp_path: Path, pe_type: str
) -> None:
    pe = PEConfig(pe_type=pe_type, ifmap_spad=2, filter_spad=2, psum_spad=2)
    array = RowStationaryConfig(pe=pe, rows=3, cols=2)
    joined, flat = (
        measure_array(ArrayTask(array=array, library=osu018, build=tmp_path, form=form))
        for form in ("parts", "flat")
    )
    assert (joined["status"], flat["status"]) == ("ok", "ok")
    assert flat["area_um2"] == pytest.approx(joined["area_um2"], rel=0.1)
    assert flat["area_um2"] != joined["area_um2"]
