"""`python -m characterize.array_overhead`: measure arrays, show and ship what was measured."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
from tabulate import tabulate

from flows.errors import FlowError, LibraryNotFound
from flows.libraries import CellLibrary, find_library
from hw.command import run_command
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES

from .array_plan import Size, parse_size, plan_arrays
from .array_points import ArrayTask, array_key, measure_array
from .array_schema import (
    ARRAY_COLUMNS,
    check_array_row,
    load_arrays,
    read_arrays,
    write_arrays,
)
from .breakdown_report import digits
from .errors import CharacterizeError

__all__ = ["main"]

BUILD = Path("build/characterize")
DEFAULT_TYPES = ("int16", "int8", "lightpe1", "bf16")
_SHOWN = {
    "overhead_um2": "overhead [µm²]",
    "area_nodes_um2": "nodes",
    "area_links_um2": "links",
    "area_rows_um2": "rows",
    "area_columns_um2": "columns",
    "area_entries_um2": "entries",
    "area_control_um2": "control",
    "leakage_uw": "leakage [µW]",
    "idle_pj": "idle [pJ]",
    "psum_hop_pj": "hop [pJ]",
    "ifmap_entry_pj": "ifmap entry [pJ]",
    "ifmap_row_pj": "row [pJ]",
    "ifmap_take_pj": "take [pJ]",
    "critical_path_ns": "path [ns]",
    "pe_critical_path_ns": "PE's path [ns]",
    "synthesis_seconds": "synthesis [s]",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize.array_overhead",
        description="Measure row-stationary arrays on a cell library: what they need besides "
        "their PEs, where it goes, and what words on their way cost.  Each array that ends is "
        "stored at once and not measured again.",
    )
    parser.add_argument("--library", default="osu018", metavar="L", help="name or path")
    parser.add_argument(
        "--pe", nargs="+", default=list(DEFAULT_TYPES), metavar="TYPE",
        help=f"PE types; default {' '.join(DEFAULT_TYPES)}",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="some of the arrays only")
    parser.add_argument(
        "--sizes", nargs="+", default=[], metavar="SIZE",
        help="instead of the plan's: rows x columns / filter lanes / ifmap lanes, like 12x14/8/4",
    )  # fmt: skip
    parser.add_argument("--retry-failed", action="store_true", help="measure again what failed")
    parser.add_argument(
        "--store", type=Path, metavar="FILE", help="default build/store/arrays-<library>.csv"
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="write what is stored as CSV")
    parser.add_argument("--show", action="store_true", help="show what is stored, measure nothing")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON on standard output")
    form.add_argument("--markdown", action="store_true", help="the table as Markdown")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: _command(arguments),
        failures=(FlowError, HwError, CharacterizeError),
        usage_errors=(LibraryNotFound,),
    )


def _command(arguments: argparse.Namespace) -> int:
    for name in arguments.pe:
        if name not in PE_TYPES:
            raise ConfigError(f"--pe must be {nearest(name, PE_TYPES)}, not {name!r}")
    sizes = [parse_size(text) for text in arguments.sizes]
    if arguments.show or arguments.export is not None:
        return _stored_only(arguments)
    library = find_library(arguments.library)
    store: Path = arguments.store or _own_store(library.name)
    store.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(f"{store}.lock", timeout=0):
            return _measure(arguments, sizes, library, store)
    except filelock.Timeout:
        raise CharacterizeError(
            f"another measurement is running on {store}; wait for it, or name another --store"
        ) from None


def _own_store(library: str) -> Path:
    return Path("build/store") / f"arrays-{library}.csv"


def _stored_only(arguments: argparse.Namespace) -> int:
    """Show or export rows: of the named store, of this machine's, or else the shipped ones."""
    store: Path = arguments.store or _own_store(arguments.library)
    table = read_arrays(store) if store.is_file() else load_arrays(arguments.library)
    if arguments.export is None:
        return _show(table, arguments)
    kept = table[table["status"] == "ok"]
    write_arrays(kept, arguments.export)
    print(f"{len(kept)} arrays written to {arguments.export}", file=sys.stderr)
    return 0


def _measure(
    arguments: argparse.Namespace, sizes: list[Size], library: CellLibrary, store: Path
) -> int:
    rows = {row["key"]: row for row in _stored(store)}
    tasks = [
        ArrayTask(array=array, library=library, build=BUILD, form=form)
        for pe_type in arguments.pe
        for array, form in plan_arrays(pe_type, quick=arguments.quick, sizes=sizes)
    ]
    # All keys first: the sources they are made of may be edited while this runs.
    keys = [array_key(task) for task in tasks]
    for key, task in zip(keys, tasks, strict=True):
        if key in rows and (rows[key]["status"] == "ok" or not arguments.retry_failed):
            continue
        row = check_array_row(measure_array(task), f"array {key}")
        rows[key] = row
        columns = [column.name for column in ARRAY_COLUMNS]
        write_arrays(pd.DataFrame(list(rows.values()), columns=columns), store)
        said = "" if row["status"] == "ok" else f": {row['message']}"
        print(f"{row['status']} {_name(row)}{said}", file=sys.stderr)
    measured = pd.DataFrame([rows[key] for key in keys])
    _show(measured, arguments)
    return 1 if (measured["status"] != "ok").any() else 0


def _stored(store: Path) -> list[dict[str, Any]]:
    if not store.is_file():
        return []
    return [
        check_array_row({str(k): v for k, v in row.items()}, str(store))
        for row in read_arrays(store).to_dict("records")
    ]


def _name(row: dict[str, Any]) -> str:
    spads = "/".join(str(row[f"{spad}_spad"]) for spad in ("ifmap", "filter", "psum"))
    return f"{row['pe_type']} {row['rows']}x{row['cols']} {spads} {row['form']}"


def _show(table: pd.DataFrame, arguments: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    if arguments.json:
        print(json.dumps(rows, indent=1, sort_keys=True))
        return 0
    body = [
        [
            _name(row),
            f"{row['filter_lanes']}/{row['ifmap_lanes']}",
            *("" if row[name] is None else digits(row[name]) for name in _SHOWN),
        ]
        for row in rows
        if row["status"] == "ok"
    ]
    style = "pipe" if arguments.markdown else "simple"
    heads = ["array", "lanes", *_SHOWN.values()]
    print(tabulate(body, heads, tablefmt=style, disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
