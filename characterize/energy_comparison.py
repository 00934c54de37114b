"""Stated against simulated activity: whom the energies of shipped datapoints flatter.

A comparison of PE types rests on how many times less a product takes than one of `int16`.  Where
stated activity makes that ratio larger than simulation does, it flatters the type.
"""

from __future__ import annotations

import pandas as pd

from .errors import CharacterizeError
from .plan import BASELINE
from .simulated_energy import SLOTS_PER_PSUM

__all__ = ["stated_against_simulated"]


def stated_against_simulated(table: pd.DataFrame, data_set: str = "digits") -> pd.DataFrame:
    """Return one line for each PE point, the most flattered first.

    Columns: `pe_type`; `stated_pj` and `simulated_pj`, a product with its share of a psum that
    comes in [pJ]; `ratio` of both; `stated_gain` and `simulated_gain`, how many times less than
    `int16` it takes; `flattered`, their ratio less 1.

    Raises
    ------
    CharacterizeError
        The table has no `int16` of these operands to compare with.
    """
    rows = table[table["data_set"] == data_set].reset_index(drop=True)
    lines = pd.DataFrame({"pe_type": rows["pe_type"]})
    for name, prefix in (("stated", "stated_"), ("simulated", "")):
        energy = rows[f"{prefix}product_pj"] + rows[f"{prefix}psum_pass_pj"] / SLOTS_PER_PSUM
        lines[f"{name}_pj"] = energy
    lines["ratio"] = lines["stated_pj"] / lines["simulated_pj"]
    baseline = lines[lines["pe_type"] == BASELINE]
    if baseline.empty:
        raise CharacterizeError(
            f"comparing needs {BASELINE} with {data_set} operands; measure it: python -m "
            f"characterize.energy --pe {BASELINE} --set {data_set}"
        )
    for name in ("stated", "simulated"):
        lines[f"{name}_gain"] = baseline.iloc[0][f"{name}_pj"] / lines[f"{name}_pj"]
    lines["flattered"] = lines["stated_gain"] / lines["simulated_gain"] - 1
    return lines.sort_values("flattered", ascending=False, ignore_index=True)
