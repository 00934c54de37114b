"""`python -m characterize`: measure PE points, show and ship what was measured."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tabulate import tabulate

from flows.errors import FlowError, LibraryNotFound
from flows.liberty import read_liberty
from flows.libraries import find_library
from hw.command import run_command
from hw.config import PEConfig
from hw.config_file import load_config
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES

from .campaign import run_campaign
from .datapoints import export_csv, load
from .errors import CharacterizeError, PlanError
from .plan import make_plan
from .schema import PARTS, column_table
from .store import DEFAULT_STORE, Store

__all__ = ["main"]

BUILD = Path("build/characterize")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize",
        description="Measure PE points on a cell library: area, critical path, leakage, energies. "
        "What is in the store is not measured again.",
    )
    what = parser.add_argument_group("what to measure")
    what.add_argument("--pe", metavar="TYPE", help=f"PE type: {', '.join(sorted(PE_TYPES))}")
    what.add_argument(
        "--plan", default="quick", metavar="PLAN", help="quick (default), full, or a YAML file"
    )
    what.add_argument("--config", metavar="FILE", help="one PE point: YAML, fields of PEConfig")
    what.add_argument(
        "--library", default="osu018", metavar="L", help="name or path; default osu018"
    )
    how = parser.add_argument_group("how")
    how.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    how.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the plan")
    how.add_argument("--retry-failed", action="store_true", help="measure again what failed")
    how.add_argument(
        "--store", type=Path, default=DEFAULT_STORE, metavar="FILE", help=f"{DEFAULT_STORE}"
    )
    show = parser.add_argument_group("what to show instead")
    show.add_argument("--status", action="store_true", help="what the store holds")
    show.add_argument("--breakdown", action="store_true", help="split of the plan's first points")
    show.add_argument("--schema", action="store_true", help="the columns of a datapoint")
    show.add_argument("--export", type=Path, metavar="FILE", help="write a library's rows as CSV")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: _command(arguments),
        failures=(FlowError, HwError, CharacterizeError),
        usage_errors=(LibraryNotFound, PlanError),
    )


def _command(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        print(column_table())
        return 0
    if arguments.status:
        return _status(arguments)
    if arguments.export is not None:
        table = load(arguments.library, store=arguments.store)
        export_csv(table, arguments.export)
        print(f"{len(table)} datapoints written to {arguments.export}", file=sys.stderr)
        return 0
    if arguments.breakdown:
        return _breakdown(arguments)
    return _measure(arguments)


def _points(arguments: argparse.Namespace) -> list[PEConfig]:
    if arguments.config is not None:
        config = load_config(arguments.config, PEConfig)
        if arguments.pe not in (None, config.pe_type):
            config = dataclasses.replace(config, pe_type=arguments.pe)
        return [config]
    if arguments.pe not in PE_TYPES:
        raise ConfigError(f"--pe must be {nearest(arguments.pe, PE_TYPES)}, not {arguments.pe!r}")
    return make_plan(arguments.plan, arguments.pe, seed=arguments.seed)


def _measure(arguments: argparse.Namespace) -> int:
    points = _points(arguments)
    if arguments.jobs is None or arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, not {arguments.jobs!r}")
    library = find_library(arguments.library)
    read_liberty(library.path)  # what is wrong with a library is wrong for every point: say it once
    summary = run_campaign(
        points,
        library,
        Store(arguments.store),
        build=BUILD,
        jobs=arguments.jobs,
        retry_failed=arguments.retry_failed,
    )
    if arguments.json:
        rows = summary.rows
        print(json.dumps(rows[0] if arguments.config else rows, indent=2, sort_keys=True))
    else:
        print(_table(summary.rows))
        for row in summary.rows:
            if row["status"] != "ok":
                print(f"failed: {_name(row)}: {row['message']}", file=sys.stderr)
    print(
        f"{summary.measured} measured, {summary.cached} already in {arguments.store}, "
        f"{summary.failed} failed" + (" (--retry-failed tries again)" if summary.failed else ""),
        file=sys.stderr,
    )
    return 1 if summary.failed else 0


def _name(row: dict[str, Any]) -> str:
    sizes = "/".join(str(row[f"{spad}_spad"]) for spad in ("ifmap", "filter", "psum"))
    return f"{row['pe_type']} {sizes} {row['filter_spad_kind']}"


def _table(rows: list[dict[str, Any]]) -> str:
    columns = {
        "area_um2": "area [µm²]",
        "critical_path_ns": "critical path [ns]",
        "leakage_uw": "leakage [µW]",
        "product_pj": "product [pJ]",
        "idle_pj": "idle [pJ]",
        "filter_load_pj": "filter load [pJ]",
        "ifmap_load_pj": "ifmap load [pJ]",
        "psum_pass_pj": "psum pass [pJ]",
        "synthesis_seconds": "synthesis [s]",
    }
    body = [
        [_name(row), row["psum_width"], *(_digits(row[name]) for name in columns)]
        for row in rows
        if row["status"] == "ok"
    ]
    heads = ["PE point", "psum [bit]", *columns.values()]
    return tabulate(body, heads, disable_numparse=True)


_SPLITS = (
    ("Area [µm²] and critical path", "area_{}_um2", "area_um2", "critical_path_ns", "path [ns]"),
    (
        "Energy of a product [pJ] and leakage",
        "product_{}_pj",
        "product_pj",
        "leakage_uw",
        "leak [µW]",
    ),
)


def _breakdown(arguments: argparse.Namespace) -> int:
    """Print the split of the Eyeriss point (12/224/24) for one PE type or all of them."""
    table = load(arguments.library, store=arguments.store)
    sizes = (table["ifmap_spad"] == 12) & (table["filter_spad"] == 224) & (table["psum_spad"] == 24)
    rows = table[sizes & (table["pe_type"].eq(arguments.pe) if arguments.pe else True)]
    if rows.empty:
        raise CharacterizeError(
            f"no datapoint at 12/224/24 words for {arguments.pe or 'any PE type'} on "
            f"{arguments.library}; measure it with `make characterize`"
        )
    records = [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]
    if arguments.json:
        print(json.dumps(records, indent=2, sort_keys=True, default=str))
        return 0
    heads = ["PE type", "spads", "psum bits", *(part.replace("_", " ") for part in PARTS), "total"]
    for title, part_name, total, other, other_title in _SPLITS:
        body = [
            [
                *(row[name] for name in ("pe_type", "filter_spad_kind", "psum_width")),
                *(_digits(row[part_name.format(part)]) for part in PARTS),
                *(_digits(row[name]) for name in (total, other)),
            ]
            for row in records
        ]
        print(f"{title}, {arguments.library}, 12/224/24 words")
        print(tabulate(body, [*heads, other_title], disable_numparse=True), end="\n\n")
    print("macro: without the memories; `python -m models.predict` adds them from the SRAM model")
    return 0


def _digits(value: float) -> str:
    """Return four significant digits without an exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}".rstrip(".")


def _status(arguments: argparse.Namespace) -> int:
    rows = Store(arguments.store).table()
    counts = Counter(zip(rows["library"], rows["pe_type"], rows["status"], strict=True))
    if arguments.json:
        print(json.dumps([[*group, count] for group, count in sorted(counts.items())]))
    else:
        body = [[*group, count] for group, count in sorted(counts.items())]
        print(tabulate(body, ["library", "PE type", "status", "datapoints"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
