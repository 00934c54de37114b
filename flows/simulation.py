"""RTL and gate-level simulation: cocotb benches on Icarus Verilog or on Verilator.

`runner.test()` of cocotb returns normally when a test failed and when none ran; here both raise.
Builds are kept in a folder named by the digest of their sources, so equal hardware compiles once.

Icarus interprets and knows X; Verilator compiles to C++, which takes its time, then runs a hundred
times as fast, with two values: registers without a reset begin with random ones, by the seed.
cocotb's own build would keep every signal of the design within a bench's reach, which doubles both
times; the build here keeps the ports of the top module.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import filelock

from .errors import ToolFailed
from .tools import make_command, run_tool, tail, tool_versions, verilator_command

__all__ = ["SIMULATORS", "build_bench", "run_bench"]

SIMULATORS = ("icarus", "verilator")
_BUILD_TIMEOUT_S = 3600.0
_TIMESCALE = ("1ns", "1ps")
# What makes a compiled simulation another one, besides the design.
_VERILATOR_OPTIONS = ("--vpi", "-Wno-fatal", "--timescale", "/".join(_TIMESCALE))
_MAKE_OPTIONS = (
    "OPT_FAST=-O1",  # -Os takes a third longer to compile and runs no faster under a bench
    "CFG_CXXFLAGS_PCH_I=-include",  # the package leaves it empty
)


def run_bench(
    verilog: str,
    top: str,
    bench: str,
    build_root: Path,
    *,
    settings: Mapping[str, str] | None = None,
    seed: int = 1,
    simulator: str = "icarus",
) -> int:
    """Simulate `verilog` under a cocotb bench and return the number of tests that passed.

    Parameters
    ----------
    verilog, top
        The design's text and the name of its top module.
    bench
        Module with the cocotb tests, importable from here.
    build_root
        Folder below which the build is kept.
    settings
        Environment variables the bench reads.
    seed
        Of the bench's random numbers, and of what registers hold before they are written
        (Verilator).
    simulator
        `icarus` or `verilator`.

    Raises
    ------
    ToolMissing
        The simulator or what compiles for it is not installed.
    ToolFailed
        The build failed, a test failed, or no test ran.
    """
    build_dir = build_bench(verilog, top, build_root, simulator=simulator)
    from cocotb_tools.runner import get_runner

    run_key = hashlib.sha256(repr((bench, sorted((settings or {}).items()), seed)).encode())
    test_dir = build_dir / run_key.hexdigest()[:12]
    test_dir.mkdir(exist_ok=True)
    results, log = (test_dir / "results.xml").resolve(), test_dir / "test.log"
    results.unlink(missing_ok=True)
    undefined = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % 2**31 or 1}"]
    error = None
    try:
        get_runner(simulator).test(
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            test_module=bench,
            build_dir=build_dir,
            test_dir=test_dir,
            seed=seed,
            test_args=undefined if simulator == "verilator" else [],
            extra_env=dict(settings or {}),
            results_xml=str(results),
            log_file=log,
        )
    except (RuntimeError, SystemExit) as caught:
        error = str(caught)
    passed = _count_passed(results, bench, log) if results.exists() else 0
    if error or not passed:
        raise ToolFailed(f"simulating {top} with {bench}: {error or 'no result'}", log=log)
    return passed


def build_bench(verilog: str, top: str, build_root: Path, *, simulator: str = "icarus") -> Path:
    """Compile `verilog` for a simulator unless that is done; return the folder it is in.

    Arguments and errors as for `run_bench`.
    """
    if simulator == "icarus":
        key = repr((tool_versions("iverilog"), _TIMESCALE, top, verilog))
    elif simulator == "verilator":
        verilator_command(), make_command()
        versions = [importlib.metadata.version(name) for name in ("verilator", "cocotb")]
        key = repr((versions, sys.prefix, _VERILATOR_OPTIONS, _MAKE_OPTIONS, top, verilog))
    else:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    build_dir = (build_root / hashlib.sha256(key.encode()).hexdigest()[:16]).resolve()
    build_dir.mkdir(parents=True, exist_ok=True)
    done = build_dir / "done"
    with filelock.FileLock(build_dir / "lock"):
        if not done.exists():
            source = build_dir / f"{top}.v"
            source.write_text(verilog)
            (_build_icarus if simulator == "icarus" else _build_verilator)(source, top)
            done.touch()
    return build_dir


def _build_icarus(source: Path, top: str) -> None:
    from cocotb_tools.runner import get_runner

    try:
        get_runner("icarus").build(
            sources=[source],
            hdl_toplevel=top,
            build_dir=source.parent,
            timescale=_TIMESCALE,
            log_file=source.with_name("build.log"),
        )
    except (RuntimeError, SystemExit) as error:
        log = source.with_name("build.log")
        raise ToolFailed(f"iverilog failed on {top}: {error}", tail=tail(log), log=log) from None


def _build_verilator(source: Path, top: str) -> None:
    from cocotb_tools.config import libs_dir, share_dir

    folder = source.parent
    for place in (folder, libs_dir):
        if " " in str(place):
            raise ToolFailed(f"make needs a path without spaces, not {str(place)!r}")
    reach = folder / "reach.vlt"
    reach.write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n')
    libraries = f"-Wl,-rpath,{libs_dir} -L{libs_dir} -lcocotbvpi_verilator"
    design = ["--top-module", top, *_VERILATOR_OPTIONS, str(reach), str(source)]
    program = ["--exe", str(share_dir / "lib" / "verilator" / "verilator.cpp")]
    output = ["--cc", "--Mdir", str(folder), "--prefix", "Vtop", "-o", top]
    steps = {
        "verilator": [*verilator_command(), *output, *design, *program, "-LDFLAGS", libraries],
        "make": [*make_command(), "-j2", "-f", "Vtop.mk", f"PYTHON3={sys.executable}"],
    }
    steps["make"] += _MAKE_OPTIONS
    for tool, command in steps.items():
        run_tool(
            command,
            tool=tool,
            doing=f"making the simulation of {top}",
            cwd=folder,
            log=folder / f"{tool}.log",
            timeout_s=_BUILD_TIMEOUT_S,
        )


def _count_passed(results: Path, bench: str, log: Path) -> int:
    cases = list(ElementTree.parse(results).iter("testcase"))
    bad = [
        case.get("name", "?")
        for case in cases
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
    ]
    if bad:
        raise ToolFailed(f"{bench}: {', '.join(bad)} did not pass; see {log}")
    if not cases:
        raise ToolFailed(f"{bench}: no test was executed; see {log}")
    return len(cases)
