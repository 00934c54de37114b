"""Campaigns on a Dask cluster of several processes: shared work, lost workers, the library."""

from __future__ import annotations

import os
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from characterize import cluster as cluster_module
from characterize.campaign import Summary
from characterize.cluster import TravellingLibrary, cluster_workers
from characterize.errors import CharacterizeError
from characterize.measure import Task
from flows.libraries import CellLibrary, find_library

from .cheap import cheap_campaign, cheap_measure, key_of
from .test_sharing import check_complete, start

TEXT = "library (toy) {\n}\n" * 3


@pytest.fixture
def library(tmp_path: Path) -> CellLibrary:
    path = tmp_path / "toy.lib"
    path.write_text(TEXT)
    return find_library(path)


@contextmanager
def cluster_of(workers: int) -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0
    ) as cluster:
        yield cluster


def _campaign(address: str, library: CellLibrary, store: Path, count: int) -> Summary:
    workers = partial(
        cluster_workers, address, library, jobs=2, build=store.parent, measure=_measure_there
    )
    return cheap_campaign(store, count, open_workers=workers)


def _measure_there(task: Task) -> dict[str, Any]:
    """Measure cheaply where the library has arrived, in the worker's own cache folder."""
    assert task.library.path.read_text() == TEXT
    assert task.library.path.is_relative_to(Path(os.environ["XDG_CACHE_HOME"]))
    assert task.build.is_relative_to(Path(os.environ["XDG_CACHE_HOME"]))
    return cheap_measure(task)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal"
    monkeypatch.setenv("CHEAP_JOURNAL", str(path))
    monkeypatch.setenv("CHEAP_SECONDS", "0.05")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def test_a_killed_worker_and_a_second_campaign(
    library: CellLibrary, journal: Path, tmp_path: Path
) -> None:
    store, count, killed = tmp_path / "s.sqlite", 120, []

    def kill_one(pids: list[int]) -> None:
        """Kill the first worker that is in the middle of a point, when ten are done."""
        while not killed:
            lines = journal.read_text().splitlines() if journal.exists() else []
            if len(lines) > 20:
                _, pid, what, _ = lines[-1].split()
                if what == "begin" and int(pid) in pids:
                    os.kill(int(pid), signal.SIGKILL)
                    killed.append(int(pid))
            time.sleep(0.005)

    with cluster_of(3) as cluster:
        pids = [worker.process.process.pid for worker in cluster.workers.values()]
        killer = threading.Thread(target=kill_one, args=(pids,), daemon=True)
        killer.start()
        second = start(store, count, 1, 0.05, journal)
        first = _campaign(cluster.scheduler_address, library, store, count)
        out, err = second.communicate(timeout=120)
    killer.join(timeout=5)
    assert len(killed) == 1
    assert second.returncode == 0, err
    measured, cached, elsewhere, failed = map(int, out.split())
    assert failed == first.failed == 0
    assert first.measured + measured == count
    assert first.elsewhere + first.cached + first.measured == measured + cached + elsewhere == count
    assert first.measured > 10 and measured > 0
    check_complete(store, count)
    lines = [line.split() for line in journal.read_text().splitlines()]
    begun = [key for _, _, what, key in lines if what == "begin"]
    lost = [key for _, pid, what, key in lines if what == "begin" and int(pid) in killed]
    assert len(begun) - count <= 1, "only what ran in the killed worker is measured again"
    assert len(begun) == count or begun.count(lost[-1]) == 2


def test_a_cluster_of_this_machine(library: CellLibrary, journal: Path, tmp_path: Path) -> None:
    workers = partial(
        cluster_workers, "local", library, jobs=2, build=tmp_path, measure=cheap_measure
    )
    # A damaged copy from before is made new, here and at the workers.
    copy = tmp_path / "cache" / "libraries" / f"{library.digest}.lib"
    copy.parent.mkdir(parents=True)
    copy.write_text("damaged")
    ended = cheap_campaign(tmp_path / "s.sqlite", 12, open_workers=workers)
    assert (ended.measured, ended.failed) == (12, 0)
    assert copy.read_text() == TEXT
    pids = {line.split()[1] for line in journal.read_text().splitlines()}
    assert len(pids) == 2 and str(os.getpid()) not in pids


def test_the_library_is_kept_by_its_digest_and_verified(
    library: CellLibrary, tmp_path: Path
) -> None:
    there = TravellingLibrary(replace(library, path=Path("away")), TEXT.encode(), tmp_path / "w")
    signals = signal.getsignal(signal.SIGINT)
    try:
        there.setup(None)
        assert (
            there.library.path == tmp_path / "w" / "cache" / "libraries" / f"{library.digest}.lib"
        )
        assert there.library.path.read_text() == TEXT
        again = TravellingLibrary(library, b"not needed", tmp_path / "w")
        again.setup(None)
        assert again.library == there.library
        there.library.path.write_text(TEXT[:-1])
        again = TravellingLibrary(library, TEXT.encode(), tmp_path / "w")
        again.setup(None)
        assert again.library.path.read_text() == TEXT
        spoilt = TravellingLibrary(library, TEXT.encode(), tmp_path / "v")
        spoilt.packed = zlib.compress(b"something else")
        with pytest.raises(CharacterizeError, match="library toy arrived damaged"):
            spoilt.setup(None)
    finally:
        signal.signal(signal.SIGINT, signals)


def test_no_scheduler_is_a_clear_error(
    library: CellLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_S", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense", "tcp://x:y"):
        with pytest.raises(CharacterizeError, match="no Dask scheduler answers at"):
            _campaign(address, library, tmp_path / "s.sqlite", 1)


def test_a_measurement_that_breaks_ends_the_campaign(library: CellLibrary, tmp_path: Path) -> None:
    workers = partial(cluster_workers, "local", library, jobs=1, build=tmp_path, measure=_breaks)
    with pytest.raises(ZeroDivisionError):
        cheap_campaign(tmp_path / "s.sqlite", 2, open_workers=workers)


def _breaks(task: Task) -> dict[str, Any]:
    return {"key": key_of(task), "area_um2": 1 / 0}
