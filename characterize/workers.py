"""What measures the points of a campaign: processes of this machine, or those of a Dask cluster.

Workers take one task at a time and give back its row.  Closed early, after Ctrl-C or a full disk,
they end the tools they run; and when the campaign is killed they end by themselves, tools included.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import wait
from typing import Any, Protocol

from .measure import Task

__all__ = ["Measure", "OpenWorkers", "Row", "Workers", "process_workers"]

Row = dict[str, Any]
Measure = Callable[[Task], Row]
"""Measures one point: `characterize.measure.measure`, or what a test puts in its place.  It is a
function of a module, so that another process can import it."""
_GRACE_S = 5.0


class Workers(Protocol):
    """Takes tasks and measures up to `width` of them at a time."""

    @property
    def width(self) -> int:
        """Tasks it can measure now at a time; it may change while it works."""

    def submit(self, key: str, task: Task) -> Future[Row]:
        """Begin a task; `key` is the key of its datapoint."""


OpenWorkers = Callable[[], AbstractContextManager[Workers]]
"""Starts workers; called when there is something to measure."""


class _Pool:
    def __init__(self, pool: ProcessPoolExecutor, width: int, measure: Measure) -> None:
        self._pool = pool
        self._measure = measure
        self.width = width

    def submit(self, key: str, task: Task) -> Future[Row]:  # noqa: ARG002
        return self._pool.submit(self._measure, task)


@contextmanager
def process_workers(jobs: int, measure: Measure) -> Iterator[Workers]:
    """Start that many processes on this machine."""
    pool = ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_up,
    )
    try:
        yield _Pool(pool, jobs, measure)
        pool.shutdown()
    finally:
        _stop(pool)


def _set_up() -> None:
    """Let the campaign, not the terminal, end a worker: its tools must be ended with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
        os._exit(1)


def _stop(pool: ProcessPoolExecutor) -> None:
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        if worker.is_alive() and worker.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGTERM)
    for worker in workers:
        worker.join(timeout=_GRACE_S)
