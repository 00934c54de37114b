"""Verification: rows that are not what a second measurement finds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from characterize.measure import Task
from characterize.store import Store
from characterize.verify import Verification, differing_column, verify_points

from .cheap import LIBRARY, cheap_campaign, cheap_measure, cheap_row, key_of, points, workers_here
from .rows import row


def _verify(store: Store, count: int) -> Verification:
    return verify_points(
        points(count),
        LIBRARY,
        store,
        build=store.path.parent / "build",
        open_workers=partial(workers_here, _measure_from_parts),
        key_of=key_of,
    )


def _measure_from_parts(task: Task) -> dict[str, object]:
    """Measure as the real one does: from a netlist in the cache, made where there is none."""
    netlist = task.build / "cache" / "parts" / f"{key_of(task)}.json"
    if not netlist.exists():
        netlist.parent.mkdir(parents=True, exist_ok=True)
        netlist.write_text("good")
    return {**cheap_measure(task), "netlist_digest": netlist.read_text()}


def test_what_differs_is_measured_from_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    measuring = partial(workers_here, _measure_from_parts)
    cheap_campaign(store.path, 4, open_workers=measuring)
    keys = [key_of(Task(config=p, library=LIBRARY, build=tmp_path)) for p in points(4)]
    rows = {key: store.get(key) for key in keys}
    assert _verify(store, 4) == Verification(same=4, replaced=[])
    # A wrong row with a right digest, and a netlist in the cache that is not what it was.
    wrong = rows[keys[1]]
    assert wrong is not None
    store.put({**wrong, "area_um2": 1.0})
    bad = tmp_path / "build" / "cache" / "parts" / f"{keys[2]}.json"
    bad.write_text("bad")
    found = _verify(store, 4)
    assert found.same == 2
    area = cheap_row(Task(config=points(2)[1], library=LIBRARY, build=tmp_path))["area_um2"]
    assert found.replaced == [
        f"{keys[1]}: area_um2 was 1.0, measured again from the cache {area}, from nothing {area}",
        f"{keys[2]}: netlist_digest was good, measured again from the cache bad, from nothing good",
    ]
    assert {key: store.get(key) for key in keys} == rows
    assert bad.read_text() == "good"
    assert _verify(store, 4) == Verification(same=4, replaced=[])
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["cache"]


def test_a_row_is_not_replaced_by_a_failure(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    cheap_campaign(store.path, 1)
    (before,) = store.table().to_dict("records")
    found = verify_points(
        points(1), LIBRARY, store, build=tmp_path, open_workers=partial(workers_here, _fails),
        key_of=key_of,
    )  # fmt: skip
    assert found.same == 0
    assert found.replaced[0].endswith("from nothing it fails, and the row stays: no tool")
    assert store.table().to_dict("records") == [before]


def _fails(task: Task) -> dict[str, object]:
    return {**cheap_row(task), "status": "failed", "message": "no tool"}


def test_what_measures_may_differ_in_is_time() -> None:
    one = row("a", seconds=1.0, area_um2=1.0)
    assert differing_column(one, row("a", seconds=2.0, area_um2=1.0 + 1e-12)) is None
    assert differing_column(one, row("a", area_um2=1.0 + 1e-6)) == "area_um2"
    assert differing_column(one, row("a", area_um2=1.0, macro_path_ns=None)) == "macro_path_ns"
