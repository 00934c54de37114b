"""Errors of the characterization room."""

from __future__ import annotations

__all__ = ["CharacterizeError", "PlanError", "StoreError"]


class CharacterizeError(Exception):
    """Root of the errors raised by `characterize`."""


class PlanError(CharacterizeError, ValueError):
    """A sampling plan that does not exist or cannot be read."""


class StoreError(CharacterizeError):
    """A store or a table of datapoints that cannot be used."""
