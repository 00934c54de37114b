"""`python -m characterize.array_overhead`: measure arrays, show and ship what was measured."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from flows.errors import FlowError, LibraryNotFound
from flows.libraries import CellLibrary
from hw.command import run_command
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES

from .array_plan import Size, parse_size, plan_arrays
from .array_points import ArrayTask, array_key, measure_array
from .array_schema import ARRAY_COLUMNS, ARRAY_ORDER, check_array_row, load_arrays
from .errors import CharacterizeError
from .point_command import PointKind, Task, add_point_options, run_points
from .point_table import Row

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


def _title(row: Row) -> str:
    spads = "/".join(str(row[f"{spad}_spad"]) for spad in ("ifmap", "filter", "psum"))
    return f"{row['pe_type']} {row['rows']}x{row['cols']} {spads} {row['form']}"


_ARRAYS = PointKind(
    name="arrays",
    columns=ARRAY_COLUMNS,
    order=ARRAY_ORDER,
    check=check_array_row,
    load=load_arrays,
    labels={"array": _title, "lanes": lambda row: f"{row['filter_lanes']}/{row['ifmap_lanes']}"},
    shown=_SHOWN,
)


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
    add_point_options(parser, "arrays")
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
    return run_points(arguments, _ARRAYS, lambda library: _tasks(arguments, sizes, library))


def _tasks(arguments: argparse.Namespace, sizes: list[Size], library: CellLibrary) -> list[Task]:
    tasks = [
        ArrayTask(array=array, library=library, build=BUILD, form=form)
        for pe_type in arguments.pe
        for array, form in plan_arrays(pe_type, quick=arguments.quick, sizes=sizes)
    ]
    return [(array_key(task), functools.partial(measure_array, task)) for task in tasks]


if __name__ == "__main__":
    sys.exit(main())
