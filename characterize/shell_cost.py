"""`python -m characterize.shell_cost`: measure shells, show and ship what was measured."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from flows.errors import FlowError, LibraryNotFound
from flows.libraries import CellLibrary
from hw.command import run_command
from hw.errors import HwError

from .errors import CharacterizeError
from .point_command import PointKind, Task, add_point_options, run_points
from .point_table import Row
from .shell_actions import PARTS
from .shell_plan import plan_shells
from .shell_points import ShellTask, measure_shell, shell_key
from .shell_schema import SHELL_COLUMNS, SHELL_ORDER, check_shell_row, load_shells

__all__ = ["main"]

BUILD = Path("build/characterize")


def _title(row: Row) -> str:
    return f"{row['pe_type']} {row['rows']}x{row['cols']} {row['form']}"


_SHELLS = PointKind(
    name="shells",
    columns=SHELL_COLUMNS,
    order=SHELL_ORDER,
    check=check_shell_row,
    load=load_shells,
    labels={
        "shell": _title,
        "row/beat [B]": lambda row: f"{row['glb_bytes_per_cycle']}/{row['off_chip_bytes']}",
        "GLB [KiB]": lambda row: str(row["glb_kib"]),
        "psum [bit]": lambda row: str(row["psum_width"]),
        "queue": lambda row: str(row["psum_queue"]),
    },
    shown={
        "area_um2": "area [µm²]",
        **{f"area_{part}_um2": part for part in PARTS},
        "leakage_uw": "leakage [µW]",
        "idle_pj": "idle [pJ]",
        "filter_row_pj": "filter row [pJ]",
        "ifmap_row_pj": "ifmap row [pJ]",
        "ifmap_read_row_pj": "read [pJ]",
        "psum_enter_pj": "psum in [pJ]",
        "psum_leave_pj": "out [pJ]",
        "requantize_pj": "requantize [pJ]",
        "critical_path_ns": "path [ns]",
        "synthesis_seconds": "synthesis [s]",
    },
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize.shell_cost",
        description="Measure shells, which are all of an accelerator but its array and its "
        "memories, on a cell library: area by part, leakage, longest path, and the energy of what "
        "they move.  Each shell that ends is stored at once and not measured again.",
    )
    parser.add_argument("--library", default="osu018", metavar="L", help="name or path")
    parser.add_argument("--quick", action="store_true", help="some of the shells only")
    add_point_options(parser, "shells")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: run_points(arguments, _SHELLS, lambda library: _tasks(arguments, library)),
        failures=(FlowError, HwError, CharacterizeError),
        usage_errors=(LibraryNotFound,),
    )


def _tasks(arguments: argparse.Namespace, library: CellLibrary) -> list[Task]:
    tasks = [
        ShellTask(config=config, library=library, build=BUILD, form=form)
        for config, form in plan_shells(quick=arguments.quick)
    ]
    return [(shell_key(task), functools.partial(measure_shell, task)) for task in tasks]


if __name__ == "__main__":
    sys.exit(main())
