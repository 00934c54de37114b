"""Campaigns: the PE points of a plan, measured by several workers, stored as each one ends.

What is stored is never measured again; a failed measurement is tried again on request.  Several
campaigns may run on one store: each claims a point before it measures it, takes what another one
has measured, and waits for what another one is measuring.  Ctrl-C ends the running tools and keeps
everything that was finished; so does a kill, whose claims end with its process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from flows.libraries import CellLibrary
from hw.config import PEConfig

from .claims import Claims, open_claims
from .errors import CharacterizeError
from .measure import Task, task_key
from .progress import Progress, show_progress
from .store import Store
from .workers import OpenWorkers, Row, Workers

__all__ = ["Summary", "run_campaign"]

_POLL_S = 0.5
"""How often a campaign looks whether another one has finished a point it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a campaign ended."""

    measured: int
    cached: int
    elsewhere: int
    """Points that another campaign measured meanwhile."""
    failed: int
    rows: list[Row]
    """The rows of the plan's points, in the plan's order."""


def run_campaign(
    points: Sequence[PEConfig],
    library: CellLibrary,
    store: Store,
    *,
    build: Path,
    open_workers: OpenWorkers,
    retry_failed: bool = False,
    key_of: Callable[[Task], str] = task_key,
) -> Summary:
    """Measure the points that are not in the store yet.

    Parameters
    ----------
    points, library, store
        What is measured on what, and where it goes.
    build
        Folder for caches and for the logs of failed measurements.
    open_workers
        Starts what measures; not called where everything is stored already.
    retry_failed
        Measure again what failed before.
    key_of
        Returns the key of a task's datapoint.

    Raises
    ------
    CharacterizeError
        The workers cannot go on.
    """
    tasks = [Task(config=point, library=library, build=build) for point in points]
    keys = [key_of(task) for task in tasks]
    stored = {key: row for key in keys if (row := store.get(key)) is not None}
    rows = {k: r for k, r in stored.items() if r["status"] == "ok" or not retry_failed}
    todo = {key: task for key, task in zip(keys, tasks, strict=True) if key not in rows}
    cached = len(rows)
    done = elsewhere = 0
    if todo:
        with (
            open_claims(store) as claims,
            open_workers() as workers,
            show_progress(len(todo) + cached, cached) as progress,
        ):
            stale = {key: row for key, row in stored.items() if key in todo}
            rows |= _run(todo, stale, store, claims, workers, progress)
            done, elsewhere = progress.done + progress.failed, progress.elsewhere
    ordered = [rows[key] for key in keys]
    return Summary(
        measured=done,
        cached=cached,
        elsewhere=elsewhere,
        failed=sum(row["status"] != "ok" for row in ordered),
        rows=ordered,
    )


def _run(
    todo: dict[str, Task],
    stale: dict[str, Row],
    store: Store,
    claims: Claims,
    workers: Workers,
    progress: Progress,
) -> dict[str, Row]:
    """Return the rows of all tasks, measured here or by another campaign.

    `stale` are the rows to replace: what the store holds besides was measured meanwhile.
    """
    rows: dict[str, Row] = {}
    waiting = _in_order(todo)
    running: dict[Future[Row], str] = {}
    while waiting or running:
        taken = []
        for key in waiting:
            if len(running) >= workers.width:
                break
            if not claims.claim(key):
                continue
            taken.append(key)
            row = store.get(key)
            if row is not None and row != stale.get(key):
                claims.release([key])
                rows[key] = row
                progress.found()
            else:
                running[workers.submit(key, todo[key])] = key
        waiting = [key for key in waiting if key not in taken]
        if not running and not taken and waiting:
            progress.waits(len(waiting))
            time.sleep(_POLL_S)
            continue
        free = len(running) < workers.width
        ended, _ = wait(running, _POLL_S if free and waiting else None, FIRST_COMPLETED)
        for future in ended:
            key = running.pop(future)
            rows[key] = store.put(_row(future, key))
            progress.measured(ok=rows[key]["status"] == "ok")
    return rows


def _in_order(todo: dict[str, Task]) -> list[str]:
    """Sort the work: one PE type after the other, so that each is complete early; in each, large
    scratchpads first, so that no worker is left alone with one at the end."""
    types = list(dict.fromkeys(task.config.pe_type for task in todo.values()))
    return sorted(
        todo, key=lambda k: (types.index(todo[k].config.pe_type), -todo[k].config.filter_spad)
    )


def _row(future: Future[Row], key: str) -> Row:
    try:
        row = future.result()
    except BrokenProcessPool:
        raise CharacterizeError(
            "a measuring process was killed (out of memory?); what was finished is stored, run "
            "the command again, with fewer JOBS if memory is short"
        ) from None
    if row["key"] != key:
        raise CharacterizeError(
            f"a worker measured {row['key']} instead of {key}: its tools ({row['tools']}) or its "
            f"version of the program differ from this one's"
        )
    return row
