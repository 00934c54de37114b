"""Cycles and traffic of a layer on the whole accelerator, in closed form.

For numbers or arrays of one shape, so that an exploration can ask for many designs at once; nothing
is checked.  The array's passes follow each other without a gap (`hw.array`, exact); around them

- the path of psums to and from the global buffer moves one row per cycle, and the output stream
  one beat: a pass takes at least as long as its rows;
- the off-chip streams move one beat per cycle: with two tiles in the global buffer all but the
  first fill overlaps the array's work, with one the tiles do not.

`cycles` is exact where neither psums nor the off-chip streams are the slower ones; elsewhere the
layer takes at most `slack_cycles` more (`accelerator_waits`, docs/accelerator.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .accelerator_waits import psum_waits, stream_waits
from .array.row_stationary_counts import LayerCounts, filter_rows, layer_counts
from .array.row_stationary_cycles import ceil_div
from .layer import Layer

__all__ = ["AcceleratorCounts", "accelerator_counts"]

_END = 3
_REQUANTIZING = 9


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
        Psums that wait at the lower end of a column; enough, if left out.
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
    high = filter_rows(layer.r, rows)
    row_step, col_step = np.minimum(layer.stride, high), min(layer.stride, layer.s)
    column = q + scale_words
    spots = layer.n // n * ceil_div(layer.e, e)
    sums = ceil_div(c, q * r) * (layer.r // high)
    blocks = ceil_div(filters, m)
    filter_groups = ceil_div(np.minimum(m, filters), p * t)
    all_groups = (blocks - 1) * filter_groups + ceil_div(filters - (blocks - 1) * m, p * t)
    keep = (spots == 1) & (sums == 1)
    tiles = layer.groups * np.where(keep, 1, blocks * spots * sums)

    beats_of_row = row_bits // (filter_lanes * weight_bits)
    load_beats = ceil_div(t * r * high, filter_lanes) * p * column * layer.s * terms
    load_rows = ceil_div(load_beats, beats_of_row)
    words = column * (layer.s + (layer.f - 1) * col_step)
    beats = ceil_div(r * ((e - 1) * row_step + high), ifmap_lanes) * words
    image_rows = ceil_div(beats, row_bits // (ifmap_lanes * activation_bits))
    tile_rows = n * image_rows

    pieces = ceil_div(e, cols)
    sets_beside = np.maximum(1, cols // e)
    used = np.where(pieces > 1, ceil_div(e, pieces), e * np.minimum(t, sets_beside))
    burst = ceil_div(t, sets_beside) * pieces * p
    beside = ceil_div(used, np.minimum(row_bits // psum_bits, cols))
    position_rows = burst * beside
    psum_rows = layer.f * position_rows
    block_rows = np.where(sums > 1, filter_groups * n * psum_rows, 0)
    bias_rows = layer.groups * all_groups * position_rows if bias else 0 * psum_rows
    tile_banks = ceil_div(tile_rows, bank_rows)
    psum_banks = ceil_div(block_rows + bias_rows, bank_rows)
    double = 2 * tile_banks + psum_banks <= banks

    packed, output_cycles, requantizing = 1, row_cycles, 0
    if output_row_bits is not None:
        packed = _power_of_two_below(row_bits // output_row_bits)
        output_cycles = np.maximum(1, row_cycles / packed)
        requantizing = _REQUANTIZING
    finals = of_array.passes // sums
    pass_cycles = of_array.cycles / of_array.passes
    period = np.maximum(column * layer.s * terms * interval, burst)
    psums = psum_waits(
        passes=of_array.passes, pass_cycles=pass_cycles, sums=sums, positions=layer.f,
        period=period, burst=burst, beside=beside, queue=psum_queue, bias=bias,
        row_cycles=row_cycles, output_cycles=output_cycles, packed=packed,
    )  # fmt: skip
    array_cycles = of_array.cycles + psums.cycles
    loads = of_array.filter_loads
    streams = stream_waits(
        passes=of_array.passes, array_cycles=array_cycles, pass_cycles=pass_cycles, period=period,
        loads=loads, load_beats=load_beats, last_beats=load_beats - (load_rows - 1) * beats_of_row,
        load_rows=load_rows, queue_rows=queue_rows, tiles=tiles, tile_rows=tile_rows, beats=beats,
        double=double, row_cycles=row_cycles,
    )  # fmt: skip
    fill = bias_rows * row_cycles + streams.fill_cycles
    end = _END + memory_latency - 1 + (tiles > 1) + row_cycles - 1 + requantizing

    return AcceleratorCounts(
        array=of_array,
        fits=tile_banks + psum_banks <= banks,
        double=double,
        tiles=tiles,
        tile_rows=tile_rows,
        psum_rows=psum_rows,
        block_rows=block_rows,
        bias_rows=bias_rows,
        filter_rows=loads * load_rows,
        ifmap_rows=bias_rows + tiles * tile_rows,
        ifmap_read_rows=of_array.passes * image_rows,
        psum_read_rows=psum_rows * (of_array.passes - (0 if bias else finals)),
        psum_write_rows=psum_rows * (of_array.passes - finals),
        output_rows=ceil_div(finals * psum_rows, packed),
        array_cycles=array_cycles,
        off_chip_cycles=(loads * load_rows + bias_rows + tiles * tile_rows) * row_cycles,
        fill_cycles=fill,
        starved_cycles=streams.starved_cycles,
        slack_cycles=psums.slack_cycles + streams.slack_cycles,
        cycles=fill + array_cycles + streams.starved_cycles + end + psums.tail_cycles,
        setup_cycles=of_array.setup_cycles + cols,
    )


def _power_of_two_below(value: Any) -> Any:
    """Return the largest power of two up to a value of at least 1; for numbers or arrays."""
    return 2 ** np.floor(np.log2(np.maximum(1, value))).astype(np.int64)
