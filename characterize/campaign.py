"""Campaigns: the PE points of a plan, measured by several processes, stored as each one ends.

What is stored is never measured again; a failed measurement is tried again on request.  Ctrl-C ends
the running tools and keeps everything that was finished.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
from tqdm import tqdm

from flows.libraries import CellLibrary
from hw.config import PEConfig

from .errors import CharacterizeError
from .measure import Task, measure, task_key
from .store import Store

__all__ = ["Summary", "run_campaign"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a campaign ended."""

    measured: int
    cached: int
    failed: int
    rows: list[dict[str, Any]]
    """The rows of the plan's points, in the plan's order."""


def run_campaign(
    points: Sequence[PEConfig],
    library: CellLibrary,
    store: Store,
    *,
    build: Path,
    jobs: int,
    retry_failed: bool = False,
) -> Summary:
    """Measure the points that are not in the store yet.

    Parameters
    ----------
    points, library, store
        What is measured on what, and where it goes.
    build
        Folder for caches and for the logs of failed measurements.
    jobs
        Processes; each runs one tool at a time.
    retry_failed
        Measure again what failed before.

    Raises
    ------
    CharacterizeError
        Another campaign is running on this store.
    """
    tasks = [Task(config=point, library=library, build=build) for point in points]
    keys = [task_key(task) for task in tasks]
    lock = filelock.FileLock(f"{store.path}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise CharacterizeError(
            f"another campaign is running on {store.path}; wait for it, or give this one another "
            f"store with --store"
        ) from None
    with lock:
        rows = {key: row for key in keys if (row := store.get(key)) is not None}
        if retry_failed:
            rows = {key: row for key, row in rows.items() if row["status"] == "ok"}
        cached = len(rows)
        todo = {key: task for key, task in zip(keys, tasks, strict=True) if key not in rows}
        for row in _measure_all(list(todo.values()), jobs):
            rows[row["key"]] = store.put(row)
    ordered = [rows[key] for key in keys]
    return Summary(
        measured=len(todo),
        cached=cached,
        failed=sum(row["status"] != "ok" for row in ordered),
        rows=ordered,
    )


def _measure_all(tasks: list[Task], jobs: int) -> Any:
    """Yield a row for each task as it ends, with a progress bar on stderr."""
    if not tasks:
        return
    # One PE type after the other, so that each is complete early; large scratchpads first, so that
    # no process is left alone with one at the end.
    types = list(dict.fromkeys(task.config.pe_type for task in tasks))
    tasks.sort(key=lambda task: (types.index(task.config.pe_type), -task.config.filter_spad))
    pool = ProcessPoolExecutor(
        max_workers=min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_worker_signals,
    )
    progress = tqdm(total=len(tasks), unit="point", file=sys.stderr, dynamic_ncols=True)
    try:
        futures: list[Future[dict[str, Any]]] = [pool.submit(measure, task) for task in tasks]
        for future in as_completed(futures):
            row = future.result()
            progress.update()
            progress.set_postfix_str(f"{row['pe_type']} {row['status']}")
            yield row
        pool.shutdown()
    except BrokenProcessPool:
        raise CharacterizeError(
            "a measuring process was killed (out of memory?); what was finished is stored, run "
            "the command again, with fewer JOBS if memory is short"
        ) from None
    finally:
        progress.close()
        _stop(pool)


def _worker_signals() -> None:
    """Let the campaign, not the terminal, end a worker: its tools must be ended with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _stop(pool: ProcessPoolExecutor) -> None:
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        if worker.is_alive() and worker.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
    for worker in workers:
        worker.join(timeout=10)
