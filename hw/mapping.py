"""How one layer runs on one design point: the row-stationary integers m, n, e, p, q, r, t.

The integers are those of Chen et al., "Eyeriss" (ISCA 2016; JSSC 52(1), 2017, Table III).
The rules they must obey stand in `dse.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigError

__all__ = ["Mapping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A row-stationary mapping of one layer (of one of its groups)."""

    m: int
    """Output channels whose psums are held in the global buffer."""
    n: int
    """Images of the batch processed together."""
    e: int
    """Output rows of one strip: the width of a PE set before folding."""
    p: int
    """Filters per PE."""
    q: int
    """Channels per PE."""
    r: int
    """PE sets that work on different channels."""
    t: int
    """PE sets that work on different filters."""

    def __post_init__(self) -> None:
        for field in ("m", "n", "e", "p", "q", "r", "t"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"mapping: {field} must be an integer of at least 1, not {value!r}"
                )
