"""Cycles and traffic of a layer on the whole accelerator, in closed form.

For numbers or arrays of one shape, so that an exploration can ask for many designs at once; nothing
is checked.  The array's passes follow each other without a gap (`hw.array`, exact); around them

- the path of psums to and from the global buffer moves one row per cycle: a pass takes at least as
  long as its rows;
- the output stream moves one beat per cycle;
- the off-chip streams move one beat per cycle: with two tiles in the global buffer all but the
  first fill overlaps the array's work, with one the tiles do not.

`cycles` is exact where neither psums nor the off-chip streams are the slower ones; elsewhere the
layer takes at most `slack_cycles` more (docs/accelerator.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .array.row_stationary_counts import LayerCounts, filter_rows, layer_counts
from .array.row_stationary_cycles import ceil_div
from .layer import Layer

__all__ = ["AcceleratorCounts", "accelerator_counts"]

_END = 3
_REQUANTIZING = 8
_MARGIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorCounts:
    """What one layer takes; numbers, or arrays of one shape.  A row is one of the global buffer."""

    array: LayerCounts
    """What happens in the array and at its ports."""
    fits: Any
    """Whether an ifmap tile and the psums of a block fit the global buffer."""
    double: Any
    """Whether two tiles do, so that one is filled while the other is read."""
    tiles: Any
    """Ifmap tiles that are fetched."""
    tile_rows: Any
    """Rows of one tile."""
    psum_rows: Any
    """Rows of psums of one pass."""
    block_rows: Any
    """Rows of psums that wait in the global buffer."""
    bias_rows: Any
    """Rows of bias in the global buffer."""
    filter_rows: Any
    """Filter rows read from off chip, and by the array."""
    ifmap_rows: Any
    """Rows of ifmap and bias read from off chip, and written to the global buffer."""
    ifmap_read_rows: Any
    """Ifmap rows read from the global buffer."""
    psum_read_rows: Any
    """Rows of psums and bias read from the global buffer."""
    psum_write_rows: Any
    """Rows of psums written to the global buffer."""
    output_rows: Any
    """Rows that leave the accelerator."""
    array_cycles: Any
    """Cycles of the array's passes, waiting for psums included."""
    off_chip_cycles: Any
    """Cycles in which the off-chip streams bring words."""
    fill_cycles: Any
    """Cycles before the first pass computes that nothing overlaps."""
    starved_cycles: Any
    """Cycles in which the array waits for the off-chip streams later on."""
    slack_cycles: Any
    """By how much `cycles` may be wrong; 0 where they are exact."""
    cycles: Any
    """Cycles of the layer, from its start to the last output."""
    setup_cycles: Any
    """Cycles to set up the array and its columns before."""


def accelerator_counts(
    layer: Layer,
    *,
    rows: Any,
    cols: Any,
    row_bits: Any,
    row_cycles: Any,
    banks: Any,
    bank_rows: Any,
    queue_rows: Any,
    filter_lanes: Any,
    ifmap_lanes: Any,
    weight_bits: int,
    activation_bits: int,
    psum_bits: int,
    ifmap_spad: Any,
    interval: Any,
    write_stage: Any,
    link_cycles: Any,
    memory_latency: Any,
    m: Any,
    n: Any,
    e: Any,
    p: Any,
    q: Any,
    r: Any,
    t: Any,
    terms: int = 1,
    scale_words: int = 0,
    bias: bool = False,
    psum_queue: Any = np.inf,
    output_row_bits: Any = None,
) -> AcceleratorCounts:
    """Return what `layer` takes on an accelerator under the mapping m, n, e, p, q, r, t.

    Parameters
    ----------
    row_bits, row_cycles
        Width of a row of the global buffer, and cycles of the off-chip stream that bring one (at
        least 1; need not be whole).
    banks, bank_rows, queue_rows
        Of the global buffer and the filter queue.
    psum_queue
        Psums that wait at either end of a column; enough, if left out.
    output_row_bits
        Bits that a row of psums becomes on its way out; None leaves psums as they are.
    """
    c, filters = layer.c // layer.groups, layer.m // layer.groups
    of_array = layer_counts(
        layer, rows=rows, cols=cols, filter_lanes=filter_lanes, ifmap_lanes=ifmap_lanes,
        ifmap_spad=ifmap_spad, interval=interval, write_stage=write_stage,
        link_cycles=link_cycles, m=m, n=n, e=e, p=p, q=q, r=r, t=t, terms=terms,
        scale_words=scale_words, bias=bias,
    )  # fmt: skip
    lanes = np.minimum(row_bits // psum_bits, cols)
    high = filter_rows(layer.r, rows)
    row_step, col_step = np.minimum(layer.stride, high), min(layer.stride, layer.s)
    words = (q + scale_words) * (layer.s + (layer.f - 1) * col_step)
    spots = layer.n // n * ceil_div(layer.e, e)
    sums = ceil_div(c, q * r) * (layer.r // high)
    blocks = ceil_div(filters, m)
    filter_groups = ceil_div(np.minimum(m, filters), p * t)
    all_groups = (blocks - 1) * filter_groups + ceil_div(filters - (blocks - 1) * m, p * t)
    keep = (spots == 1) & (sums == 1)
    tiles = layer.groups * np.where(keep, 1, blocks * spots * sums)

    load_beats = ceil_div(t * r * high, filter_lanes) * p * (q + scale_words) * layer.s * terms
    filters_of_pass = ceil_div(load_beats, row_bits // (filter_lanes * weight_bits))
    beats = ceil_div(r * ((e - 1) * row_step + high), ifmap_lanes) * words
    image_rows = ceil_div(beats, row_bits // (ifmap_lanes * activation_bits))
    tile_rows = n * image_rows

    pieces = ceil_div(e, cols)
    sets_beside = np.maximum(1, cols // e)
    used = np.where(pieces > 1, ceil_div(e, pieces), e * np.minimum(t, sets_beside))
    position_rows = ceil_div(t, sets_beside) * pieces * p * ceil_div(used, lanes)
    psum_rows = layer.f * position_rows
    block_rows = np.where(sums > 1, filter_groups * n * psum_rows, 0)
    bias_rows = layer.groups * all_groups * position_rows if bias else 0 * psum_rows
    tile_banks = ceil_div(tile_rows, bank_rows)
    psum_banks = ceil_div(block_rows + bias_rows, bank_rows)
    double = 2 * tile_banks + psum_banks <= banks

    output_cycles = row_cycles
    packed = 1
    if output_row_bits is not None:
        packed = _power_of_two_below(row_bits // output_row_bits)
        output_cycles = np.maximum(1, row_cycles / packed)
    finals = of_array.passes // sums
    enters = psum_rows * (of_array.passes - (0 if bias else finals))
    leaves = psum_rows * (of_array.passes - finals)

    # Where psums hold the array up: passes of the first, of a middle and of the last sum step.
    window = (q + scale_words) * layer.s * terms * interval
    chains = ceil_div(t, sets_beside) * pieces
    period = np.maximum(window, chains * p)
    pass_cycles = of_array.cycles / of_array.passes
    enters_first, out = psum_rows * int(bias), psum_rows * output_cycles
    several = sums > 1
    first = enters_first + psum_rows * several
    last = np.maximum(out, np.where(several, psum_rows, enters_first))
    middles = (of_array.passes - 2 * finals) * (sums > 2)
    wait = finals * several * np.maximum(0, first - pass_cycles)
    wait = wait + middles * np.maximum(0, 2 * psum_rows - pass_cycles)
    wait = wait + finals * np.maximum(0, last - pass_cycles)
    array_cycles = of_array.cycles + np.ceil(wait)
    port = np.where(sums > 2, 2, np.where(sums > 1, 1 + int(bias), int(bias)))
    moves = position_rows * np.maximum(port, output_cycles)
    port_free = (moves <= period) & (chains * p <= psum_queue)

    # Off chip: the first tile and filters come before anything else, the rest beside the array.
    tile_cycles, load_cycles = tile_rows * row_cycles, filters_of_pass * row_cycles
    beats_per_row = row_bits // (filter_lanes * weight_bits)
    last_beats = load_beats - (filters_of_pass - 1) * beats_per_row
    loading = np.maximum(row_cycles + load_beats, load_cycles + last_beats) - load_beats
    fill = bias_rows * row_cycles + tile_cycles + loading
    loads = of_array.filter_loads
    # Filters that the queue does not hold come while the array loads them.
    late = np.maximum(0, (filters_of_pass - queue_rows) * row_cycles + last_beats - load_beats)
    each, of_filters = array_cycles / tiles, (loads - 1) * load_cycles / tiles
    behind = np.maximum(0, of_filters + tile_cycles - each)
    # A single tile's place is free one position and a load before its last pass ends.
    hidden = period + loads * load_beats / of_array.passes
    behind = np.where(double, behind, np.maximum(behind, tile_cycles - hidden))
    starved = (tiles - 1) * behind + np.maximum(0, of_filters - each)
    starved = np.maximum(starved, loads * late)
    margin = _MARGIN * row_cycles
    in_time = np.maximum(of_filters, load_cycles) + tile_cycles + margin <= each
    # Filters go before the next tile while the queue has room for them, until the array has read
    # the tile before to its end and waits.
    ahead = np.minimum(queue_rows, (loads - 1) * filters_of_pass) * row_cycles
    held_up = np.maximum(0, tile_cycles + margin - (pass_cycles - beats))
    held_up = np.where(ahead + tile_cycles + margin <= each, 0, held_up)
    in_time = in_time & (held_up == 0)
    in_time = (tiles == 1) | double & in_time
    in_time = in_time & (load_cycles + margin <= pass_cycles) & (filters_of_pass <= queue_rows)

    # Rows of the last position come one per cycle; what they fill leaves one after the other.
    last = (finals * psum_rows - 1) % packed + 1
    crossed = last // position_rows * (period - position_rows)
    before = np.maximum(0, (position_rows - 1 - last) // packed)
    behind = np.maximum(0, row_cycles - last - crossed)
    behind = behind + before * np.maximum(0, row_cycles - packed)
    tail = chains * p * (ceil_div(used, lanes) - 1) + behind
    end = _END + memory_latency - 1 + (tiles > 1) + row_cycles - 1 + tail
    if output_row_bits is not None:
        end = end + _REQUANTIZING
    # A position for each pass that its rows hold up, its first psum too where it waits for the pass
    # before, and half of what streams could cost if nothing of it overlapped: measured on random
    # layers, and held by the suite.
    follows = several & (filter_groups * n == 1)
    first_psum = np.where(follows, pass_cycles - (layer.f - 1) * period, 0)
    waits = np.where(port_free, 0, of_array.passes * (moves + period + first_psum))
    lost = np.where(in_time, 0, tiles * (load_cycles + margin))
    held_up = np.minimum(np.minimum(tiles - 1, 1 + ahead // each) * held_up, ahead)
    lost = lost + np.where(double, held_up, (tiles - 1) * tile_cycles)
    slack = tail + waits + np.ceil(lost / 2)

    return AcceleratorCounts(
        array=of_array,
        fits=tile_banks + psum_banks <= banks,
        double=double,
        tiles=tiles,
        tile_rows=tile_rows,
        psum_rows=psum_rows,
        block_rows=block_rows,
        bias_rows=bias_rows,
        filter_rows=loads * filters_of_pass,
        ifmap_rows=bias_rows + tiles * tile_rows,
        ifmap_read_rows=of_array.passes * image_rows,
        psum_read_rows=enters,
        psum_write_rows=leaves,
        output_rows=ceil_div(finals * psum_rows, packed),
        array_cycles=array_cycles,
        off_chip_cycles=(loads * filters_of_pass + bias_rows + tiles * tile_rows) * row_cycles,
        fill_cycles=fill,
        starved_cycles=starved,
        slack_cycles=slack,
        cycles=fill + array_cycles + starved + end,
        setup_cycles=of_array.setup_cycles + cols,
    )


def _power_of_two_below(value: Any) -> Any:
    """Return the largest power of two up to a value of at least 1; for numbers or arrays."""
    return 2 ** np.floor(np.log2(np.maximum(1, value))).astype(np.int64)
