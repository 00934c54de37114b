"""From the name of a format to the format: the inverse of `str`."""

from __future__ import annotations

import re

from ..errors import ConfigError
from .base import NumberFormat
from .fixed import FixedPoint
from .lightnn import LightNN

__all__ = ["parse"]


def parse(name: str) -> NumberFormat:
    """Return the format called `name`; `ConfigError` naming the valid forms otherwise."""
    if isinstance(name, str):
        if match := re.fullmatch(r"(u?)int([1-9]\d?)(?:q([1-9]\d?))?", name):
            return FixedPoint(int(match[2]), int(match[3] or 0), signed=not match[1])
        if match := re.fullmatch(r"lightnn([12])", name):
            return LightNN(int(match[1]))
    raise ConfigError(
        f"a number format must be int<bits>, uint<bits>, either with q<fraction bits>, lightnn1 or "
        f"lightnn2, not {name!r}"
    )
