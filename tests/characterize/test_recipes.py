"""The shipped search for recipes: complete, consistent, and what the datapoints are made with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from characterize import recipe_search
from characterize.recipes import datapath_recipe, recipe_table
from flows.errors import LibraryNotFound
from flows.libraries import find_library
from flows.recipe import DEFAULT_RECIPE
from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

FIGURES = ["area_um2", "critical_path_ns", "product_pj"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    found = recipe_table("nangate45")
    assert found is not None
    return found


@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_a_type_has_the_depth_and_the_recipe_that_the_search_chose(
    pe_type: str, table: pd.DataFrame
) -> None:
    rows = table[table["pe_type"] == pe_type]
    chosen = rows[rows["chosen"] == 1]
    assert len(chosen) == 1
    best = chosen.iloc[0]
    assert best["cost"] == rows[rows["depth"] == best["depth"]]["cost"].min()
    assert best["cost"] <= (1 + recipe_search.WORTH_A_STAGE) * rows["cost"].min()
    shallower = rows[rows["depth"] < best["depth"]]["cost"]
    assert (shallower > (1 + recipe_search.WORTH_A_STAGE) * rows["cost"].min()).all()
    assert best["depth"] == PE_TYPES[pe_type].pipeline_depth
    assert set(rows["depth"]) == {1, 2, 3}
    recipe = datapath_recipe(PEConfig(pe_type=pe_type), "nangate45")
    assert (recipe.script, recipe.adder) == (best["script"], best["adder"])


def test_non_dominated_rows_are_those_that_no_other_beats(table: pd.DataFrame) -> None:
    for _, rows in table.groupby("pe_type"):
        figures = rows[FIGURES].to_numpy()
        for row, marked in zip(figures, rows["non_dominated"], strict=True):
            beaten = ((figures <= row).all(axis=1) & (figures < row).any(axis=1)).any()
            assert bool(marked) is not bool(beaten)


def test_the_front_names_the_best_of_each_type(
    table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    front = recipe_search.front(table)
    assert not front.duplicated(["pe_type", *FIGURES]).any()
    for pe_type, rows in table.groupby("pe_type"):
        found = front[front["pe_type"] == pe_type]
        wanted = rows.drop_duplicates(FIGURES)["non_dominated"].sum()
        assert found["non_dominated"].sum() == wanted
        fastest = found[found["best"].str.contains("fastest")]
        smallest = found[found["best"].str.contains("area x delay")]
        assert fastest["critical_path_ns"].tolist() == [rows["critical_path_ns"].min()]
        product = rows["area_um2"] * rows["critical_path_ns"]
        assert (smallest["area_um2"] * smallest["critical_path_ns"]).tolist() == [product.min()]
        assert found[found["best"].str.contains("own")]["chosen"].tolist() == [1]
    assert recipe_search.main(["--front", "--library", "nangate45", "--pe", "int8"]) == 0
    printed = capsys.readouterr().out
    assert "fastest, own" in printed and "lightpe" not in printed


def test_an_unknown_library_gets_the_default() -> None:
    assert recipe_table("no_such_library") is None
    assert datapath_recipe(PEConfig(pe_type="int8"), "no_such_library") == DEFAULT_RECIPE


def test_the_command_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe_search.main(["--pe", "int9"]) == 2
    assert "--pe must be" in capsys.readouterr().err
    assert recipe_search.main(["--library", "no_such_library"]) == 2


@pytest.mark.long
def test_a_row_is_what_the_tools_say(table: pd.DataFrame, tmp_path: Path) -> None:
    try:
        library = find_library("nangate45")
    except LibraryNotFound as missing:
        pytest.skip(str(missing))
    config = PEConfig(pe_type="flint4")
    recipe = datapath_recipe(config, "nangate45")
    made = recipe_search.measure_part(
        *recipe_search.part_texts(config)["datapath"], library, recipe, tmp_path
    )
    rows = table[(table["pe_type"] == "flint4") & (table["chosen"] == 1)]
    for name in FIGURES:
        assert getattr(made, name) == pytest.approx(rows.iloc[0][name], rel=1e-5)
