"""Workers of a Dask cluster: on this machine, or wherever a scheduler's address leads.

A worker needs this package, the tools, and nothing else: the library travels to it, packed, as soon
as it joins, and is kept in its cache folder under its digest.  A worker that dies is missed by
nobody: Dask gives its task to another one.  Only the campaign writes to the store.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs
import psutil
from distributed import Client, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker

from flows.libraries import CellLibrary

from .errors import CharacterizeError
from .measure import Task, measure
from .workers import Measure, Row, Workers

__all__ = ["LOCAL", "TravellingLibrary", "cluster_workers"]

LOCAL = "local"
"""In place of an address: a cluster of this machine's processes."""
_CONNECT_S = 20
_WIDTH_S = 2.0
_END_S = 5.0


class TravellingLibrary(WorkerPlugin):  # type: ignore[misc] # Dask has no types
    """A campaign's cell library, which Dask brings to every worker, early or late.

    When it is taken away it ends the tools that the worker runs for this campaign.
    """

    def __init__(self, library: CellLibrary, text: bytes, build: Path | None) -> None:
        self.name = f"library-{uuid.uuid4().hex}"
        self.library = library
        self.packed = zlib.compress(text)
        self.build = build
        """Folder to work in; None is the cache folder of each worker's own machine."""
        self.running: set[str] = set()

    @property
    def folder(self) -> Path:
        """Folder for caches and logs on the machine where this is asked."""
        cache = platformdirs.user_cache_path("openquidam") / "characterize"
        return (self.build or cache).absolute()

    def setup(self, worker: Worker) -> None:  # noqa: ARG002
        """Keep the library in the cache folder, under its digest and verified by it."""
        if self.build is not None:  # a child of the campaign, which ends it after Ctrl-C
            with suppress(ValueError):  # of a thread that may not
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        path = self.folder / "cache" / "libraries" / f"{self.library.digest}.lib"
        if not (path.is_file() and _digest(path.read_bytes()) == self.library.digest):
            text = zlib.decompress(self.packed)
            if _digest(text) != self.library.digest:
                raise CharacterizeError(f"library {self.library.name} arrived damaged")
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix="partial-")
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            Path(partial).replace(path)
        self.library = replace(self.library, path=path)
        self.packed = b""

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """End the tools of this campaign, as long as one is started."""
        until = time.monotonic() + _END_S
        while self.running and time.monotonic() < until:
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if {*Path(process.cwd()).parts} & self.running:
                        process.terminate()
            time.sleep(0.1)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _measure_at_worker(name: str, measure: Measure, key: str, task: Task) -> Row:
    """Measure one point in a worker that the library of this name has reached."""
    mine: TravellingLibrary = get_worker().plugins[name]
    mine.running.add(key)  # which is the name of the folder its tools work in
    try:
        return measure(replace(task, library=mine.library, build=mine.folder))
    finally:
        mine.running.discard(key)


class _Cluster:
    """Takes tasks for a Dask scheduler."""

    def __init__(self, client: Client, name: str, measure: Measure) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)
        self._name = name
        self._measure = measure
        self._width = 1
        self._counted = -_WIDTH_S

    @property
    def width(self) -> int:
        """Threads of all workers now; 1 while there is none, which waits for the first."""
        if time.monotonic() - self._counted > _WIDTH_S:
            self._width = max(1, sum(self._client.nthreads().values()))
            self._counted = time.monotonic()
        return self._width

    def submit(self, key: str, task: Task) -> Future[Row]:
        result: Future[Row] = Future()
        measuring = self._executor.submit(_measure_at_worker, self._name, self._measure, key, task)
        measuring.add_done_callback(lambda ended: _pass_on(ended, result, task))
        return result


def _pass_on(ended: Future[Row], result: Future[Row], task: Task) -> None:
    try:
        result.set_result(ended.result())
    except CancelledError:
        result.set_exception(CharacterizeError("the scheduler of the cluster is gone"))
    except KilledWorker as error:
        point = f"{task.config.pe_type} {task.config.filter_spad}"
        result.set_exception(
            CharacterizeError(f"several workers died one after the other on {point}: {error}")
        )
    except Exception as error:
        result.set_exception(error)


@contextmanager
def cluster_workers(
    address: str, library: CellLibrary, *, jobs: int, build: Path, measure: Measure = measure
) -> Iterator[Workers]:
    """Use the workers of a scheduler.

    Parameters
    ----------
    address
        Of the scheduler, `tcp://HOST:PORT`; `local` starts one with `jobs` processes here.
    library
        What is measured on; it travels to the workers.
    jobs, build
        Processes of a local cluster, and the folder they work in.  Other workers work in the cache
        folder of their own machine.

    Raises
    ------
    CharacterizeError
        No scheduler answers at that address.
    """
    local = address == LOCAL
    copy = library.local_copy(build / "cache")
    if _digest(copy.read_bytes()) != library.digest:
        copy.unlink()
        library.local_copy(build / "cache")
    text = copy.read_bytes()
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(_local_cluster(jobs)) if local else address
            client = stack.enter_context(Client(cluster, timeout=_CONNECT_S, set_as_default=False))
        except (OSError, ValueError) as error:  # Dask's time-outs are OSErrors
            raise CharacterizeError(
                f"no Dask scheduler answers at {address!r}; start one with `dask scheduler`, and "
                f"give its address, tcp://HOST:PORT ({error})"
            ) from None
        plugin = TravellingLibrary(library, text, build if local else None)
        client.register_plugin(plugin)
        try:
            yield _Cluster(client, plugin.name, measure)
        finally:
            with suppress(Exception):  # the scheduler may be gone, and its workers with it
                client.unregister_worker_plugin(plugin.name)


def _local_cluster(jobs: int) -> Any:
    return LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        memory_limit=0,  # the memory is the tools', which Dask does not see
        silence_logs=logging.CRITICAL,
    )
