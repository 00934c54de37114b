"""Processes of this machine against a local Dask cluster, and two workers against one, in one run.

    python -m benchmarks.campaign_workers [--points 6] [--tasks 200] [--library osu018]

The first table says what the workers themselves take: from nothing to the first row, and a point
that costs nothing.  The second measures PE points of a library into empty caches, with one worker
and with two; the parallel efficiency is the time of one over twice the time of two.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from pathlib import Path

from tabulate import tabulate

from characterize.cluster import LOCAL, cluster_workers
from characterize.measure import Task, measure
from characterize.workers import Measure, OpenWorkers, Row, process_workers
from flows.libraries import CellLibrary, find_library
from hw.config import PEConfig

BUILD = Path("build/benchmarks")


def no_work(task: Task) -> Row:
    """Measure nothing."""
    return {"pe_type": task.config.pe_type}


def main() -> None:
    """Run all and print two tables."""
    parser = argparse.ArgumentParser(description="Cost and efficiency of a campaign's workers.")
    parser.add_argument("--points", type=int, default=6, help="PE points that are measured")
    parser.add_argument("--tasks", type=int, default=200, help="points that cost nothing")
    parser.add_argument("--library", default="osu018", help="name or path; default osu018")
    args = parser.parse_args()
    library = find_library(args.library)
    BUILD.mkdir(parents=True, exist_ok=True)
    points = [
        PEConfig(pe_type="int8", ifmap_spad=4, filter_spad=8, psum_spad=4 + n)
        for n in range(args.points)
    ]
    costs, efficiencies = [], []
    for kind in ("processes", "dask"):
        with tempfile.TemporaryDirectory(dir=BUILD) as name:
            empty = [Task(config=points[0], library=library, build=Path(name))]
            first, every = _run(_workers(kind, 2, library, Path(name), no_work), empty * args.tasks)
            costs.append([kind, first, 1e3 * (every - first) / args.tasks])
        seconds = {}
        for jobs in (1, 2):
            with tempfile.TemporaryDirectory(dir=BUILD) as name:
                tasks = [Task(config=p, library=library, build=Path(name)) for p in points]
                _, seconds[jobs] = _run(_workers(kind, jobs, library, Path(name), measure), tasks)
        efficiencies.append([kind, *seconds.values(), 100 * seconds[1] / (2 * seconds[2])])
    heads = ["workers", "first row [s]", "a point without work [ms]"]
    print(tabulate(costs, heads, floatfmt=".2f"), end="\n\n")
    heads = [f"{args.points} points", "one worker [s]", "two [s]", "efficiency [%]"]
    print(tabulate(efficiencies, heads, floatfmt=".1f"))


def _workers(kind: str, jobs: int, library: CellLibrary, build: Path, work: Measure) -> OpenWorkers:
    if kind == "processes":
        return partial(process_workers, jobs, work)
    return partial(cluster_workers, LOCAL, library, jobs=jobs, build=build, measure=work)


def _run(open_workers: OpenWorkers, tasks: Sequence[Task]) -> tuple[float, float]:
    """Return the seconds to the first row and to the last one, as a campaign hands out work."""
    started = time.perf_counter()
    first = 0.0
    todo, running = list(tasks), set()
    with open_workers() as workers:
        while todo or running:
            while todo and len(running) < workers.width:
                running.add(workers.submit("key", todo.pop()))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            first = first or time.perf_counter() - started
            for future in ended:
                future.result()
        return first, time.perf_counter() - started


if __name__ == "__main__":
    # By its full name, so that another process can import the measurement.
    from benchmarks.campaign_workers import main as run

    run()
