"""Which synthesis recipe each part of a PE gets: the datapath its PE type's own, found by a search.

`recipe_search` tries recipes on the datapath of every PE type and writes a table per library, one
row for each recipe and pipeline depth tried; the row marked `chosen` is the PE type's own.
Scratchpads and control are shared by all PE types and have one recipe each.  A library without a
table is synthesized with the default recipe throughout.
"""

from __future__ import annotations

import functools
from importlib import resources

import pandas as pd

from flows.recipe import DEFAULT_RECIPE, Recipe
from hw.config import PEConfig

__all__ = ["RECIPE_FIELDS", "datapath_recipe", "recipe_table"]

RECIPE_FIELDS = ("script", "adder", "booth", "clock_target_ps")
"""Fields of `Recipe` the search varies."""


@functools.cache
def recipe_table(library: str) -> pd.DataFrame | None:
    """Return the shipped table of a library's search, None where there is none."""
    file = resources.files(__package__).joinpath("searched", f"{library}.csv")
    if not file.is_file():
        return None
    with file.open(encoding="utf-8") as stream:
        return pd.read_csv(stream)


@functools.cache
def datapath_recipe(config: PEConfig, library: str) -> Recipe:
    """Return the recipe of the datapath of a PE point on a library.

    At a pipeline depth that is not the PE type's own, the best one found for that depth; for a
    depth or PE type the search has not seen, the default.
    """
    table = recipe_table(library)
    if table is None:
        return DEFAULT_RECIPE
    rows = table[(table["pe_type"] == config.pe_type) & (table["depth"] == config.depth)]
    if rows.empty:
        return DEFAULT_RECIPE
    best = rows.sort_values(["chosen", "cost"], ascending=[False, True]).iloc[0]
    target = best["clock_target_ps"]
    return Recipe(
        script=str(best["script"]),
        adder=str(best["adder"]),
        booth=bool(best["booth"]),
        clock_target_ps=None if pd.isna(target) else int(target),
    )
