"""The whole program once, on the library every machine can install: measure, fit, explore."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from characterize.__main__ import main as characterize
from dse.explore import main as explore
from flows.errors import LibraryNotFound
from flows.libraries import find_library
from models.fit import main as fit
from models.predict import main as predict


@pytest.mark.long
def test_from_rtl_to_a_pareto_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("sta") is None:
        pytest.skip("sta is not installed (apt-get install opensta)")
    try:
        find_library("osu018")
    except LibraryNotFound:
        pytest.skip("osu018 is not installed (apt-get install qflow-tech-osu018)")
    store, table, model = tmp_path / "s.sqlite", tmp_path / "d.csv", tmp_path / "osu018.json"
    for pe_type in ("int16", "lightpe2"):
        assert characterize(["--pe", pe_type, "--plan", "quick", "--store", str(store)]) == 0
    assert characterize(["--export", str(table), "--store", str(store)]) == 0
    assert fit(["--library", "osu018", "--data", str(table), "-o", str(model)]) == 0
    point = tmp_path / "point.yaml"
    point.write_text("pe_type: lightpe2\n")
    capsys.readouterr()
    assert predict(["--library", str(model), "--config", str(point), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    arguments = ["--network", "alexnet", "--library", str(model), "-o", str(tmp_path / "out")]
    assert explore([*arguments, "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    gains = {
        (b["pe_type"], b["spad_kind"]): b["gain_same_spads"]
        for b in best
        if b["objective"] == "perf_per_area"
    }
    assert gains["lightpe2", "flipflop"] > 1
    assert (tmp_path / "out" / "exploration.png").is_file()
