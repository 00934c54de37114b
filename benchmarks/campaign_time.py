"""Where the time of one datapoint goes.

    python -m benchmarks.campaign_time [--library nangate45] [--pe int8]

Measures a few PE points of a type twice: with an empty cache, and again with all parts in it, which
is what a point costs whose parts others have too.  Seconds are of the processor, of this process
and of the tools it starts, so that a busy machine does not count.  Yosys tells itself what share
of a run its passes take; its start is what they leave.
"""

from __future__ import annotations

import argparse
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tabulate import tabulate

import characterize.measure
import flows.sta
import flows.synthesis
from characterize.measure import Task, measure
from flows.libraries import CellLibrary, find_library
from hw.config import PEConfig

BUILD = Path("build/benchmarks")
POINTS = {
    "12/224/24": {},
    "12/224/24 macro": {f"{name}_spad_kind": "macro" for name in ("ifmap", "filter", "psum")},
    "8/64/8": {"ifmap_spad": 8, "filter_spad": 64, "psum_spad": 8},
}
IN_PROCESS = {
    "pe_modules": "elaborate",
    "_liberty": "read",
    "read_netlist": "read",
    "simulated_energies": "simulate",
}
"""Functions that a measurement calls by these names, and what their time counts as."""
CELLS = ("read_liberty", "dfflibmap", "clockgate")
"""Passes of Yosys whose time is that of reading the library."""
KINDS = ("elaborate", "start", "cells", "abc", "synth", "link", "sta", "read", "simulate", "other")
_PASS = re.compile(r"^ +\d+% +\d+ calls +([\d.]+) sec (\S+)$", re.MULTILINE)


def cpu_seconds() -> float:
    """Return the processor time of this process and of all it has waited for [s]."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def watched(spent: Counter[str]) -> Iterator[None]:
    """Add up what a measurement spends, by kind."""

    def timed(function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            before = cpu_seconds()
            try:
                return function(*args, **options)
            finally:
                spent[kind] += cpu_seconds() - before

        return run

    def yosys(command: list[str], *, doing: str, log: Path, **options: Any) -> None:
        before, started = cpu_seconds(), time.perf_counter()
        run_tool([*command, "-d"], doing=doing, log=log, **options)
        whole, lasted = cpu_seconds() - before, time.perf_counter() - started
        spent["runs"] += 1
        if doing.startswith("linking"):
            spent["link"] += whole
            return
        found = _PASS.findall(log.read_text(errors="replace"))
        assert found, f"{log} has no times of passes"
        passes = {name: whole * float(seconds) / lasted for seconds, name in found}
        spent["abc"] += passes.get("abc", 0.0)
        spent["cells"] += sum(passes.get(name, 0.0) for name in CELLS)
        spent["synth"] += sum(s for n, s in passes.items() if n not in ("abc", *CELLS))
        spent["start"] += whole - sum(passes.values())

    run_tool = flows.synthesis.run_tool
    here, patch = characterize.measure, mock.patch.object
    with (
        patch(flows.synthesis, "run_tool", yosys),
        patch(flows.sta, "run_tool", timed(flows.sta.run_tool, "sta")),
        mock.patch.multiple(here, **{n: timed(getattr(here, n), k) for n, k in IN_PROCESS.items()}),
    ):
        before = cpu_seconds()
        yield
        spent["total"] = cpu_seconds() - before
    spent["other"] = spent["total"] - sum(spent[kind] for kind in KINDS)


def table_row(config: PEConfig, library: CellLibrary, build: Path) -> list[str]:
    """Measure one point and return its cells of the table."""
    spent: Counter[str] = Counter()
    with watched(spent):
        row = measure(Task(config=config, library=library, build=build))
    if row["status"] != "ok":
        raise SystemExit(f"error: {row['message']}")
    figures = [f"{spent[kind]:.2f}" for kind in (*KINDS, "total")]
    return [str(spent["runs"]), *figures]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Where the time of one datapoint goes.")
    parser.add_argument("--library", default="osu018", help="name or path; default osu018")
    parser.add_argument("--pe", default="int8", metavar="TYPE", help="default int8")
    args = parser.parse_args()
    library = find_library(args.library)
    BUILD.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, fields in POINTS.items():
        config = PEConfig(pe_type=args.pe, **fields)
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            for state in ("cold", "cached"):
                rows.append([name, state, *table_row(config, library, Path(folder))])
    print(f"{args.pe} on {library.name}, processor seconds:")
    print(tabulate(rows, ["PE", "parts", "runs", *KINDS, "total"], disable_numparse=True))


if __name__ == "__main__":
    main()
