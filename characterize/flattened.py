"""`python -m characterize.flattened`: how far PEs joined from parts are from whole, flattened ones.

Each point that ends is stored at once in `build/store/flattened-<library>.csv` and not measured
again.  The error of a figure is that of the parts in proportion to the flat PE: above 0 where the
datapoint is too large, too slow or takes too much energy.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from flows.errors import FlowError, LibraryNotFound
from flows.libraries import CellLibrary
from hw.command import run_command
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES

from .errors import CharacterizeError
from .flattened_points import POINTS, flattened_key, flattened_plan, measure_flattened
from .flattened_schema import (
    COMPARED,
    FLATTENED_COLUMNS,
    FLATTENED_ORDER,
    check_flattened_row,
    load_flattened,
    read_flattened,
)
from .measure import Task as PointTask
from .point_command import PointKind, Task, add_point_options, run_points
from .point_table import Row

__all__ = ["composition_errors", "main"]

BUILD = Path("build/characterize")
DEFAULT_TYPES = ("int16", "int8", "lightpe1", "lightpe2")
ALL = "all"
"""Names the row of all PE types together."""
_NAMES = {"area_um2": "area", "critical_path_ns": "path", "product_pj": "product"}
_UNITS = {"area_um2": "µm²", "critical_path_ns": "ns", "product_pj": "pJ"}


def _title(row: Row) -> str:
    return f"{row['pe_type']} {row['ifmap_spad']}/{row['filter_spad']}/{row['psum_spad']}"


_FLATTENED = PointKind(
    name="flattened",
    columns=FLATTENED_COLUMNS,
    order=FLATTENED_ORDER,
    check=check_flattened_row,
    load=load_flattened,
    labels={"PE": _title},
    shown={
        f"{form}_{name}": f"{form} {_NAMES[name]} [{_UNITS[name]}]"
        for name in COMPARED
        for form in ("parts", "flat")
    },
)


def composition_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Return the error of parts against flat PEs, per PE type and over all of them.

    Returns
    -------
    table with the columns `pe_type`, `points` and, for each figure, `<figure>_mean`, `_max` (of the
    error's size) and `_bias` (its mean with the sign), as fractions; a row for each PE type and one
    for all
    """
    errors = pd.DataFrame({"pe_type": table["pe_type"]})
    for name in COMPARED:
        errors[name] = table[f"parts_{name}"] / table[f"flat_{name}"] - 1
    groups = [(str(name), group) for name, group in errors.groupby("pe_type", sort=False)]
    rows = []
    for name, group in [*groups, (ALL, errors)]:
        row: dict[str, Any] = {"pe_type": name, "points": len(group)}
        for figure in COMPARED:
            row[f"{figure}_mean"] = group[figure].abs().mean()
            row[f"{figure}_max"] = group[figure].abs().max()
            row[f"{figure}_bias"] = group[figure].mean()
        rows.append(row)
    return pd.DataFrame(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize.flattened",
        description=f"Synthesize {POINTS} whole, flattened PEs of each PE type and compare area, "
        "critical path and energy of a product with those of the PEs joined from parts, which all "
        "datapoints are.  Each PE that ends is stored at once and not measured again.",
    )
    parser.add_argument("--library", default="osu018", metavar="L", help="name or path")
    parser.add_argument(
        "--pe", nargs="+", default=list(DEFAULT_TYPES), metavar="TYPE",
        help=f"PE types; default {' '.join(DEFAULT_TYPES)}",
    )  # fmt: skip
    add_point_options(parser, _FLATTENED.name)
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
    status = run_points(arguments, _FLATTENED, lambda library: _tasks(arguments.pe, library))
    if arguments.export is None and not arguments.json:
        _show_errors(arguments)
    return status


def _tasks(pe_types: list[str], library: CellLibrary) -> list[Task]:
    points = [
        PointTask(config=config, library=library, build=BUILD)
        for pe_type in pe_types
        for config in flattened_plan(pe_type)
    ]
    return [(flattened_key(p), functools.partial(measure_flattened, p)) for p in points]


def _percent(name: str, value: float) -> str:
    return f"{100 * value:{'+' if name.endswith('_bias') else ''}.1f}"


def _show_errors(arguments: argparse.Namespace) -> None:
    """Print the errors of everything that is stored, in the store named or else shipped."""
    store: Path = arguments.store or Path("build/store") / f"flattened-{arguments.library}.csv"
    table = read_flattened(store) if store.is_file() else load_flattened(arguments.library)
    measured = table[table["status"] == "ok"]
    if measured.empty:
        return
    found = composition_errors(measured)
    columns = [name for name in found.columns if name not in ("pe_type", "points")]
    body = [
        [row["pe_type"], row["points"], *(_percent(name, row[name]) for name in columns)]
        for row in found.to_dict("records")
    ]
    heads = [
        f"{_NAMES[figure]} {what} %" for figure in COMPARED for what in ("mean", "max", "bias")
    ]
    style = "pipe" if arguments.markdown else "simple"
    print("\nParts against flat, error by PE type:\n")
    print(tabulate(body, ["PE type", "points", *heads], tablefmt=style, disable_numparse=True))


if __name__ == "__main__":
    sys.exit(main())
