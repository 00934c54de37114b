"""What the mapper believes while it looks at many mappings: near the hardware, cheap for arrays.

Leaves out what does not decide between mappings (the pipeline, waits for scratchpads, words that
arrive late).  Nothing that is reported comes from here: the last few mappings of each design are
compared by `hw.accelerator_counts`.

Arrays have three axes: designs, places (n, e, r, t), channels per PE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .designs import DesignArrays, psum_interval
from .group_shape import GroupShape, ceil_div, floor_div
from .rules import allowed_channels

if TYPE_CHECKING:
    from .places import Places

__all__ = ["Estimate", "FilledIn", "cycles_of", "estimate", "fill_in"]

_SHARES = (1.0, 0.75, 0.5, 1 / 3, 0.25)
"""Channels per PE that are tried, as shares of the most."""
_DOUBLE_WORTH = 0.5
"""Share of the filters per PE that must remain for room to be given to a second tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledIn:
    """Mappings, and what they need of the global buffer."""

    m: Any
    n: Any
    e: Any
    p: Any
    q: Any
    r: Any
    t: Any
    fits: Any
    double: Any
    """Whether two ifmap tiles fit."""
    sums: Any
    """Groups of channels."""
    filter_groups: Any
    blocks: Any
    tile_rows: Any
    beats: Any
    """Beats of the ifmap network for one word of each input row."""
    chains: Any
    """Chains of PEs above each other."""
    filter_psum_rows: Any
    """Rows of psums of a pass for each filter of a PE."""


def fill_in(g: GroupShape, d: DesignArrays, places: Places) -> FilledIn:
    """Return mappings with several q for each place: the most p that fits, the most m for it."""
    cols, ifmap_spad, filter_spad, psum_spad = (
        _standing(x) for x in (d.cols, d.ifmap_spad, d.filter_spad, np.minimum(d.psum_spad, g.m))
    )
    row_psums, banks, bank_rows, ifmap_lanes = (
        _standing(x) for x in (d.psums_per_row, d.banks, d.bank_rows, d.ifmap_lanes)
    )
    row_beats = _standing(d.row_bits // (d.ifmap_lanes * d.activation_bits))
    n, e, r, t = places.n, places.e, places.r, places.t
    q = _channels(g, d)
    sums = ceil_div(g.c, q * r)
    if not d.block:
        q = ceil_div(g.c, sums * r)
    r = ceil_div(ceil_div(g.c, q), sums)
    window = (q + d.scale_words) * g.s
    p = np.minimum(np.floor(filter_spad / (window * d.terms)), psum_spad)
    beats = ceil_div(r * g.strip_rows(e), ifmap_lanes)
    words = (q + d.scale_words) * g.columns
    tile_rows = n * ceil_div(beats * words, row_beats)
    pieces = ceil_div(e, cols)
    beside = np.maximum(1, floor_div(cols, e))
    used = np.where(pieces > 1, ceil_div(e, pieces), e * np.minimum(t, beside))
    chains = ceil_div(t, beside) * pieces
    filter_psum_rows = g.f * chains * ceil_div(used, row_psums)

    # Two tiles where they leave enough room for psums, else one.
    tile_banks = ceil_div(tile_rows, bank_rows)
    needs = np.where(sums > 1, n * filter_psum_rows, 0)
    one, two = ((banks - tiles * tile_banks) * bank_rows for tiles in (1, 2))
    double = two >= needs * np.maximum(1, _DOUBLE_WORTH * np.minimum(p, one / np.maximum(needs, 1)))
    room = np.where(double, two, one)
    fits = (p >= 1) & (room >= needs) & (window <= ifmap_spad) & places.real
    fits[:, :, 1:] &= q[:, :, 1:] != q[:, :, :-1]
    in_glb = np.where(sums > 1, floor_div(room, np.maximum(needs, 1)), g.m)
    p = np.maximum(1, np.minimum(p, in_glb))
    filter_groups = ceil_div(g.m, p * t)
    p = ceil_div(g.m, filter_groups * t)
    t = ceil_div(g.m, p * filter_groups)
    in_block = np.where(sums > 1, floor_div(room, np.maximum(needs, 1) * p), filter_groups)
    blocks = ceil_div(filter_groups, np.clip(in_block, 1, filter_groups))
    m = np.minimum(ceil_div(filter_groups, blocks) * p * t, g.m)
    return FilledIn(
        m=m, n=n, e=e, p=p, q=q, r=r, t=t, fits=fits, double=double, sums=sums,
        filter_groups=filter_groups, blocks=blocks, tile_rows=tile_rows, beats=beats,
        chains=chains, filter_psum_rows=filter_psum_rows,
    )  # fmt: skip


def _channels(g: GroupShape, d: DesignArrays) -> Any:
    """Return the channels per PE to try, falling, shape (designs, 1, tries)."""
    most = np.minimum(d.ifmap_spad // g.s - d.scale_words, g.c)
    # as many as fit beside the most psums
    beside = d.filter_spad // (g.s * d.terms * np.minimum(d.psum_spad, g.m)) - d.scale_words
    tries = [*(np.floor(most * share) for share in _SHARES), np.minimum(beside, most)]
    q = -np.sort(-np.maximum(np.stack(tries, axis=1), 1.0), axis=1)
    if d.block:
        allowed = np.array(allowed_channels(g, d, int(d.ifmap_spad.max())), dtype=np.float64)
        q = allowed[np.searchsorted(allowed, q, side="right") - 1]
    return q[:, None, :].astype(np.float32)


def _standing(column: Any) -> Any:
    """Return a column as the first axis; float32 is exact for what must be whole."""
    return column[:, None, None].astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What mappings take, without the off-chip rate."""

    fits: Any
    array_cycles: Any
    final_passes: Any
    """Passes whose psums leave."""
    pass_cycles: Any
    psum_rows: Any
    """Rows of psums that leave in each of them."""
    packed: Any
    """Of which so many make a row off chip."""
    filter_rows: Any
    """Filter rows from off chip."""
    tile_rows: Any
    """Rows of all ifmap tiles."""
    tiles: Any
    double: Any
    first_tile: Any
    """Rows of the first tile."""
    first_filters: Any
    """Filter rows of the first pass."""
    load_beats: Any
    """Cycles in which the array takes them in."""


def estimate(g: GroupShape, d: DesignArrays, k: FilledIn) -> Estimate:
    """Return what mappings take."""
    row_bits, filter_lanes, row_psums, slow = (
        _standing(x) for x in (d.row_bits, d.filter_lanes, d.psums_per_row, d.glb_interval)
    )
    tap = d.terms * psum_interval(k.p, d.psum_latency, d.macro)
    column = k.q + d.scale_words
    window = column * g.s
    height = g.r * k.r
    period = np.maximum(window * tap, np.maximum(k.chains * k.p, column * g.col_step * k.beats))
    run = (window - 1) * np.maximum(k.beats, tap) + (g.f - 1) * period
    run = run + (k.beats + height * d.link_cycles + k.chains * k.p + d.write_stage + 5)
    load_beats = ceil_div(k.t * height, filter_lanes) * k.p * window * d.terms
    spots = (g.n / k.n) * ceil_div(g.e, k.e)
    loads = g.groups * spots * k.sums * k.filter_groups
    passes = loads * k.n
    loads = np.where((k.sums == 1) & (k.filter_groups == 1), g.groups, loads)
    array = passes * run + loads * (load_beats + 3)
    each = array / passes

    psum_rows = k.filter_psum_rows * k.p
    finals = passes / k.sums
    waits = 2 * finals * np.maximum(0, psum_rows - each)
    waits = waits + (passes - 2 * finals) * np.maximum(0, 2 * psum_rows - each)
    array = np.where(k.sums > 1, array + waits, array)
    filter_rows = ceil_div(load_beats, floor_div(row_bits, filter_lanes * d.weight_bits))
    port = np.maximum(2 * (passes - finals) * psum_rows, passes * (k.tile_rows / k.n))
    array = np.maximum(array, slow * np.maximum(port, loads * filter_rows))
    kept = (k.sums == 1) & (spots == 1)
    tiles = g.groups * np.where(kept, 1, k.blocks * spots * k.sums)
    packed: Any = 1.0
    if d.requantizes:
        packed = np.exp2(np.floor(np.log2(row_bits / (row_psums * d.activation_bits))))
    return Estimate(
        fits=k.fits,
        array_cycles=array,
        final_passes=finals,
        pass_cycles=each,
        psum_rows=psum_rows,
        packed=packed,
        filter_rows=loads * filter_rows,
        tile_rows=tiles * k.tile_rows,
        tiles=tiles,
        double=k.double,
        first_tile=k.tile_rows,
        first_filters=filter_rows,
        load_beats=load_beats,
    )


def cycles_of(x: Estimate, row_cycles: Any) -> Any:
    """Return estimated cycles with an off-chip link that takes `row_cycles` for a row.

    Infinite where a mapping does not fit.
    """
    leaving = x.psum_rows * np.maximum(1, row_cycles / x.packed)
    array = x.array_cycles + x.final_passes * np.maximum(0, leaving - x.pass_cycles)
    first = x.first_tile * row_cycles
    first = first + np.maximum(0, x.first_filters * row_cycles - x.load_beats)
    filters, tiles = x.filter_rows * row_cycles, x.tile_rows * row_cycles
    double = np.maximum(first + array, filters + tiles + array / x.tiles)
    cycles = np.where(x.double, double, np.maximum(array, filters) + tiles)
    return np.where(x.fits, cycles, np.inf)
