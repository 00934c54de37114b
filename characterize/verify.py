"""Verification: stored rows against their digests, and measured ones against a second measurement.

A row that does not match its digest is taken out.  The points of a plan are measured again from the
netlists in the cache; one whose netlist or figures are not those of its row is measured once more,
from nothing, and that row and its netlists replace what was there.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.libraries import CellLibrary
from hw.config import PEConfig

from .campaign import run_campaign
from .measure import Task, task_key
from .schema import COLUMNS
from .store import Store
from .workers import OpenWorkers, Row

__all__ = ["Verification", "differing_column", "remove_damaged", "verify_points"]

_MAY_DIFFER = {"schema_version", "message", "log", "seconds", "synthesis_seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What became of the rows of a plan."""

    same: int
    replaced: list[str]
    """What differed, one text for each point that was measured from nothing."""


def remove_damaged(store: Store) -> list[str]:
    """Take out the rows that do not match their digests; return what was wrong with them."""
    damaged = store.damaged()
    store.remove(damaged)
    return list(damaged.values())


def differing_column(row: Row, other: Row) -> str | None:
    """Return the first column in which two measurements of one point differ, None where none."""
    for column in COLUMNS:
        one, two = row[column.name], other[column.name]
        if column.name in _MAY_DIFFER or one == two:
            continue
        numbers = isinstance(one, float) and isinstance(two, float)
        if not numbers or not math.isclose(one, two, rel_tol=1e-9):
            return column.name
    return None


def verify_points(
    points: Sequence[PEConfig],
    library: CellLibrary,
    store: Store,
    *,
    build: Path,
    open_workers: OpenWorkers,
    key_of: Callable[[Task], str] = task_key,
) -> Verification:
    """Measure again what the store holds of a plan; parameters are those of `run_campaign`."""
    keys = {key_of(Task(config=p, library=library, build=build)): p for p in points}
    stored = {k: row for k in keys if (row := store.get(k)) is not None and row["status"] == "ok"}
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="verify-") as name:
        folder = Path(name)

        def again(which: Sequence[str], where: Path, into: str) -> dict[str, Row]:
            made = run_campaign(
                [keys[key] for key in which], library, Store(folder / into), build=where,
                open_workers=open_workers, key_of=key_of,
            )  # fmt: skip
            return {row["key"]: row for row in made.rows}

        second = again(list(stored), build, "second.sqlite")
        differ = {k: c for k, r in stored.items() if (c := differing_column(r, second[k]))}
        third = again(list(differ), folder, "third.sqlite")
        store.put_all(row for row in third.values() if row["status"] == "ok")
        parts = folder / "cache" / "parts"
        for part in parts.glob("*.json"):
            part.replace(build / "cache" / "parts" / part.name)
    return Verification(
        same=len(stored) - len(differ),
        replaced=[
            f"{key}: {column} was {stored[key][column]}, measured again from the cache "
            f"{second[key][column]}, from nothing "
            + (
                str(third[key][column])
                if third[key]["status"] == "ok"
                else f"it fails, and the row stays: {third[key]['message']}"
            )
            for key, column in differ.items()
        ],
    )
