"""Errors of the hardware room; every error a user can cause derives from `HwError`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ConfigError", "HwError", "nearest"]


class HwError(Exception):
    """Root of the errors raised by `hw`."""


class ConfigError(HwError, ValueError):
    """A configuration, format or layer that cannot exist: wrong name, type or range."""


def nearest(name: object, valid: Iterable[str]) -> str:
    """Return the tail of an error message that names the valid choices, the closest one first."""
    names = sorted(valid)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"one of {', '.join(names)}{hint}"
