"""`python -m characterize`: measure PE points, show and ship what was measured."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

from tabulate import tabulate

from flows.errors import FlowError, LibraryNotFound
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary, find_library
from flows.sram import DEFAULT_DEVICE, DEVICES, NODES_NM, SramModel, node_of_library
from hw.command import run_command
from hw.config import PEConfig
from hw.config_file import load_config
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES

from .breakdown import breakdown, parse_kinds, parse_sizes
from .breakdown_plot import plot_breakdown
from .breakdown_report import as_data, as_text, digits
from .campaign import run_campaign
from .datapoint_plots import plot_datapoints
from .datapoints import load
from .errors import CharacterizeError, PlanError
from .exchange import export_table, import_file, merge_store
from .measure import measure
from .plan import make_plan
from .schema import column_table
from .status import as_text as status_text
from .status import status
from .store import DEFAULT_STORE, Store
from .verify import remove_damaged, verify_points
from .workers import OpenWorkers, process_workers

__all__ = ["main"]

ALL = "all"
"""Stands for every PE type."""
BUILD = Path("build/characterize")
_OF_BREAKDOWN = ("sizes", "spads", "node", "sram_device", "markdown")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize",
        description="Measure PE points on a cell library: area, critical path, leakage, energies. "
        "What is in the store is not measured again.",
    )
    what = parser.add_argument_group("what to measure")
    what.add_argument(
        "--pe", metavar="TYPE", help=f"PE type: {', '.join(sorted(PE_TYPES))}, or {ALL}"
    )
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
    how.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="measure on a Dask cluster: tcp://HOST:PORT, or local for one of --jobs processes",
    )  # fmt: skip
    how.add_argument(
        "--verify", action="store_true",
        help="take damaged rows out of the store; with --pe or --config measure those points "
        "again, from the cached netlists, and from nothing what does not match",
    )  # fmt: skip
    show = parser.add_argument_group("what to do instead")
    show.add_argument("--status", action="store_true", help="what the store holds, who measures")
    show.add_argument(
        "--breakdown", action="store_true", help="where area, leakage and energy go, and the gains"
    )
    show.add_argument("--schema", action="store_true", help="the columns of a datapoint")
    show.add_argument(
        "--export", type=Path, metavar="FILE", help="write a library's rows: .csv or .parquet"
    )
    show.add_argument(
        "--import", type=Path, metavar="FILE", dest="import_", help="put a file's rows in the store"
    )
    show.add_argument("--merge", type=Path, metavar="STORE", help="put another store's rows in it")
    show.add_argument(
        "--plot", type=Path, metavar="PLACE",
        help="draw a library's rows into this folder; with --breakdown that, into a .png file",
    )  # fmt: skip
    split = parser.add_argument_group("the breakdown")
    split.add_argument("--sizes", metavar="I/F/P", help="words; default 12/224/24")
    split.add_argument(
        "--spads", nargs="+", metavar="KIND",
        help="flipflop, latch, macro, or ifmap/filter/psum kinds; default flipflop macro",
    )  # fmt: skip
    split.add_argument(
        "--node", type=int, choices=NODES_NM, help="technology node [nm] of an unknown library"
    )
    split.add_argument(
        "--sram-device", choices=DEVICES, help=f"SRAM transistors; default {DEFAULT_DEVICE}"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON on standard output")
    form.add_argument("--markdown", action="store_true", help="the breakdown as Markdown")
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
    for name in _OF_BREAKDOWN:
        if not arguments.breakdown and getattr(arguments, name):
            raise ConfigError(f"--{name.replace('_', '-')} must come with --breakdown")
    if arguments.schema:
        print(column_table())
        return 0
    if arguments.status:
        found = status(Store(arguments.store))
        print(json.dumps(found, indent=2) if arguments.json else status_text(found))
        return 0
    if arguments.export is not None:
        table = load(arguments.library, store=arguments.store)
        export_table(table, arguments.export)
        print(f"{len(table)} datapoints written to {arguments.export}", file=sys.stderr)
        return 0
    for source, bring in ((arguments.import_, import_file), (arguments.merge, merge_store)):
        if source is not None:
            new = bring(source, Store(arguments.store))
            print(f"{new} new datapoints from {source} in {arguments.store}", file=sys.stderr)
            return 0
    if arguments.breakdown:
        return _breakdown(arguments)
    if arguments.plot is not None:
        table = load(arguments.library, store=arguments.store)
        for path in plot_datapoints(table, arguments.plot):
            print(path)
        return 0
    if arguments.verify:
        for wrong in remove_damaged(Store(arguments.store)):
            print(f"taken out: {wrong}", file=sys.stderr)
        if arguments.pe is None and arguments.config is None:
            return 0
    return _measure(arguments)


def _points(arguments: argparse.Namespace, *, latches: bool) -> list[PEConfig]:
    if arguments.config is not None:
        config = load_config(arguments.config, PEConfig)
        if arguments.pe not in (None, config.pe_type):
            config = dataclasses.replace(config, pe_type=arguments.pe)
        return [config]
    if arguments.pe not in (*PE_TYPES, ALL):
        raise ConfigError(
            f"--pe must be {ALL} or {nearest(arguments.pe, PE_TYPES)}, not {arguments.pe!r}"
        )
    wanted = PE_TYPES if arguments.pe == ALL else [arguments.pe]
    return [
        point
        for name in wanted
        for point in make_plan(arguments.plan, name, seed=arguments.seed, latches=latches)
    ]


def _has_latches(liberty: Liberty) -> bool:
    """Return whether a library has a latch, and states its area."""
    return any(
        cell.register is not None and cell.register.transparent and cell.area_um2 > 0
        for cell in liberty.cells.values()
    )


def _measure(arguments: argparse.Namespace) -> int:
    if arguments.jobs is None or arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, not {arguments.jobs!r}")
    library = find_library(arguments.library)
    liberty = read_liberty(library.path)  # what is wrong with a library is wrong for every point
    points = _points(arguments, latches=_has_latches(liberty))
    store, workers = Store(arguments.store), _workers(arguments, library)
    if arguments.verify:
        checked = verify_points(points, library, store, build=BUILD, open_workers=workers)
        for text in checked.replaced:
            print(f"replaced: {text}", file=sys.stderr)
        print(f"{checked.same} datapoints measured again are the same", file=sys.stderr)
    summary = run_campaign(
        points,
        library,
        store,
        build=BUILD,
        open_workers=workers,
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
        + (f"{summary.elsewhere} by another campaign, " if summary.elsewhere else "")
        + f"{summary.failed} failed"
        + (" (--retry-failed tries again)" if summary.failed else ""),
        file=sys.stderr,
    )
    return 1 if summary.failed else 0


def _workers(arguments: argparse.Namespace, library: CellLibrary) -> OpenWorkers:
    if arguments.scheduler is None:
        return functools.partial(process_workers, arguments.jobs, measure)
    from .cluster import cluster_workers  # Dask takes a second to import

    return functools.partial(
        cluster_workers, arguments.scheduler, library, jobs=arguments.jobs, build=BUILD
    )


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
        [_name(row), row["psum_width"], *(digits(row[name]) for name in columns)]
        for row in rows
        if row["status"] == "ok"
    ]
    heads = ["PE point", "psum [bit]", *columns.values()]
    return tabulate(body, heads, disable_numparse=True)


def _breakdown(arguments: argparse.Namespace) -> int:
    """Print where area, leakage and energy go, for one PE type or all of them."""
    if arguments.pe is not None and arguments.pe not in PE_TYPES:
        raise ConfigError(f"--pe must be {nearest(arguments.pe, PE_TYPES)}, not {arguments.pe!r}")
    if arguments.plot is not None and arguments.plot.suffix != ".png":
        raise ConfigError(f"--plot must name a .png file, not {str(arguments.plot)!r}")
    sizes = parse_sizes(arguments.sizes or "12/224/24")
    kinds = [parse_kinds(text) for text in arguments.spads or ("flipflop", "macro")]
    table = load(arguments.library, store=arguments.store)
    sram = None
    if any("macro" in triple for triple in kinds):
        node = arguments.node or node_of_library(arguments.library)
        sram = SramModel(node, arguments.sram_device or DEFAULT_DEVICE)
    wanted = tuple(PE_TYPES) if arguments.pe is None else (arguments.pe,)
    made = breakdown(table, arguments.library, sizes=sizes, kinds=kinds, pe_types=wanted, sram=sram)
    if arguments.plot is not None:
        plot_breakdown(made, arguments.plot)
        print(f"picture written to {arguments.plot}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(as_data(made), indent=2, sort_keys=True))
    else:
        print(as_text(made, markdown=arguments.markdown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
