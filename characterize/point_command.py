"""Commands that measure points of one kind (arrays, shells): options, store, resuming, showing.

Each point that ends is stored at once and not measured again; a point that cannot be measured is a
row with the status `failed`, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
from tabulate import tabulate

from flows.libraries import CellLibrary, find_library

from .breakdown_report import digits
from .errors import CharacterizeError
from .point_table import Row, read_table, write_table
from .schema import Column

__all__ = ["PointKind", "Task", "add_point_options", "run_points"]

Task = tuple[str, Callable[[], Row]]
"""The key of a point's row, and what measures it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointKind:
    """A kind of points, and how its table is read, written and shown."""

    name: str
    """Plural; the store is `build/store/<name>-<library>.csv`."""
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    """Columns by which rows are sorted."""
    check: Callable[[Mapping[str, Any], str], Row]
    """Returns a typed row, given a row and where it stands."""
    load: Callable[[str], pd.DataFrame]
    """Returns the shipped rows of a library."""
    labels: Mapping[str, Callable[[Row], str]]
    """First columns of the table that is shown; the first of them names a row."""
    shown: Mapping[str, str]
    """Heads of the columns shown, by name."""

    def read(self, path: Path) -> pd.DataFrame:
        """Return a table of such points."""
        return read_table(path, self.columns, self.check, self.name)

    def title(self, row: Row) -> str:
        """Return the name of a row's point."""
        return next(iter(self.labels.values()))(row)


def add_point_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the options that all such commands have."""
    parser.add_argument("--retry-failed", action="store_true", help="measure again what failed")
    parser.add_argument(
        "--store", type=Path, metavar="FILE", help=f"default build/store/{name}-<library>.csv"
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="write what is stored as CSV")
    parser.add_argument("--show", action="store_true", help="show what is stored, measure nothing")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON on standard output")
    form.add_argument("--markdown", action="store_true", help="the table as Markdown")


def run_points(
    arguments: argparse.Namespace,
    kind: PointKind,
    tasks: Callable[[CellLibrary], Sequence[Task]],
) -> int:
    """Show, export or measure points as the options say; return the exit status.

    Parameters
    ----------
    tasks
        What is to be measured on a library.  All keys are made before the first measurement: the
        sources they follow from may be edited while it runs.
    """
    if arguments.show or arguments.export is not None:
        return _stored_only(arguments, kind)
    library = find_library(arguments.library)
    store: Path = arguments.store or _own_store(kind, library.name)
    store.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(f"{store}.lock", timeout=0):
            return _measure(arguments, kind, tasks(library), store)
    except filelock.Timeout:
        raise CharacterizeError(
            f"another measurement is running on {store}; wait for it, or name another --store"
        ) from None


def _own_store(kind: PointKind, library: str) -> Path:
    return Path("build/store") / f"{kind.name}-{library}.csv"


def _stored_only(arguments: argparse.Namespace, kind: PointKind) -> int:
    """Show or export rows: of the named store, of this machine's, or else the shipped ones."""
    store: Path = arguments.store or _own_store(kind, arguments.library)
    table = kind.read(store) if store.is_file() else kind.load(arguments.library)
    if arguments.export is None:
        _show(table, arguments, kind)
        return 0
    kept = table[table["status"] == "ok"]
    write_table(kept, arguments.export, kind.order)
    print(f"{len(kept)} {kind.name} written to {arguments.export}", file=sys.stderr)
    return 0


def _measure(
    arguments: argparse.Namespace, kind: PointKind, tasks: Sequence[Task], store: Path
) -> int:
    rows = {row["key"]: row for row in _stored(kind, store)}
    for key, measure in tasks:
        if key in rows and (rows[key]["status"] == "ok" or not arguments.retry_failed):
            continue
        row = kind.check(measure(), f"{kind.name}, {key}")
        rows[key] = row
        columns = [column.name for column in kind.columns]
        write_table(pd.DataFrame(list(rows.values()), columns=columns), store, kind.order)
        said = "" if row["status"] == "ok" else f": {row['message']}"
        print(f"{row['status']} {kind.title(row)}{said}", file=sys.stderr)
    measured = pd.DataFrame([rows[key] for key, _ in tasks])
    _show(measured, arguments, kind)
    return 1 if (measured["status"] != "ok").any() else 0


def _stored(kind: PointKind, store: Path) -> list[Row]:
    if not store.is_file():
        return []
    return [
        kind.check({str(k): v for k, v in row.items()}, str(store))
        for row in kind.read(store).to_dict("records")
    ]


def _show(table: pd.DataFrame, arguments: argparse.Namespace, kind: PointKind) -> None:
    rows: list[Row] = json.loads(table.to_json(orient="records"))
    if arguments.json:
        print(json.dumps(rows, indent=1, sort_keys=True))
        return
    body = [
        [
            *(label(row) for label in kind.labels.values()),
            *("" if row[name] is None else digits(row[name]) for name in kind.shown),
        ]
        for row in rows
        if row["status"] == "ok"
    ]
    style = "pipe" if arguments.markdown else "simple"
    heads = [*kind.labels, *kind.shown.values()]
    print(tabulate(body, heads, tablefmt=style, disable_numparse=True))
