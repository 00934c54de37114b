"""Campaigns with the real tools on the library every machine can install."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from characterize.__main__ import main
from characterize.store import Store
from flows.errors import LibraryNotFound
from flows.libraries import find_library

ROOT = Path(__file__).parents[2]
PLAN = "".join(f"- {{ifmap_spad: 4, filter_spad: 8, psum_spad: {n}}}\n" for n in (4, 5))


@pytest.fixture
def osu018() -> str:
    for program, package in (("sta", "opensta"), ("iverilog", "iverilog")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt-get install {package})")
    try:
        find_library("osu018")
    except LibraryNotFound:
        pytest.skip("osu018 is not installed (apt-get install qflow-tech-osu018)")
    return "osu018"


def test_a_campaign_measures_once_and_keeps_failures(
    osu018: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = tmp_path / "plan.yaml", tmp_path / "s.sqlite"
    plan.write_text(PLAN)
    command = ["--pe", "lightpe1", "--plan", str(plan), "--library", osu018, "--store", str(store)]
    assert main([*command, "--json", "--jobs", "2"]) == 0
    first = capsys.readouterr()
    assert "2 measured, 0 already" in first.err
    rows = json.loads(first.out)
    for row in rows:
        parts = ("datapath", "ifmap_spad", "filter_spad", "psum_spad", "control")
        assert row["area_um2"] == pytest.approx(sum(row[f"area_{part}_um2"] for part in parts))
        leakage = sum(row[f"leakage_{part}_uw"] for part in parts)
        assert row["leakage_uw"] == pytest.approx(leakage) and leakage > 0
        assert (row["decoders"], row["recipe"]) == ("pe", "balanced/sklansky/booth")
        assert row["product_pj"] > row["idle_pj"] > 0
        assert min(row[f"{a}_pj"] for a in ("filter_load", "ifmap_load", "psum_pass")) > 0
    assert rows[1]["area_psum_spad_um2"] > rows[0]["area_psum_spad_um2"]

    assert main([*command, "--json"]) == 0
    again = capsys.readouterr()
    assert "0 measured, 2 already" in again.err
    assert json.loads(again.out) == rows

    other = tmp_path / "other.sqlite"
    monkeypatch.setenv("PATH", str(_without_sta(tmp_path)))
    assert main([*command[:-1], str(other)]) == 1
    assert "OpenSTA (program sta) is not installed" in capsys.readouterr().err


def _without_sta(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("workers", [[], ["--scheduler", "local"]], ids=["pool", "cluster"])
def test_ctrl_c_keeps_what_was_finished(osu018: str, workers: list[str], tmp_path: Path) -> None:
    plan, store = tmp_path / "plan.yaml", tmp_path / "s.sqlite"
    plan.write_text(
        "- {ifmap_spad: 4, filter_spad: 8, psum_spad: 4}\n"
        + "".join(f"- {{ifmap_spad: 8, filter_spad: 256, psum_spad: {n}}}\n" for n in (30, 31, 32))
    )
    arguments = ["--pe", "int8", "--plan", str(plan), "--store", str(store), "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "characterize", *arguments, "--library", osu018, *workers],
        cwd=ROOT,
        env=dict(os.environ),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if store.is_file() and not Store(store).table().empty:
            break
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert not psutil.wait_procs(family, timeout=10)[1], "workers and tools end with the campaign"
    finished = Store(store).table()
    assert not finished.empty
    assert set(finished["status"]) == {"ok"}
    if len(finished) < 4:
        assert process.returncode == 1
        assert "interrupted: what was finished is kept" in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--pe", "int9"], 2, "--pe must be all or one of"),
        (["--pe", "int8; ls"], 2, "--pe must be all or one of"),
        (["--pe", "int8", "--plan", "slow"], 2, "plan must be a plan file or"),
        (["--pe", "int8", "--library", "no_such"], 2, "no cell library 'no_such' was found"),
        (["--pe", "int8", "--library", "x;[exec id]"], 2, "a library's name must be"),
        (["--pe", "int8", "--jobs", "0"], 2, "--jobs must be at least 1"),
        (["--config", "nothing.yaml"], 2, "cannot read 'nothing.yaml'"),
    ],
)
def test_mistakes_get_one_clear_message(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*arguments, "--store", str(tmp_path / "s.sqlite")]) == status
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_a_library_that_is_not_liberty_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cells.lib"
    path.write_text("this is not Liberty\n")
    arguments = ["--pe", "int8", "--library", str(path), "--store", str(tmp_path / "s.sqlite")]
    assert main(arguments) == 1
    assert "must begin with 'library ('" in capsys.readouterr().err


def test_a_truncated_library_is_refused_before_anything_is_measured(
    osu018: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = find_library(osu018).path.read_text()
    path, store = tmp_path / "cells.lib", tmp_path / "s.sqlite"
    path.write_text(text[: len(text) // 2])
    assert main(["--pe", "int8", "--library", str(path), "--store", str(store)]) == 1
    assert str(path) in capsys.readouterr().err
    assert Store(store).table().empty
