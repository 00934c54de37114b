"""Verilog that simulators start in: every combinational process is evaluated at time zero.

Yosys writes combinational logic as `always @*` and lets each block read a register that has an
initial value, hoping that this value's arrival starts the block.  Icarus Verilog initializes
registers before blocks wait for anything, so a block whose inputs keep their first values would
stay undefined.  Here the value arrives by a nonblocking assignment, after all blocks are waiting.
"""

from __future__ import annotations

import re

__all__ = ["start_processes"]

_TRIGGER = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+)  = 0;$", re.MULTILINE)


def start_processes(verilog: str) -> str:
    """Return Verilog of Yosys with the starting values of its combinational blocks made events."""
    return _TRIGGER.sub(r"  reg \1 ;\n  initial \1 <= 0;", verilog)
