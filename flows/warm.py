"""`python -m flows.warm`: start Yosys once, so that its WebAssembly is compiled.

Later runs then start in a second.  Done by set-up; without it the first measurement pays for it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .errors import FlowError
from .tools import tool_versions, yosys_command

__all__ = ["main"]

_STAMP = Path("build/yosys-is-warm")


def main() -> int:
    """Warm Yosys unless this checkout did so before; return the exit status."""
    try:
        command = yosys_command()
        text = " ".join(command)
        if _STAMP.is_file() and _STAMP.read_text() == text:
            return 0
        print("preparing Yosys (once, up to two minutes) ...", file=sys.stderr)
        tool_versions("yosys")
        subprocess.run([*command, "-V"], check=True, stdout=subprocess.DEVNULL)
        _STAMP.parent.mkdir(exist_ok=True)
        _STAMP.write_text(text)
    except (FlowError, OSError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
