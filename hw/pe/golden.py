"""What a PE computes, in plain Python integers: the reference of every simulation."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import PEConfig
from ..errors import ConfigError
from .registry import PE_TYPES
from .row_pass import RowPass

__all__ = ["accumulate", "run_pass", "to_signed"]


def to_signed(code: int, bits: int) -> int:
    """Return the two's complement value of a code."""
    return code - (1 << bits) if code >> (bits - 1) else code


def accumulate(psum: int, product: int, config: PEConfig) -> int:
    """Return the psum after one product: exact, or held at the ends of its range."""
    limit = 1 << (config.psum_width - 1)
    total = psum + product
    if config.saturating:
        return max(-limit, min(limit - 1, total))
    # Exact up to psum_depth products; beyond the declared depth hardware wraps around.
    return (total + limit) % (2 * limit) - limit


def run_pass(
    config: PEConfig,
    row: RowPass,
    filters: Sequence[int],
    ifmap: Sequence[int],
    psums: Sequence[int] | None = None,
) -> list[int]:
    """Return the psums of one pass, position by position.

    Parameters
    ----------
    config, row
        The PE point and the pass.
    filters
        Weight codes, `row.filter_words` of them in stream order.
    ifmap
        Activation codes, `row.ifmap_words` of them in stream order.
    psums
        Incoming psums as signed integers, positions * filters of them, if `row.accumulate`.

    Raises
    ------
    ConfigError
        The pass does not fit the PE, or a sequence has the wrong length.
    """
    row.check(config)
    wanted = {
        "filters": (filters, row.filter_words),
        "ifmap": (ifmap, row.ifmap_words),
        "psums": (psums or (), row.positions * row.filters if row.accumulate else 0),
    }
    for name, (words, count) in wanted.items():
        if len(words) != count:
            raise ConfigError(f"{name} must hold {count} words, not {len(words)}")
    product = PE_TYPES[config.pe_type].product
    out = []
    for position in range(row.positions):
        window = ifmap[position * row.step : position * row.step + row.window]
        for f in range(row.filters):
            psum = psums[position * row.filters + f] if row.accumulate and psums else 0
            for tap, activation in enumerate(window):
                psum = accumulate(psum, product(filters[tap * row.filters + f], activation), config)
            out.append(psum)
    return out
