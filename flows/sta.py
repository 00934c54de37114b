"""Static timing: the shortest clock period of a mapped netlist, by OpenSTA.

One run of OpenSTA answers.  The period is searched for and not read off a slack, because behind
latches and gated clocks the slack is no straight line over the period: a path may borrow time, or
have half a period.  For a design of flip-flops alone the search ends after three evaluations and
is exact.  Ports have no external delay and ideal drivers, clocks are ideal (no tree, no skew), nets
have the capacitance of the library's default wire-load model where it has one.

The scripts contain validated names and fixed file names only.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import FlowError, ToolFailed
from .libraries import CellLibrary
from .tools import run_tool, sta_command, tail

__all__ = ["Timing", "critical_path"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GLOB = re.compile(r"[A-Za-z_*][A-Za-z0-9_*]*")
_TIMEOUT_S = 1800.0

# A Tcl error inside a procedure ends it; at the top level of a script OpenSTA would go on.
_SCRIPT = """\
proc slack_at {period} {
  create_clock -name clock -period $period [get_ports @CLOCK@]
  foreach port [all_inputs] {
    if {[get_property $port full_name] ne "@CLOCK@"} {
      set_input_delay 0 -clock clock $port
    }
  }
  set_output_delay 0 -clock clock [all_outputs]
  set slack [expr {[sta::worst_slack_cmd max] * 1e9}]
  if {abs($slack) > 1e9} { error "no path from a register or port to a register or port" }
  return $slack
}
proc measure {} {
  read_liberty library.lib
  set_cmd_units -time ns
  read_verilog netlist.v
  if {[link_design @TOP@] == 0} { error "the netlist cannot be linked" }
  if {[llength [get_ports @CLOCK@]] != 1} { error "there is no clock port @CLOCK@" }
  set good 100.0
  while {[set slack [slack_at $good]] < 0} {
    if {$good > 1e6} { error "no clock period up to 1 ms is long enough" }
    set good [expr {$good * 2}]
  }
  # Where slack is left, a path with a whole period loses exactly what the period loses, so the next
  # guess is exact; near zero (or where latches borrow) step a little, then halve the interval.
  set bad 0.0
  set stepped 0
  while {$good - $bad > [set step [expr {2e-5 * $good}]]} {
    if {$slack > $step && $good - $slack > $bad} {
      set guess [expr {$good - $slack}]
    } elseif {!$stepped} {
      set guess [expr {$good - $step / 2}]
      set stepped 1
    } else {
      set guess [expr {($good + $bad) / 2}]
    }
    set found [slack_at $guess]
    if {$found >= -1e-6} {
      set good $guess
      set slack $found
    } else {
      set bad $guess
      set slack 0.0
    }
  }
  slack_at $good
  puts "FIGURE critical_path_ns [format %.6f $good]"
  set inputs [list]
  foreach pattern {@GLOBS@} {
    foreach port [get_ports -quiet $pattern] {
      if {[get_property $port full_name] ne "@CLOCK@"} { lappend inputs $port }
    }
  }
  set paths [list]
  if {[llength $inputs] > 0} {
    set paths [find_timing_paths -from $inputs -path_delay max]
  }
  if {[llength $paths] > 0} {
    set slack [get_property [lindex $paths 0] slack]
    puts "FIGURE from_inputs_ns [format %.6f [expr {$good - $slack}]]"
  } else {
    puts "FIGURE from_inputs_ns none"
  }
}
if {[catch measure message]} { puts "ERROR $message" }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What static timing says of one netlist."""

    critical_path_ns: float
    """Shortest clock period with which no path is late [ns]."""
    from_inputs_ns: float | None
    """What the longest path from the asked-for inputs needs of that period [ns]; None where no
    such port exists or no path begins there."""


def critical_path(
    netlist_verilog: Path,
    top: str,
    library: CellLibrary,
    *,
    work_dir: Path,
    cache_dir: Path,
    clock_port: str = "clk",
    from_inputs: Sequence[str] = (),
    timeout_s: float = _TIMEOUT_S,
) -> Timing:
    """Return the shortest clock period of a mapped netlist.

    Parameters
    ----------
    netlist_verilog, top, library
        The netlist, its top module and the library it is mapped to.
    work_dir, cache_dir
        Folder for this run's files; folder of the unpacked libraries.
    clock_port
        Name of the clock input.
    from_inputs
        Names of input ports, `*` standing for anything, for `from_inputs_ns`.
    timeout_s
        Time limit of the run [s].

    Raises
    ------
    ToolMissing
        OpenSTA is not installed.
    ToolFailed
        It failed, or left out a figure.
    FlowError
        A name is none.
    """
    for what, name, pattern in (
        ("top", top, _IDENTIFIER),
        ("clock_port", clock_port, _IDENTIFIER),
        *(("from_inputs", name, _GLOB) for name in from_inputs),
    ):
        if not isinstance(name, str) or not pattern.fullmatch(name):
            raise FlowError(f"{what} must be a plain Verilog name, not {name!r}")
    command = sta_command()
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=work_dir, prefix="timing-"))
    (folder / "library.lib").symlink_to(library.local_copy(cache_dir).resolve())
    (folder / "netlist.v").symlink_to(netlist_verilog.resolve())
    script = _SCRIPT.replace("@TOP@", top).replace("@CLOCK@", clock_port)
    (folder / "timing.tcl").write_text(script.replace("@GLOBS@", " ".join(from_inputs)))
    log = folder / "timing.log"
    doing = f"finding the critical path of {top}"
    run_tool(
        [*command, "-no_init", "-no_splash", "-exit", "timing.tcl"],
        tool="sta",
        doing=doing,
        cwd=folder,
        log=log,
        timeout_s=timeout_s,
    )
    timing = _read(log, doing)
    shutil.rmtree(folder, ignore_errors=True)
    return timing


def _read(log: Path, doing: str) -> Timing:
    text = log.read_text(errors="replace")
    found = dict(re.findall(r"^FIGURE (\w+) (\S+)$", text, re.MULTILINE))
    try:
        period_ns = float(found["critical_path_ns"])
        from_inputs = found["from_inputs_ns"]
        from_inputs_ns = None if from_inputs == "none" else float(from_inputs)
    except (KeyError, ValueError):
        period_ns = math.nan
    if not math.isfinite(period_ns) or not period_ns > 0:
        raise ToolFailed(
            f"sta gave no figure while {doing}", tool="sta", doing=doing, tail=tail(log), log=log
        )
    return Timing(critical_path_ns=period_ns, from_inputs_ns=from_inputs_ns)
