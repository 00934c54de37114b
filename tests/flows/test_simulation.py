"""The runner of benches fails where cocotb's would not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.errors import ToolFailed, ToolMissing
from flows.simulation import run_bench

VERILOG = "module wire_through(input a, output b); assign b = a; endmodule\n"
HEAD = "import cocotb\nfrom cocotb.triggers import Timer\n"
GOOD = HEAD + "@cocotb.test()\nasync def goes_through(dut):\n    dut.a.value = 1\n"
GOOD += "    await Timer(1, unit='ns')\n    assert dut.b.value == 1\n"
BAD = GOOD.replace("== 1", "== 0")
NONE = HEAD


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bench: str) -> int:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    (tmp_path / f"{name}.py").write_text(bench)
    monkeypatch.syspath_prepend(str(tmp_path))
    return run_bench(VERILOG, "wire_through", name, tmp_path / "build")


def test_passed_tests_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, monkeypatch, "good_bench", GOOD) == 1


def test_a_failed_test_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolFailed):
        run(tmp_path, monkeypatch, "bad_bench", BAD)


def test_a_bench_without_tests_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolFailed):
        run(tmp_path, monkeypatch, "empty_bench", NONE)


def test_verilog_that_does_not_compile_raises(tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    with pytest.raises(ToolFailed, match="simulating broken"):
        run_bench("module broken(; endmodule", "broken", "any_bench", tmp_path)


def test_a_missing_simulator_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="apt-get install iverilog"):
        run_bench(VERILOG, "wire_through", "any_bench", tmp_path)
