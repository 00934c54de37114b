"""Where an accelerator's array waits: for the path of its psums, and for the off-chip streams.

Both in closed form, for numbers or arrays of one shape.  `accelerator_counts` adds them to what the
array takes by itself.  Each says by how much it may be wrong (`slack_cycles`); random layers on
simulated accelerators have shown where the forms are exact and how far off they are elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PsumWaits", "StreamWaits", "psum_waits", "stream_waits"]

_MARGIN = 4
"""Rows by which the streams must be ahead to be surely in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PsumWaits:
    """What the path of psums costs a layer; it moves one row per cycle."""

    cycles: Any
    """Cycles in which passes wait for it."""
    tail_cycles: Any
    """Cycles from the last pass's end to its last row's, besides the way of a row."""
    slack_cycles: Any
    """By how much both together may be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWaits:
    """What the off-chip streams cost a layer; they bring one row in `row_cycles` cycles."""

    fill_cycles: Any
    """Cycles before the first pass computes."""
    starved_cycles: Any
    """Cycles in which the array waits later on."""
    slack_cycles: Any
    """By how much both together may be wrong."""


def psum_waits(
    *,
    passes: Any,
    pass_cycles: Any,
    sums: Any,
    positions: Any,
    period: Any,
    burst: Any,
    beside: Any,
    queue: Any,
    bias: bool,
    row_cycles: Any,
    output_cycles: Any,
    packed: Any,
) -> PsumWaits:
    """Return what the path of psums costs.

    Parameters
    ----------
    passes, pass_cycles, sums
        Passes, cycles of one by itself, and the passes that a psum goes through.
    positions, period
        Positions of a pass, and cycles from one to the next.
    burst, beside, queue
        Psums that leave each column at a position, rows that all columns' first psums fill, and
        psums that wait at the lower end of a column.
    row_cycles, output_cycles, packed
        Cycles that a row takes off chip, its share for a row of psums, and rows of psums in it.
    """
    finals, several = passes // sums, sums > 1
    position_rows = burst * beside
    rows = positions * position_rows
    # A pass moves its rows (`moved` for each of psums) and holds up psums that no queue has room
    # for; the first sum step writes and reads bias, middle ones do both, in the last rows leave.
    unqueued = np.maximum(0, positions * burst - queue) * beside
    by_itself = (positions - 1) * period + burst - 1

    def wait(moved: Any, kept_up: Any) -> Any:
        return np.maximum(0, np.maximum(moved * rows - pass_cycles, kept_up * unqueued - by_itself))

    first, middle = wait(1 + int(bias), 1), wait(2, 2)
    last = wait(np.maximum(output_cycles, np.where(several, 1, int(bias))), output_cycles)
    middles = (passes - 2 * finals) * (sums > 2)
    cycles = np.ceil(finals * (several * first + last) + middles * middle)

    # The last position's rows come one per cycle; what they fill leaves one after the other.
    in_last_row = (finals * rows - 1) % packed + 1
    crossed = in_last_row // position_rows * (period - position_rows)
    before = np.maximum(0, (position_rows - 1 - in_last_row) // packed)
    behind = np.maximum(0, row_cycles - in_last_row - crossed)
    behind = behind + before * np.maximum(0, row_cycles - packed)
    # Positions whose rows take longer than their products end later and later.
    later = (positions - 1) * (position_rows * output_cycles - period)
    tail = burst * (beside - 1) + behind + np.maximum(0, later - last)

    port = np.where(sums > 2, 2, np.where(several, 1 + int(bias), int(bias)))
    moves = position_rows * np.maximum(port, output_cycles)
    # A position for each pass: more was never found.
    slack = np.where((moves <= period) & (burst <= queue), 0, passes * (moves + period))
    return PsumWaits(cycles=cycles, tail_cycles=tail, slack_cycles=tail + slack)


def stream_waits(
    *,
    passes: Any,
    array_cycles: Any,
    pass_cycles: Any,
    period: Any,
    loads: Any,
    load_beats: Any,
    last_beats: Any,
    load_rows: Any,
    queue_rows: Any,
    tiles: Any,
    tile_rows: Any,
    beats: Any,
    double: Any,
    row_cycles: Any,
) -> StreamWaits:
    """Return what the off-chip streams cost.

    Parameters
    ----------
    passes, array_cycles, pass_cycles, period
        Passes, cycles of all with their waits and of one without, and from position to position.
    loads, load_beats, last_beats, load_rows, queue_rows
        Passes that load filters, beats to the array of a load and of its last row, rows of a load,
        and of the filter queue.
    tiles, tile_rows, beats, double
        Tiles, rows of one, beats to the array of a pass, and whether two tiles have room.
    row_cycles
        Cycles that bring a row.
    """
    # The first tile and filters come before anything else, the rest beside the array.
    tile_cycles, load_cycles = tile_rows * row_cycles, load_rows * row_cycles
    margin = _MARGIN * row_cycles
    loading = np.maximum(row_cycles + load_beats, load_cycles + last_beats) - load_beats
    # Filters that the queue does not hold come while the array loads them.
    late = np.maximum(0, (load_rows - queue_rows) * row_cycles + last_beats - load_beats)
    each, of_filters = array_cycles / tiles, (loads - 1) * load_cycles / tiles
    behind = np.maximum(0, of_filters + tile_cycles - each)
    # A single tile's place is free one position and a load before its last pass ends.
    hidden = period + loads * load_beats / passes
    behind = np.where(double, behind, np.maximum(behind, tile_cycles - hidden))
    starved = (tiles - 1) * behind + np.maximum(0, of_filters - each)

    # Filters go before the next tile while the queue has room for them, until the array has read
    # the tile before to its end and waits.
    ahead = np.minimum(queue_rows, (loads - 1) * load_rows) * row_cycles
    held_up = np.maximum(0, tile_cycles + margin - (pass_cycles - beats))
    held_up = np.where(ahead + tile_cycles + margin <= each, 0, held_up)
    in_time = np.maximum(of_filters, load_cycles) + tile_cycles + margin <= each
    in_time = (tiles == 1) | (double & in_time & (held_up == 0))
    in_time = in_time & (load_cycles + margin <= pass_cycles) & (load_rows <= queue_rows)
    # Half of what streams could cost if nothing of it overlapped: more was never found.
    held_up = np.minimum(np.minimum(tiles - 1, 1 + ahead // each) * held_up, ahead)
    lost = np.where(double, held_up, (tiles - 1) * tile_cycles)
    lost = lost + np.where(in_time, 0, tiles * (load_cycles + margin))
    return StreamWaits(
        fill_cycles=tile_cycles + loading,
        starved_cycles=np.maximum(starved, loads * late),
        slack_cycles=np.ceil(lost / 2),
    )
