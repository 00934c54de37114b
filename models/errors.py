"""The one error root of `models`: what is wrong, where, and what would be right."""

from __future__ import annotations

__all__ = ["ModelError"]


class ModelError(Exception):
    """A model that is missing, malformed, fitted on too little, or asked for what it lacks."""
