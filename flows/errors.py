"""Errors of the flows room; every error a user can cause derives from `FlowError`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["FlowError", "LibertyError", "LibraryNotFound", "ToolFailed", "ToolMissing"]


class FlowError(Exception):
    """Root of the errors raised by `flows`."""


class LibraryNotFound(FlowError):
    """No cell library, or more than one, answers to a name or path."""


class LibertyError(FlowError, ValueError):
    """A Liberty file that is none, or lacks what a calculation needs."""


class ToolMissing(FlowError):
    """An outside tool is not installed, or too old."""


class ToolFailed(FlowError):
    """An outside tool stopped with an error, ran out of time or left out a figure.

    Parameters
    ----------
    message
        What went wrong, complete in itself.
    tool, doing
        The program and what it was asked to do.
    tail
        The last meaningful lines of its log.
    log
        Where the whole log stands, None where there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        tool: str = "",
        doing: str = "",
        tail: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        self.tool, self.doing, self.tail, self.log = tool, doing, tuple(tail), log
        lines = [message, *(f"  {line}" for line in tail)]
        if log is not None:
            lines.append(f"  whole log: {log}")
        super().__init__("\n".join(lines))
