"""Errors of the exploration room; every error a user can cause derives from `DseError`."""

from __future__ import annotations

__all__ = ["DesignError", "DseError", "MappingError", "WorkloadError"]


class DseError(Exception):
    """Root of the errors raised by `dse`."""


class WorkloadError(DseError, ValueError):
    """A network that is not known, or a layer table that is wrong."""


class DesignError(DseError, ValueError):
    """Arrays of design points that do not describe design points."""


class MappingError(DseError, ValueError):
    """A mapping that breaks a rule, or a search that cannot be done."""
