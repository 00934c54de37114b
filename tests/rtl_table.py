"""Collects predicted and simulated cycles from all tests into one table at the end of the run.

Rows travel with the tests' reports, so they arrive from other processes too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tabulate import tabulate

__all__ = ["add_row", "summary", "take_rows"]

_rows: list[list[Any]] = []


def add_row(
    what: str, layer: str, mapping: str, predicted: float, slack: float, simulated: int
) -> None:
    """Note one simulated layer: cycles predicted, by how much that may be wrong, cycles taken."""
    _rows.append([what, layer, mapping, int(predicted), int(slack), int(simulated)])


def take_rows() -> list[list[Any]]:
    """Return the rows noted since the last call."""
    rows = _rows.copy()
    _rows.clear()
    return rows


def summary(rows: Iterable[list[Any]], *, whole: bool) -> str:
    """Return the table, or one line on it."""
    rows = sorted(rows)
    equal = sum(row[3] == row[5] for row in rows)
    within = sum(abs(row[3] - row[5]) <= row[4] for row in rows)
    off = 100 * sum(abs(row[3] - row[5]) / row[5] for row in rows) / max(1, len(rows))
    line = (
        f"{len(rows)} layers simulated without stalls: {equal} take exactly the predicted cycles, "
        f"{within} take them within what the prediction states; they are {off:.2f} % off on average"
    )
    if not whole:
        return line
    header = ("hardware", "layer", "mapping", "predicted", "+-", "simulated")
    return f"{tabulate(rows, header)}\n\n{line}"
