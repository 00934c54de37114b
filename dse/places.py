"""Ranking of strips, images and PE sets (e, n, r, t) for each distinct array and global buffer.

The part of the mapping heuristic that scratchpads do not decide.  Each candidate carries a lower
bound on the compute cycles of any mapping that uses it, so the mapper can stop early.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .designs import DesignArrays, psum_interval
from .passes import GroupShape, ceil_div, floor_div, psum_room_bits
from .rules import set_places

__all__ = ["PlaceRanking", "rank_places", "run_cycles", "tight_values"]

_FILTERS_PER_PE = np.array([1, 2, 3, 4, 6, 8, 12, 16])[:, None]
"""Filters per PE for which t is cut down where the GLB cannot hold the psums of all places."""


_SHORT = 4
"""Filters per PE below which the GLB counts as short of room for psums."""

_LARGE = (32, 512, 64)
"""Ifmap, filter and psum scratchpad [words] that rank the places of all smaller ones."""

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
    bound: NDArray[np.float64]
    """No mapping with this candidate takes fewer compute cycles."""
    run: NDArray[np.float64]
    """Part of the bound that a channel group of one channel adds; q channels add q times it.

    Shape (levels, candidates): a level is a size of the psum scratchpad.
    """
    channels: NDArray[np.float64]
    """Channel groups of one channel per PE."""
    fills: NDArray[np.float64]
    """Part of the bound that does not depend on the level."""
    fill: NDArray[np.float64]
    """Part of the bound that a channel group adds whatever its channels."""
    tiles: NDArray[np.float64]
    """Strips times images times groups."""
    tile_bits: NDArray[np.float64]
    """Ifmap tile of one channel per PE [bits]."""
    psum_row_bits: NDArray[np.float64]
    """Psums of one filter [bits]."""
    psum_places_bits: NDArray[np.float64]
    """Psums of t filters, one of each set [bits]."""
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


def run_cycles(g: GroupShape, d: DesignArrays, n: Any, p: Any, q: Any) -> Any:
    """Return the cycles of one pass that loads its filters."""
    interval = psum_interval(p, d.psum_latency, d.macro)
    load = 0 if d.loads_overlap else q * g.s
    return n * (load + g.f * q * g.s * interval) + p * load + d.fill_cycles


@lru_cache(maxsize=4096)
def tight_values(total: int) -> tuple[int, ...]:
    """Return the sizes that split `total` into parts without a smaller size giving as few parts."""
    return tuple(sorted({-(-total // parts) for parts in range(1, total + 1)}))


def rank_places(g: GroupShape, d: DesignArrays) -> PlaceRanking:
    """Rank the candidates of each distinct (rows, cols, GLB) among the designs."""
    first, key = d.unique_places
    rows, cols, glb = d.rows[first], d.cols[first], d.glb_bits[first]
    at, n, e, r, t, p = _candidates(g, d, rows, cols, glb)
    tiles: Any = g.groups * ceil_div(g.n, n) * ceil_div(g.e, e)
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
    most_p = min(psum, filters // g.s, g.m)
    sizes = np.append(sizes, psum)
    least, fewest = _fewest_filter_cycles(g, d, table_n, table_t, row, p, sizes, most_p)
    run: Any = tiles * least
    fill: Any = tiles * d.fill_cycles * fewest
    most_q = min(ifmap // g.s, g.c)
    channels: Any = ceil_div(g.c, r)
    fills: Any = ceil_div(g.c, r * most_q) * fill
    bound: Any = channels * run[-1] + fills
    order = np.lexsort((-r, tiles, bound, at))
    at, n, e, r, t, row, tiles, bound, fill, channels, fills = (
        x[order] for x in (at, n, e, r, t, row, tiles, bound, fill, channels, fills)
    )
    count = np.bincount(at, minlength=first.size)
    psum_row_bits = g.psum_bits(1, n, e, d.psum_bits).astype(np.float64)
    return PlaceRanking(
        n=n, e=e, r=r, t=t, bound=bound, run=run[:, order], fill=fill, channels=channels,
        fills=fills, tiles=tiles,
        tile_bits=g.ifmap_bits(n, e, 1, r, d.activation_bits).astype(np.float64),
        psum_row_bits=psum_row_bits, psum_places_bits=psum_row_bits * t,
        table_row=row, table_n=table_n, table_t=table_t,
        start=np.cumsum(count) - count, count=count, key=key, level=level,
    )  # fmt: skip


def _candidates(g: GroupShape, d: DesignArrays, rows: Any, cols: Any, glb: Any) -> Any:
    """Return int64 arrays place, n, e, r, t and the most filters per PE the GLB allows."""
    found = [np.zeros((6, 0), dtype=np.int64)]
    all_r = set(tight_values(g.c))
    for e in tight_values(g.e):
        high, wide = set_places(g.r, e, rows, cols)
        heights = _stack_heights(high, g.c)
        # where the GLB holds few psums beside the tile of the most channels, fewer may be better
        most_r = np.minimum(high, g.c)
        room = psum_room_bits(glb, g.ifmap_bits(1, e, 1, most_r, d.activation_bits), d.bank_bytes)
        short = room < _SHORT * wide * g.psum_bits(1, 1, e, d.psum_bits)
        if short.any():
            heights |= {r for r in all_r if r <= high[short].max()}
        for r in sorted(heights):
            # a larger r with as many places beside is never slower
            largest = (floor_div(high, r + 1) < floor_div(high, r)) | (r == g.c)
            at = np.nonzero((r <= high) & (largest | short & (r in all_r)))[0]
            if not at.size:
                continue
            places = np.minimum(floor_div(high[at], r) * wide[at], g.m)
            for n in tight_values(g.n):
                tile = g.ifmap_bits(n, e, 1, r, d.activation_bits)
                room = psum_room_bits(glb[at], tile, d.bank_bytes)
                filters = floor_div(room, g.psum_bits(1, n, e, d.psum_bits))
                found += _with_filters(g, at, places, filters, n, e, r)
    return np.concatenate(found, axis=1)


def _stack_heights(high: Any, channels: int) -> set[int]:
    """Return the r that are the largest with as many places, for one of the heights `high`."""
    heights = {int(h) for h in np.unique(high)}
    sizes = {h // parts for h in heights for parts in range(1, h + 1)}
    return {min(size, channels) for size in sizes}


def _with_filters(
    g: GroupShape, at: Any, places: Any, filters: Any, n: int, e: int, r: int
) -> list[NDArray[np.int64]]:
    """Return the candidates of the places `at`: one with the most t, then some with fewer."""
    limited = np.where(filters >= g.m, np.inf, filters)
    t = np.minimum(places, floor_div(limited, _FILTERS_PER_PE))
    keep = t > 0
    keep[1:] &= t[1:] < t[:-1]
    which, place = np.nonzero(keep)
    rows = np.empty((6, place.size), dtype=np.int64)
    t = t[which, place]
    most_p = np.minimum(floor_div(limited[place], t), g.m)
    for row, values in zip(rows, (at[place], n, e, r, t, most_p), strict=True):
        row[:] = values
    return [rows]


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

    For one channel and one tile; `p` is the most filters per PE that the GLB allows, `most_p` what
    the largest scratchpads allow.
    """
    filters = np.arange(1, most_p + 1)
    groups = ceil_div(g.m, table_t[:, None] * filters)
    cycles = run_cycles(g, d, table_n[:, None], filters, 1) - d.fill_cycles
    load = 0 if d.loads_overlap else filters * g.s
    # filters that stay in the array are not loaded again
    cycles = np.where(groups == 1, cycles - load, cycles) * groups
    least = np.minimum.accumulate(cycles, axis=1)
    fewest = np.minimum.accumulate(groups, axis=1)
    start, most = row * most_p - 1, np.minimum(p, most_p)
    levels = [least.take(start + np.minimum(most, size)) for size in sizes]
    return np.stack(levels), fewest.take(start + most)
