"""Shells measured: components cut apart, one tiny shell on a free library, and what is shipped."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from characterize import shell_cost
from characterize.datapoints import SHIPPED
from characterize.errors import StoreError
from characterize.shell_actions import COMPONENTS, FIGURES, PARTS, ShellActivity, figure_pj
from characterize.shell_modules import flat_shell, shell_modules
from characterize.shell_plan import plan_shells
from characterize.shell_points import ShellTask, measure_shell, shell_digests
from characterize.shell_schema import (
    check_shell_row,
    load_shells,
    read_shells,
    shell_columns,
    shell_config,
)
from flows.errors import LibraryNotFound
from flows.libraries import CellLibrary, find_library
from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig, config_digest

LIBRARIES = sorted(path.stem.removeprefix("shells-") for path in SHIPPED.glob("shells-*.csv"))


def tiny_shell(pe_type: str = "int8", **fields: int) -> HardwareConfig:
    design = AcceleratorConfig(
        pe=PEConfig(pe_type=pe_type), rows=1, cols=1, glb_kib=16, glb_bytes_per_cycle=4
    )
    given = {"off_chip_bytes": 2, "filter_lanes": 1, "ifmap_lanes": 1, "psum_queue": 2}
    return HardwareConfig(design=design, **(given | fields))


@pytest.fixture(scope="module")
def osu018() -> CellLibrary:
    if shutil.which("sta") is None:
        pytest.skip("sta is not installed (apt-get install opensta)")
    try:
        return find_library("osu018")
    except LibraryNotFound:
        pytest.skip("osu018 is not installed (apt-get install qflow-tech-osu018)")


@pytest.mark.parametrize(("pe_type", "requantizes"), [("int8", True), ("lns8", False)])
def test_a_shell_is_cut_into_its_components(pe_type: str, requantizes: bool) -> None:
    design = dataclasses.replace(
        tiny_shell().design, pe=PEConfig(pe_type=pe_type), glb_bytes_per_cycle=8
    )
    config = HardwareConfig(design=design, psum_queue=2)
    top, modules = shell_modules(config)
    assert list(modules)[-1] == top
    assert len(re.findall(r"^module ", modules[top], re.M)) == 1
    placed = set(re.findall(r"^  shell_(\w+) +(\w+) \(", modules[top], re.M))
    assert all(module == instance for module, instance in placed)
    names = {instance for _, instance in placed}
    assert names == {name.removeprefix("shell_") for name in set(modules) - {top}}
    assert names | {"top"} <= set(COMPONENTS)
    assert ("requantizer" in names) == requantizes
    # Streams between components keep their names.
    for port in ("source__valid", "sink__payload"):
        assert re.search(rf"\b{port}\b", modules["shell_queue"])
    whole, flat = flat_shell(config)
    assert whole == top and set(flat) == {top}
    assert f"module {top}(" in flat[top] and "psums.landing" in flat[top]


def test_the_plan_has_what_a_fit_needs() -> None:
    plan, quick = list(plan_shells()), list(plan_shells(quick=True))
    assert set(map(str, quick)) < set(map(str, plan))
    for shells in (plan, quick):
        configs = [config for config, form in shells if form == "parts"]
        assert {config.requantizes for config in configs} == {True, False}
        assert len({config.design.pe.pe_type for config in configs}) >= 4
        for name in ("row_bits", "banks", "queue_psums", "off_chip_bytes"):
            assert len({getattr(config, name) for config in configs}) >= 2, name
    assert any(form == "flat" for _, form in plan)
    for config, _ in plan:  # what a row says of a shell is all of it
        assert config_digest(shell_config(shell_columns(config))) == config_digest(config)


def test_a_figure_is_what_an_activity_takes_more_for_each_that_moves() -> None:
    config = tiny_shell()
    spent = {
        what: {"sender": 1.0, "psums": 2.0, "requantizer": 3.0, "packer": 0.5, "buffer": 1.0,
               "filter_packer": 1.0, "queue": 1.0, "filter__payload": 0.25}
        for what in ShellActivity
    }  # fmt: skip
    idle = {name: figure_pj(figure, spent, config) for name, figure in FIGURES.items()}
    assert set(idle.values()) == {0.0, None}
    assert idle["ifmap_word"] is None  # there are no such components
    fill, leave, feed = (spent[ShellActivity[name]] for name in ("FILL", "LEAVE", "FEED"))
    fill["queue"] += 2
    fill["filter__payload"] += 1
    leave["psums"] += 4
    leave["requantizer"] += 5  # it sees psums that are none of its business
    feed["requantizer"] += 7
    made = {name: figure_pj(figure, spent, config) for name, figure in FIGURES.items()}
    assert made["filter_row"] == pytest.approx(2 * 3)  # two beats make a row
    assert made["psum_leave"] == pytest.approx(4 + 5)
    # An output row holds as many codes as two beats: psums leave in every other cycle at most.
    rate = min(1, config.rows_per_output / 2)
    assert made["requantize"] == pytest.approx(max(0, 7 / rate - 5))


@pytest.mark.usefixtures("osu018")
def test_a_small_shell_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [point for point in plan_shells(quick=True) if not point[0].requantizes][:1]
    monkeypatch.setattr(shell_cost, "plan_shells", lambda **_: points)
    monkeypatch.setattr(shell_cost, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    command = ["--library", "osu018", "--quick", "--json"]
    assert shell_cost.main(command) == 0
    first = capsys.readouterr()
    assert first.err.count("ok posit8 2x2") == 1
    (row,) = json.loads(first.out)
    there = [part for part in PARTS if part != "requantizer"]
    for what, unit in (("area", "um2"), ("leakage", "uw")):
        split = [row[f"{what}_{part}_{unit}"] for part in there]
        assert min(split) > 0 and row[f"{what}_requantizer_{unit}"] == 0
        assert row[f"{what}_{unit}"] == pytest.approx(sum(split))
    assert row["requantize_pj"] is None
    assert row["idle_pj"] > 0
    assert min(row[f"{name}_pj"] for name in FIGURES if name != "requantize") > 0

    assert shell_cost.main(command) == 0
    again = capsys.readouterr()
    assert "ok " not in again.err
    assert [row["key"] for row in json.loads(again.out)] == [row["key"]]


def test_what_cannot_be_measured_is_a_failed_row(
    osu018: CellLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMPONENTS, "top", COMPONENTS["top"])
    monkeypatch.delitem(COMPONENTS, "sender")
    task = ShellTask(config=tiny_shell(), library=osu018, build=tmp_path)
    row = measure_shell(task)
    assert row["status"] == "failed"
    assert "components of a shell must be registers, " in row["message"]
    assert row["message"].endswith("not 'sender'")


@pytest.mark.parametrize("library", LIBRARIES)
def test_shipped_shells_are_complete_and_of_this_tree(library: str) -> None:
    """Remeasure with `python -m characterize.shell_cost` when the shell has changed."""
    table = load_shells(library)
    assert "nangate45" in LIBRARIES
    for pe_type, rows in table.groupby("pe_type"):
        generator, flow = shell_digests(str(pe_type))
        assert set(rows["generator_digest"]) == {generator}
        assert set(rows["flow_digest"]) == {flow}
    parts = table[table["form"] == "parts"]
    assert len(parts) >= 6
    split = sum(parts[f"area_{part}_um2"] for part in PARTS)
    assert (abs(split - parts["area_um2"]) <= 2e-5 * split).all()
    energies = [f"{name}_pj" for name in FIGURES if name != "requantize"]
    assert (parts[["idle_pj", *energies]] > 0).all().all()
    for row in table.to_dict("records"):
        named = {str(name): value for name, value in row.items()}
        assert config_digest(shell_config(named)) == row["config_digest"]


def test_wrong_rows_are_refused(tmp_path: Path) -> None:
    columns = shell_columns(tiny_shell())
    row = columns | dict.fromkeys(
        ("key", "library", "library_digest", "method", "form", "config_digest", "generator_digest",
         "flow_digest", "tools"), "x",
    ) | {"status": "ok", "schema_version": 1}  # fmt: skip
    assert check_shell_row(row, "here")["cols"] == 1
    for change, message in (
        ({"cols": "0"}, "here: cols must be a int from 1 to 256, not '0'"),
        ({"nonsense": "1"}, "here: unknown column 'nonsense'"),
        ({"pe_type": "int17"}, "here: there is no such shell: 'int17'"),
        ({"glb_bytes_per_cycle": 1}, "here: there is no such shell: off_chip_bytes must be at"),
    ):
        with pytest.raises(StoreError, match=re.escape(message)):
            check_shell_row(row | change, "here")
    pd.DataFrame([row | {"rows": 0}]).to_csv(tmp_path / "shells.csv", index=False)
    with pytest.raises(StoreError, match=r"shells\.csv, row 2: rows must be a int from 1"):
        read_shells(tmp_path / "shells.csv")
    with pytest.raises(StoreError, match="no measured shells for the library 'none'"):
        load_shells("none")
