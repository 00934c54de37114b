"""Running outside tools: versions, failures, time limits, processes left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from flows.errors import ToolFailed, ToolMissing
from flows.tools import run_tool, sta_command, tool_versions, yosys_command


def run(code: str, folder: Path, timeout_s: float = 60.0) -> None:
    run_tool(
        [sys.executable, "-c", code],
        tool="sometool",
        doing="testing",
        cwd=folder,
        log=folder / "log",
        timeout_s=timeout_s,
    )


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    run("import sys; print('one'); print('two', file=sys.stderr)", tmp_path)
    assert sorted((tmp_path / "log").read_text().split()) == ["one", "two"]


def test_failure_shows_the_errors_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed) as error:
        run(
            "print('fine'); print('ERROR: no such thing'); print('bye'); raise SystemExit(3)",
            tmp_path,
        )
    message = str(error.value)
    assert message.startswith("sometool failed while testing (exit status 3)")
    assert error.value.tail == ("ERROR: no such thing",)
    assert str(tmp_path / "log") in message and error.value.log == tmp_path / "log"


def test_killed_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"while testing \(SIGKILL\)"):
        run("import os; os.kill(os.getpid(), 9)", tmp_path)


def test_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(p.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(ToolFailed, match="took more than 2 s while testing and was stopped"):
        run(code, tmp_path, timeout_s=2.0)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _alive(child):
            break
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_program_that_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="sometool does not start"):
        run_tool(
            [str(tmp_path / "absent")],
            tool="sometool",
            doing="testing",
            cwd=tmp_path,
            log=tmp_path / "log",
            timeout_s=1.0,
        )


def test_missing_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="apt-get install opensta"):
        sta_command()
    with pytest.raises(ToolMissing, match="apt-get install iverilog"):
        tool_versions("iverilog")


def test_unknown_tool() -> None:
    with pytest.raises(ValueError, match="tools must be among yosys, sta, iverilog"):
        tool_versions("vivado")


def test_yosys_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENQUIDAM_YOSYS", raising=False)
    major, minor = tool_versions("yosys")["yosys"].split()[1].split("+")[0].split(".")[:2]
    assert (int(major), int(minor)) >= (0, 40)


def test_native_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = program(tmp_path / "new", "echo 'Yosys 0.57 (git sha1 0123abc)'")
    monkeypatch.setenv("OPENQUIDAM_YOSYS", str(new))
    assert yosys_command() == (str(new),)
    assert tool_versions("yosys") == {"yosys": "Yosys 0.57 0123abc"}
    old = program(tmp_path / "old", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'")
    for wrong in (str(old), str(tmp_path / "absent"), "yosys; id", os.devnull):
        monkeypatch.setenv("OPENQUIDAM_YOSYS", wrong)
        with pytest.raises(ToolMissing, match="OPENQUIDAM_YOSYS must name"):
            yosys_command()
