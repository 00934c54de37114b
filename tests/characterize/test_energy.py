"""The command of simulated energies, and what is shipped of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from characterize import energy
from characterize.datapoints import SHIPPED
from characterize.energy_comparison import stated_against_simulated
from characterize.energy_table import (
    ROW_ENERGIES,
    check_energy_row,
    load_energies,
    read_energies,
    row_config,
)
from characterize.errors import CharacterizeError, StoreError
from characterize.glitch_points import load_glitches
from characterize.recipes import datapath_recipe
from characterize.schema import PARTS
from characterize.source_digest import (
    flow_digest,
    generator_digest,
    glitch_digest,
    simulation_digest,
)
from hw.pe.registry import PE_TYPES

LIBRARIES = sorted(path.stem.removeprefix("energy-") for path in SHIPPED.glob("energy-*.csv"))
CHECK = 0.03
"""Largest error of actions times energies on passes that were not calibrated with."""
MISSED = {"nangate45": {("flightpe", "uniform"), ("lp2", "digits")}}
"""PE types and operands above it, which docs/simulated-energy.md names."""
NOT_SHIPPED = "none"


@pytest.fixture(scope="module", params=LIBRARIES)
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    return load_energies(request.param)


def test_every_pe_type_is_shipped() -> None:
    assert "nangate45" in LIBRARIES
    shipped = load_energies("nangate45")
    assert set(shipped.loc[shipped["data_set"] == "digits", "pe_type"]) == set(PE_TYPES)


def test_shipped_energies_are_of_this_tree(table: pd.DataFrame) -> None:
    """Remeasure with `python -m characterize.energy` when hardware, flow or simulation changed."""
    assert set(table["flow_digest"]) == {flow_digest()}
    assert set(table["simulation_digest"]) == {simulation_digest()}
    for row in table.to_dict("records"):
        named = {str(name): value for name, value in row.items()}
        config = row_config(named)
        assert config.digest() == row["config_digest"]
        assert row["generator_digest"] == generator_digest(row["pe_type"])
        assert row["recipe"] == datapath_recipe(config, row["library"]).name


def test_actions_times_energies_predict_other_passes(table: pd.DataFrame) -> None:
    worse = table[table["check_error"] > CHECK]
    above = set(zip(worse["pe_type"], worse["data_set"], strict=True))
    assert above == MISSED.get(table["library"][0], set())
    assert (table["mean_error"] <= table["check_error"]).all()


def test_shipped_figures_are_plausible(table: pd.DataFrame) -> None:
    split = sum(table[f"product_{part}_pj"] for part in PARTS)
    assert (abs(split - table["product_pj"]) <= 2e-5 * table["product_pj"]).all()
    assert (table["product_pj"] > table["idle_pj"]).all()
    for name in ROW_ENERGIES:
        assert (table[f"stated_{name}"] > 0).all(), name
        if name != "psum_pass_pj":  # a difference of passes, of binary psums next to nothing
            assert (table[name] > 0).all(), name
    assert (table["psum_pass_pj"] > -0.05 * table["product_pj"]).all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_glitch_factors_are_of_this_tree(library: str) -> None:
    """Remeasure with `python -m characterize.energy --glitches` when they are not."""
    glitches, energies = load_glitches(library), load_energies(library)
    assert set(glitches["glitch_digest"]) == {glitch_digest()}
    assert set(glitches["simulation_digest"]) == {simulation_digest()}
    assert (glitches["glitch_factor"] > 1).all() and (glitches["glitch_factor"] < 5).all()
    digests = dict(zip(energies["config_digest"], energies["netlist_digest"], strict=True))
    for row in glitches.to_dict("records"):
        assert row["netlist_digest"] == digests[row["config_digest"]]


def test_rows_are_shown_with_their_glitch_factors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert energy.main(["--library", "nangate45", "--show"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^{name} ", shown, re.M) for name in PE_TYPES)
    factor = load_glitches("nangate45").set_index("pe_type")["glitch_factor"]
    line = next(line for line in shown.splitlines() if line.startswith("int16"))
    assert any(f" {each:.2f} " in line for each in factor[["int16"]])
    assert energy.main(["--library", "nangate45", "--show", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["pe_type"] for row in rows} == set(PE_TYPES)


def test_an_export_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "energies.csv"
    assert energy.main(["--library", "nangate45", "--export", str(target)]) == 0
    assert len(read_energies(target)) == len(load_energies("nangate45"))


def test_wrong_rows_are_refused() -> None:
    table = pd.read_csv(SHIPPED / "energy-nangate45.csv", dtype=str, keep_default_na=False)
    row = {str(name): value for name, value in table.iloc[0].items()}
    for change, message in (
        ({"psum_spad": "0"}, "here: psum_spad must be a int from 2 to 1024, not '0'"),
        ({"nonsense": "1"}, "here: unknown column 'nonsense'"),
        ({"data_set": "imagenet"}, "here: data_set must be digits or uniform"),
        ({"pe_type": "int17"}, "here: there is no such PE: 'int17'"),
    ):
        with pytest.raises(StoreError, match=re.escape(message)):
            check_energy_row(row | change, "here")
    with pytest.raises(StoreError, match="no simulated energies for the library 'none'"):
        load_energies(NOT_SHIPPED)


def test_wrong_options_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert energy.main(["--pe", "int17"]) == 2
    assert "--pe must be " in capsys.readouterr().err
    assert energy.main(["--sizes", "12x224"]) == 2
    assert "--sizes must be three sizes like 12/224/24, not '12x224'" in capsys.readouterr().err
    assert energy.main(["--library", NOT_SHIPPED, "--pe", "int8"]) == 2
    assert NOT_SHIPPED in capsys.readouterr().err


def test_stated_activity_flatters_what_int16_is_stated_too_expensive_for(capsys) -> None:
    rows = [("int16", 10.0, 8.0, 12.0), ("lightpe1", 5.0, 5.0, 0.0), ("fp32", 20.0, 10.0, 0.0)]
    table = pd.DataFrame(
        {
            "data_set": "digits",
            "pe_type": name,
            "stated_product_pj": stated,
            "stated_psum_pass_pj": 0.0,
            "product_pj": simulated - psum / 12,
            "psum_pass_pj": psum,
        }
        for name, stated, simulated, psum in rows
    )
    lines = stated_against_simulated(table)
    assert list(lines["pe_type"]) == ["lightpe1", "int16", "fp32"]
    assert list(lines["flattered"]) == pytest.approx([0.25, 0.0, -0.375])
    with pytest.raises(CharacterizeError, match="--pe int16 --set uniform"):
        stated_against_simulated(table, "uniform")
    assert energy.main(["--library", "nangate45", "--stated"]) == 0
    assert "flattered by" in capsys.readouterr().out
