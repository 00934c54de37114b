"""Several campaigns on one store, and campaigns that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from characterize.campaign import run_campaign
from characterize.claims import claims_on, open_claims
from characterize.errors import CharacterizeError
from characterize.measure import Task
from characterize.store import Store
from characterize.workers import Workers

from .cheap import LIBRARY, cheap_campaign, cheap_row, key_of, points, workers_here

ROOT = Path(__file__).parents[2]


def start(
    store: Path, count: int, jobs: int, seconds: float, journal: Path, *, heard: bool = True
) -> subprocess.Popen[str]:
    arguments = [store, count, jobs, seconds, journal]
    stream = subprocess.PIPE if heard else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "tests.characterize.cheap", *map(str, arguments)],
        cwd=ROOT,
        stdout=stream,
        stderr=stream,
        text=True,
        start_new_session=True,
    )


def expected(count: int, folder: Path) -> dict[str, dict[str, object]]:
    tasks = [Task(config=point, library=LIBRARY, build=folder) for point in points(count)]
    return {key_of(task): cheap_row(task) for task in tasks}


def check_complete(store: Path, count: int) -> None:
    rows = {row["key"]: row for row in Store(store).table().to_dict("records")}
    wanted = expected(count, store.parent)
    assert set(rows) == set(wanted)
    assert all(Store(store).get(key) == row for key, row in wanted.items())
    assert claims_on(Store(store)) == {}


def test_two_campaigns_share_the_work(tmp_path: Path) -> None:
    store, journal, count = tmp_path / "s.sqlite", tmp_path / "journal", 40
    both = [start(store, count, 1, 0.1, journal) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    begun = Counter(line.split()[3] for line in journal.read_text().splitlines() if "begin" in line)
    assert set(begun.values()) == {1} and len(begun) == count
    measured, cached, elsewhere, failed = zip(
        *(map(int, out.split()) for out, _ in ends), strict=True
    )
    assert sum(measured) == count and min(measured) > 0
    assert [sum(parts) for parts in zip(measured, cached, elsewhere, strict=True)] == [count, count]
    assert failed == (0, 0)
    check_complete(store, count)


def test_a_point_belongs_to_one_owner_until_that_owner_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    code = "import time; time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code])
    try:
        with open_claims(store) as claims:
            assert claims.claim("a") and claims.claim("a")
            with open_claims(store) as rival:
                assert not rival.claim("a")
                claims.release(["a"])
                assert rival.claim("a") and not claims.claim("a")
            assert claims.claim("a"), "a campaign that ended gave its claims up"
            with store.connect() as connection:
                started = psutil.Process(other.pid).create_time()
                connection.execute("UPDATE claims SET pid = ?, started = ?", [other.pid, started])
                connection.execute("UPDATE claims SET owner = 'other', beat = 0")
            assert not claims.claim("a"), "a process that lives keeps its claims, however silent"
            with store.connect() as connection:
                connection.execute("UPDATE claims SET started = started - 60")
            assert claims.claim("a"), "the process number was used again"
            with store.connect() as connection:
                connection.execute(
                    "UPDATE claims SET owner = 'other', pid = ?, started = ?", [other.pid, started]
                )
            other.kill()
            other.wait()
            assert claims_on(store) == {} and claims.claim("a")
            for silent_s, free in ((10.0, False), (1000.0, True)):
                beat = time.time() - silent_s
                with store.connect() as connection:
                    connection.execute(
                        "UPDATE claims SET owner = 'other', host = 'elsewhere', beat = ?", [beat]
                    )
                assert claims.claim("a") is free
    finally:
        other.kill()
        other.wait()


def test_damaged_rows_are_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    assert cheap_campaign(path, 4).measured == 4
    with Store(path).connect() as connection:
        connection.execute("UPDATE datapoints SET area_um2 = area_um2 + 1 WHERE rowid = 2")
        connection.execute("UPDATE datapoints SET psum_width = 1000 WHERE rowid = 3")
    assert len(Store(path).damaged()) == 2
    again = cheap_campaign(path, 4)
    assert (again.measured, again.cached) == (2, 2)
    check_complete(path, 4)
    assert cheap_campaign(path, 4, open_workers=_none).measured == 0


def _none() -> AbstractContextManager[Workers]:
    raise AssertionError("workers are only started when there is something to measure")


def test_a_row_for_another_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CharacterizeError, match=r"a worker measured cheap-.* instead of other-"):
        run_campaign(
            points(1),
            LIBRARY,
            Store(tmp_path / "s.sqlite"),
            build=tmp_path,
            open_workers=workers_here,
            key_of=lambda task: "other-" + key_of(task),
        )
    assert claims_on(Store(tmp_path / "s.sqlite")) == {}


def _kill_until_complete(folder: Path, kills: int, seed: int) -> None:
    """Kill a campaign at random moments, that many times, and let the last one end."""
    random_ = random.Random(seed)
    store, journal, count, jobs = folder / "s.sqlite", folder / "journal", 30 * kills, 2
    finished: set[str] = set()
    families: list[psutil.Process] = []
    start_s = 0.0
    for kill in range(kills):
        process, started = start(store, count, jobs, 0.02, journal, heard=False), time.monotonic()
        # Half of them at any moment of their start, half of them amid measurements; the first one
        # of these, and it tells how long a start takes.
        at_work = kill == 0 or random_.random() < 0.5
        begun = _lines(journal)
        deadline = started + 60
        while at_work and _lines(journal) == begun and time.monotonic() < deadline:
            time.sleep(0.01)
        start_s = start_s or time.monotonic() - started
        time.sleep(random_.uniform(0.1, 0.5) if at_work else random_.uniform(0.0, 1.5 * start_s))
        assert process.poll() is None
        families += psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        rows = set(Store(store).table()["key"]) if store.exists() else set()
        assert finished <= rows, "what was stored before is still there"
        finished = rows  # and the next one starts while the workers of this one still end
    _, alive = psutil.wait_procs(families, timeout=60)
    assert not alive, "a killed campaign leaves no process behind"
    assert 0 < len(finished) < count
    process = start(store, count, jobs, 0, journal)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.split() == [str(count - len(finished)), str(len(finished)), "0", "0"]
    check_complete(store, count)
    done = Counter(line.split()[3] for line in journal.read_text().splitlines() if " end " in line)
    again = sum(done.values()) - count
    assert again <= jobs * kills, "only what ran at a kill is measured again"


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_killed_5_times_a_campaign_ends_complete(tmp_path: Path) -> None:
    _kill_until_complete(tmp_path, 5, seed=5)


@pytest.mark.long
def test_killed_25_times_a_campaign_ends_complete(tmp_path: Path) -> None:
    _kill_until_complete(tmp_path, 25, seed=25)
