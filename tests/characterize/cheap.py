"""A campaign whose measurements cost nothing: for tests of everything around them.

`python -m tests.characterize.cheap STORE POINTS JOBS SECONDS [JOURNAL]` measures that many points
that take that many seconds each; each measurement leaves a line when it begins and when it ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from characterize.campaign import Summary, run_campaign
from characterize.measure import Task
from characterize.store import Store
from characterize.workers import Measure, OpenWorkers, Row, Workers, process_workers
from flows.libraries import CellLibrary
from hw.config import PEConfig

from .rows import row

LIBRARY = CellLibrary(name="toy", path=Path("toy.lib"), digest="0" * 16)
SIZES = [(i, f, p) for f in range(64, 128, 4) for i in range(4, 16) for p in range(4, 8)]


def key_of(task: Task) -> str:
    return f"cheap-{task.config.digest()}"


def points(count: int) -> list[PEConfig]:
    return [
        PEConfig(pe_type="int8", ifmap_spad=i, filter_spad=f, psum_spad=p)
        for i, f, p in SIZES[:count]
    ]


def cheap_row(task: Task) -> dict[str, Any]:
    """Return the row of a point; its area tells its sizes."""
    config = task.config
    sizes = {name: getattr(config, name) for name in ("ifmap_spad", "filter_spad", "psum_spad")}
    area = 1e4 * config.ifmap_spad + 10.0 * config.filter_spad + 0.1 * config.psum_spad
    return row(key_of(task), **sizes, area_um2=area)


def cheap_measure(task: Task) -> dict[str, Any]:
    """Measure a point: wait, and leave two lines in the journal."""
    _note(task, "begin")
    time.sleep(float(os.environ.get("CHEAP_SECONDS", "0")))
    made = cheap_row(task)
    _note(task, "end")
    return made


def _note(task: Task, what: str) -> None:
    if journal := os.environ.get("CHEAP_JOURNAL"):
        with Path(journal).open("a") as file:  # one short write to a file opened to append
            file.write(f"{time.monotonic()} {os.getpid()} {what} {key_of(task)}\n")


class _Here:
    width = 1

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    def submit(self, key: str, task: Task) -> Future[Row]:  # noqa: ARG002
        future: Future[Row] = Future()
        future.set_result(self._measure(task))
        return future


@contextmanager
def workers_here(measure: Measure = cheap_measure) -> Iterator[Workers]:
    """Measure in this process, at once."""
    yield _Here(measure)


def cheap_campaign(
    store: Path, count: int, *, open_workers: OpenWorkers | None = None, **options: Any
) -> Summary:
    return run_campaign(
        points(count),
        LIBRARY,
        Store(store),
        build=store.parent / "build",
        open_workers=open_workers or workers_here,
        key_of=key_of,
        **options,
    )


if __name__ == "__main__":
    name, count, jobs, seconds, *journal = sys.argv[1:]
    os.environ["CHEAP_SECONDS"] = seconds
    if journal:
        os.environ["CHEAP_JOURNAL"] = journal[0]
    # By its full name, so that a worker can import it.
    from tests.characterize.cheap import cheap_measure as importable

    workers = partial(process_workers, int(jobs), importable)
    ended = cheap_campaign(Path(name), int(count), open_workers=workers)
    print(ended.measured, ended.cached, ended.elsewhere, ended.failed)
