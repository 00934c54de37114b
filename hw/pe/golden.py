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
    """Return the psum word after one product.

    Two's complement psums are signed integers; they are exact, or held at the ends of their range.
    Psums with an accumulator, and those of several filter lanes side by side, are codes.
    """
    kind = PE_TYPES[config.pe_type]
    if kind.accumulator is not None:
        return kind.accumulator.add_golden(psum, product)
    if kind.filter_lanes == 1:
        return _add(psum, product, config)
    width, total = config.lane_width, 0
    for lane in range(kind.filter_lanes):
        parts = [
            to_signed(word >> bits * lane & ((1 << bits) - 1), bits)
            for word, bits in ((psum, width), (product, kind.product_bits))
        ]
        total |= (_add(parts[0], parts[1], config) & ((1 << width) - 1)) << width * lane
    return total


def _add(psum: int, product: int, config: PEConfig) -> int:
    limit = 1 << (config.lane_width - 1)
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
        Incoming psums as `accumulate` takes them, positions * filters of them, if `row.accumulate`.

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
    sum_up = _sum_of_blocks if PE_TYPES[config.pe_type].scaling else _sum_of_products
    out = []
    for position in range(row.positions):
        window = ifmap[position * row.step : position * row.step + row.window]
        for f in range(row.filters):
            psum = psums[position * row.filters + f] if row.accumulate and psums else 0
            out.append(sum_up(config, row, filters[f :: row.filters], window, psum))
    return out


def _sum_of_products(
    config: PEConfig, row: RowPass, weights: Sequence[int], window: Sequence[int], psum: int
) -> int:
    product = PE_TYPES[config.pe_type].product
    for word, weight in enumerate(weights):
        psum = accumulate(psum, product(weight, window[word // row.terms]), config)
    return psum


def _sum_of_blocks(
    config: PEConfig, row: RowPass, weights: Sequence[int], window: Sequence[int], psum: int
) -> int:
    """Add up one block for each column: exact products, then both scales."""
    kind = PE_TYPES[config.pe_type]
    scaling = kind.scaling
    assert scaling is not None
    for start in range(0, row.window, row.column):
        scale = start + row.channels
        total = sum(kind.product(weights[i], window[i]) for i in range(start, scale))
        scales = [
            sum(words[scale + i] << kind.weight.bits * i for i in range(row.scale_words))
            for words in (weights, window)
        ]
        psum = accumulate(psum, scaling.scaled(total, *scales), config)
    return psum
