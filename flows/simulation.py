"""RTL and gate-level simulation: cocotb benches on Icarus Verilog.

`runner.test()` of cocotb returns normally when a test failed and when none ran; here both raise.
Builds are kept in a folder named by the digest of their sources, so equal hardware compiles once.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

from .errors import ToolFailed
from .tools import iverilog_command

__all__ = ["run_bench"]


def run_bench(
    verilog: str,
    top: str,
    bench: str,
    build_root: Path,
    *,
    settings: Mapping[str, str] | None = None,
    seed: int = 1,
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

    Raises
    ------
    ToolMissing
        Icarus Verilog is not installed.
    ToolFailed
        The build failed, a test failed, or no test ran.
    """
    iverilog_command()  # names what to install where it is missing
    from cocotb_tools.runner import get_runner

    digest = hashlib.sha256(f"{top}\n{verilog}".encode()).hexdigest()[:16]
    run_key = hashlib.sha256(repr((bench, sorted((settings or {}).items()), seed)).encode())
    build_dir = build_root / digest
    test_dir = build_dir / run_key.hexdigest()[:12]
    test_dir.mkdir(parents=True, exist_ok=True)
    source = build_dir / f"{top}.v"
    source.write_text(verilog)
    runner = get_runner("icarus")
    try:
        runner.build(
            sources=[source],
            hdl_toplevel=top,
            build_dir=build_dir,
            timescale=("1ns", "1ps"),
            log_file=build_dir / "build.log",
        )
        results = runner.test(
            hdl_toplevel=top,
            test_module=bench,
            build_dir=build_dir,
            test_dir=test_dir,
            seed=seed,
            extra_env=dict(settings or {}),
            results_xml=str((test_dir / "results.xml").resolve()),
            log_file=test_dir / "test.log",
        )
    except (RuntimeError, SystemExit) as error:
        raise ToolFailed(f"simulating {top} with {bench}: {error}; log in {test_dir}") from None
    return _count_passed(Path(results), bench, test_dir / "test.log")


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
