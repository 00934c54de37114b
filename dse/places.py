"""Ranking of strips, images and PE sets (e, n, r, t) for each distinct array and global buffer.

The part of the mapping heuristic that scratchpads and bandwidths do not decide.  Each candidate
carries what a lower bound on the cycles of any mapping that uses it needs, so the mapper can leave
most of them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.layer import Layer

from .designs import DesignArrays, psum_interval
from .passes import (
    GroupShape,
    ceil_div,
    filter_words,
    floor_div,
    psum_room_bits,
    real_ifmap_words,
    stored_channels,
)
from .rules import allowed_channels, set_places

__all__ = ["PlaceRanking", "rank_places", "run_cycles", "tight_values"]

_FILTERS_PER_PE = np.array([1, 2, 4, 8])[:, None]
"""Filters per PE for which t is cut down where the GLB cannot hold the psums of all places."""


_SHORT = 4
"""Filters per PE below which the GLB counts as short of room for psums."""

_LARGE = (32, 512, 64)
"""Ifmap, filter and psum scratchpad [words] that rank the places of all smaller ones."""

_USED = ((32, 64), (8, 32), (16, 16), (8, 8))
"""Ifmap and psum words in use [words] for each of which a place keeps its candidates."""

_FASTEST = 12
"""Candidates of each place that are kept for their compute cycles alone."""

_DRAM_WEIGHT = 8.0
"""Port bytes that weigh as much as a DRAM byte where candidates are kept for both."""

_NEAR = 0.02
"""Candidates are kept whose port bytes are at most this share above those of all faster ones."""

_LEVELS = 16
"""Distinct psum scratchpads up to which bounds tell them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRanking:
    """Candidates of all places, those of one place together and the best first.

    Arrays of shape (candidates,), but for `start` and `count` (places,) and `key` (designs,).
    """

    n: Any
    e: Any
    r: NDArray[np.int64]
    t: Any
    run: NDArray[np.float64]
    """Part of the bound that each word of a column adds.

    Shape (levels, candidates): a level is a size of the psum scratchpad.
    """
    channels: NDArray[np.float64]
    """Fewest words of all columns of a PE: its channels and their scales."""
    fills: NDArray[np.float64]
    """Part of the bound that does not depend on the level."""
    fill: NDArray[np.float64]
    """Part of the bound that a channel group adds whatever its channels."""
    tiles: NDArray[np.float64]
    """Strips times images times groups."""
    tile_bits: NDArray[np.float64]
    """Ifmap tile of one word per PE column [bits]."""
    psum_row_bits: NDArray[np.float64]
    """Psums of one filter [bits]."""
    psum_places_bits: NDArray[np.float64]
    """Psums of t filters, one of each set [bits]."""
    in_glb: NDArray[np.float64]
    """Filters per PE whose psums the GLB holds beside the ifmap tile of one channel per PE."""
    most_filters: NDArray[np.float64]
    """Filters whose psums it holds there."""
    ifmap_port_bytes: NDArray[np.float64]
    """Ifmap bytes from GLB to array for each group of filters, a scale once for each block."""
    filter_port_bytes: NDArray[np.float64]
    """Filter bytes from GLB or DRAM if they are fetched for each strip, scales likewise."""
    ifmap_dram_bytes: NDArray[np.float64]
    """Ifmap bytes of one fetch from DRAM."""
    one_tile: NDArray[np.bool_]
    """Whether there is one strip and one group of images."""
    table_row: NDArray[np.int64]
    """Row of the mapper's tables."""
    table_n: NDArray[np.int64]
    """Images of each row of the tables."""
    table_t: NDArray[np.int64]
    """t of each row of the tables."""
    start: NDArray[np.int64]
    """First candidate of each place."""
    count: NDArray[np.int64]
    """Candidates of each place; 0 where the GLB is too small for any."""
    key: NDArray[np.int64]
    """Place of each design."""
    level: NDArray[np.int64]
    """Level of each design's psum scratchpad."""


def _word_cycles(g: GroupShape, d: DesignArrays, n: Any, p: Any) -> Any:
    """Return the cycles that each word of a column adds to a pass."""
    interval = psum_interval(p, d.psum_latency, d.macro)
    work = n * (g.f * g.s * d.terms * interval)
    return work if d.loads_overlap else work + (n + p * d.terms) * g.s


def run_cycles(g: GroupShape, d: DesignArrays, n: Any, p: Any, q: Any) -> Any:
    """Return the cycles of one pass that loads its filters."""
    return (q + d.scale_words) * _word_cycles(g, d, n, p) + d.fill_cycles


@lru_cache(maxsize=4096)
def tight_values(total: int) -> tuple[int, ...]:
    """Return the sizes that split `total` into parts without a smaller size giving as few parts."""
    return tuple(sorted({-(-total // parts) for parts in range(1, total + 1)}))


def rank_places(layer: Layer, d: DesignArrays) -> PlaceRanking:
    """Rank the candidates of each distinct (rows, cols, GLB) among the designs."""
    g = GroupShape.of(layer)
    first, key = d.unique_places
    rows, cols, glb = d.rows[first], d.cols[first], d.glb_bits[first]
    at, n, e, r, t, p = _candidates(g, d, rows, cols, glb)
    strips: Any = ceil_div(g.e, e)
    tiles: Any = g.groups * ceil_div(g.n, n) * strips
    pairs, row = np.unique(n * (1 << 24) + t, return_inverse=True)
    table_n, table_t = pairs >> 24, pairs & (1 << 24) - 1
    sizes, level = np.unique(d.psum_spad, return_inverse=True)
    if sizes.size > _LEVELS:
        sizes, level = sizes[-1:], np.zeros(len(d), dtype=np.int64)
    # The order must not depend on which designs stand together: it is that of large scratchpads.
    ifmap, filters, psum = (
        max(int(column.max(initial=1)), large)
        for column, large in zip((d.ifmap_spad, d.filter_spad, d.psum_spad), _LARGE, strict=True)
    )
    most_p = min(psum, filters // (g.s * d.terms), g.m)
    sizes = np.append(sizes, psum)
    least, fewest = _fewest_filter_cycles(g, d, table_n, table_t, row, p, sizes, most_p)
    run: Any = tiles * least
    fill: Any = tiles * d.fill_cycles * fewest
    most_q = max(allowed_channels(g, d, ifmap))
    channels: Any = ceil_div(g.c, r) * (1 + d.scale_words / most_q)
    fills: Any = ceil_div(g.c, r * most_q) * fill
    bound: Any = channels * run[-1] + fills
    psum_row_bits = g.psum_bits(1, n, e, d.psum_bits).astype(np.float64)
    tile_bits = g.ifmap_bits(n, e, 1, r, d.activation_bits).astype(np.float64)
    pixels = g.groups * g.n * g.columns * (g.e * g.row_step + strips * (g.r - g.row_step))
    stored = stored_channels(g, d)
    room = psum_room_bits(glb[at], tile_bits * (1 + d.scale_words), d.bank_bytes)
    columns: dict[str, Any] = {
        "n": n, "e": e, "r": r, "t": t, "fill": fill, "channels": channels, "fills": fills,
        "tiles": tiles, "tile_bits": tile_bits, "psum_row_bits": psum_row_bits,
        "psum_places_bits": psum_row_bits * t, "table_row": row,
        "in_glb": np.where(room >= g.m * psum_row_bits, g.m, room / (psum_row_bits * t)),
        "most_filters": np.floor(room / psum_row_bits),
        "ifmap_port_bytes": pixels * stored * (d.activation_bits / 8),
        "filter_port_bytes": tiles * (filter_words(g, d, stored) * d.weight_bits / 8),
        "ifmap_dram_bytes": real_ifmap_words(layer, stored)[e] * (d.activation_bits / 8),
        "one_tile": tiles == g.groups,
    }  # fmt: skip
    order = np.lexsort((-r, tiles, bound, at))
    order = order[_kept(g, d, at[order], {name: x[order] for name, x in columns.items()})]
    count = np.bincount(at[order], minlength=first.size)
    return PlaceRanking(
        **{name: x[order] for name, x in columns.items()}, run=run[:, order],
        table_n=table_n, table_t=table_t, start=np.cumsum(count) - count, count=count, key=key,
        level=level,
    )  # fmt: skip


def _kept(g: GroupShape, d: DesignArrays, at: Any, c: dict[str, Any]) -> Any:
    """Return which candidates, sorted by place and speed, may win under some bandwidth."""
    first = np.searchsorted(at, at)
    keep = np.arange(at.size) - first < _FASTEST
    blocks = ceil_div(g.m, np.clip(c["most_filters"], 1, g.m))
    dram = c["ifmap_dram_bytes"] * blocks + c["filter_port_bytes"]
    weights = g.groups * filter_words(g, d, stored_channels(g, d)) * d.weight_bits / 8
    for ifmap, psum in _USED:
        most = np.minimum(psum, np.floor(c["in_glb"]))
        filter_groups = ceil_div(g.m, np.clip(most * c["t"], 1, g.m))
        channel_groups = ceil_div(g.c, c["r"] * max(allowed_channels(g, d, ifmap), default=1))
        resident = (filter_groups == 1) & (channel_groups == 1)
        port = c["ifmap_port_bytes"] * filter_groups
        port += np.where(resident, weights, c["filter_port_bytes"])
        port += 2 * channel_groups * (g.groups * g.outputs * d.psum_bits / 8)
        keep |= _below_all_before(at, port, _NEAR)
        keep |= _below_all_before(at, port + _DRAM_WEIGHT * dram, -1e-6)
    return keep | _below_all_before(at, dram, -1e-6)


def _below_all_before(at: Any, values: Any, slack: float) -> Any:
    """Return where the logarithm of a value is below all before it of the same place plus slack."""
    # each place lies below all places before it; slack is never so small that rounding decides
    lowered = np.log(values) - 64.0 * at
    least = np.minimum.accumulate(lowered)
    first = np.ones(values.size, dtype=np.bool_)
    first[1:] = (at[1:] != at[:-1]) | (lowered[1:] < least[:-1] + slack)
    return first


def _candidates(g: GroupShape, d: DesignArrays, rows: Any, cols: Any, glb: Any) -> Any:
    """Return int64 arrays place, n, e, r, t and the most filters per PE the GLB allows."""
    found = [np.zeros((6, 0), dtype=np.int64)]
    column = 1 + d.scale_words
    all_r = set(tight_values(g.c))
    for e in tight_values(g.e):
        high, wide = set_places(g.r, e, rows, cols)
        heights = _stack_heights(high, g.c)
        # where the GLB holds few psums beside the tile of the most channels, fewer may be better
        most_r = np.minimum(high, g.c)
        tile = g.ifmap_bits(1, e, column, most_r, d.activation_bits)
        room = psum_room_bits(glb, tile, d.bank_bytes)
        short = room < _SHORT * wide * g.psum_bits(1, 1, e, d.psum_bits)
        if short.any():
            heights |= {r for r in all_r if r <= high[short].max()}
        rs = np.array(sorted(heights - {0}), dtype=np.int64)[:, None]
        # a larger r with as many places beside is never slower
        largest = (floor_div(high, rs + 1) < floor_div(high, rs)) | (rs == g.c)
        row, at = np.nonzero((rs <= high) & (largest | short & np.isin(rs, sorted(all_r))))
        r = rs[row, 0]
        places = np.minimum(floor_div(high[at], r) * wide[at], g.m)
        for n in tight_values(g.n):
            tile = g.ifmap_bits(n, e, column, r, d.activation_bits)
            room = psum_room_bits(glb[at], tile, d.bank_bytes)
            filters = floor_div(room, g.psum_bits(1, n, e, d.psum_bits))
            found.append(_with_filters(g, at, places, filters, n, e, r))
    return np.concatenate(found, axis=1)


def _stack_heights(high: Any, channels: int) -> set[int]:
    """Return the r that are the largest with as many places, for one of the heights `high`."""
    heights = {int(h) for h in np.unique(high)}
    sizes = {h // parts for h in heights for parts in range(1, h + 1)}
    return {min(size, channels) for size in sizes}


def _with_filters(
    g: GroupShape, at: Any, places: Any, filters: Any, n: int, e: int, r: Any
) -> NDArray[np.int64]:
    """Return the candidates of the places `at`: one with the most t, then some with fewer."""
    limited = np.where(filters >= g.m, np.inf, filters)
    t = np.minimum(places, floor_div(limited, _FILTERS_PER_PE))
    keep = t > 0
    keep[1:] &= t[1:] < t[:-1]
    which, place = np.nonzero(keep)
    rows = np.empty((6, place.size), dtype=np.int64)
    t = t[which, place]
    most_p = np.minimum(floor_div(limited[place], t), g.m)
    for row, values in zip(rows, (at[place], n, e, r[place], t, most_p), strict=True):
        row[:] = values
    return rows


def _fewest_filter_cycles(
    g: GroupShape,
    d: DesignArrays,
    table_n: Any,
    table_t: Any,
    row: Any,
    p: Any,
    sizes: Any,
    most_p: int,
) -> tuple[Any, Any]:
    """Return the fewest cycles (for each psum scratchpad in `sizes`) and passes of all filters.

    For one word of a column and one tile, without the pipeline's emptying; `p` is the most filters
    per PE that the GLB allows, `most_p` what the largest scratchpads allow.
    """
    filters = np.arange(1, most_p + 1)
    groups = ceil_div(g.m, table_t[:, None] * filters)
    cycles = _word_cycles(g, d, table_n[:, None], filters)
    load = 0 if d.loads_overlap else filters * (g.s * d.terms)
    # filters that stay in the array are not loaded again
    cycles = np.where(groups == 1, cycles - load, cycles) * groups
    least = np.minimum.accumulate(cycles, axis=1)
    fewest = np.minimum.accumulate(groups, axis=1)
    start, most = row * most_p - 1, np.minimum(p, most_p)
    levels = [least.take(start + np.minimum(most, size)) for size in sizes]
    return np.stack(levels), fewest.take(start + most)
