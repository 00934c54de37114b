"""Cycles of a pass of the row-stationary array where no stream from outside stalls it.

A closed form of numbers or arrays of one shape, so that an exploration can ask for many passes at
once; the benches compare it with the simulated array pass by pass.  With

    tap       cycles of one ifmap word in a PE, terms * interval(p)
    C         cycles of one position, window * tap
    N         beats that bring one word to every input row of the strip
    B         chains above each other, which take turns with p psums each
    X         cycles from one position to the next, max(C, B*p)

a pass takes its filter beats, then the longest path from the first ifmap beat to the last psum
(`words`: the PEs or the network are the slower ones), then what the last PE lags behind the first
(`lag`: beats until its first word is sent, links up its chain, chains that go first), then the
pipeline.

Words that several PEs share must wait for the one that lags most.  Its scratchpad has room in time
unless it is tiny and the chains are long (docs/array.md): the form is exact where `waiting_bound`
is 0.  Elsewhere that bound is part of it, and a pass may be faster by up to as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .row_stationary_config import RowStationaryConfig
from .row_stationary_pass import ArrayPass

__all__ = ["ceil_div", "cycles", "pass_cycles", "waiting", "waiting_bound"]

_START = 6
"""Cycles from a configuration to the first issue slot, and from the last psum to the next pass."""
_LOADED = 4
"""Cycles from the first filter beat to its PE, and from the last filter to the ifmap network."""
_ROOM = 2
"""Cycles from the death of a word in a PE to the first use of the word that takes its place."""
_QUEUE = 2
"""Psums that wait in a link."""


def ceil_div(a: Any, b: Any) -> Any:
    """Return a / b rounded up."""
    return -(-a // b)


def pass_cycles(
    *,
    cols: Any,
    filter_lanes: Any,
    ifmap_lanes: Any,
    ifmap_spad: Any,
    interval: Any,
    write_stage: Any,
    link_cycles: Any,
    filter_rows: Any,
    row_step: Any,
    strip: Any,
    channel_sets: Any,
    filter_sets: Any,
    filters: Any,
    window: Any,
    step: Any,
    positions: Any,
    terms: Any = 1,
    load_filters: Any = True,
) -> Any:
    """Return the cycles from one configuration to the next where passes follow each other at once.

    Parameters
    ----------
    cols, filter_lanes, ifmap_lanes, ifmap_spad
        Of the array and its PEs.
    interval, write_stage, link_cycles
        `PEConfig.psum_interval(filters)`, `PEConfig.write_stage`, cycles of a link.
    filter_rows, row_step, strip, channel_sets, filter_sets
        Fields of `ArrayPass`: R, min(U, R), e, r, t.
    filters, window, step, positions, terms, load_filters
        Of its `RowPass`: p, q*S, q*U, F; columns include words of scale.

    Returns
    -------
    Cycles [cycles], with the integer type of the arguments.
    """
    tap = terms * interval
    height = filter_rows * channel_sets
    rows = (strip - 1) * row_step + filter_rows
    beats = ceil_div(rows * channel_sets, ifmap_lanes)
    pieces = ceil_div(strip, cols)
    width = ceil_div(strip, pieces)
    last_width = strip - (pieces - 1) * width
    above = ceil_div(filter_sets, np.maximum(1, cols // strip))

    def words(period: Any) -> Any:
        """From the first ifmap beat to the first psum of the last position."""
        slower = np.maximum(beats, tap)
        first = (window - 1) * slower + (positions - 1) * period
        later = window * beats + (step - 1) * slower
        later = later + (positions - 2) * np.maximum(step * beats, period)
        return np.where(positions > 1, np.maximum(first, later), first)

    def lag(column: Any, piece: Any) -> Any:
        """Of the last PE of a chain, without the chains that go first."""
        sent = [
            ((piece * width + column) * row_step + row) * channel_sets // ifmap_lanes
            + (height - row) * link_cycles
            for row in (0 * filter_rows, filter_rows - 1)
        ]
        return np.maximum(*sent) - piece * filters

    def column_cycles(column: Any, chains: Any, pieces_here: Any) -> Any:
        period = np.maximum(window * tap, chains * filters)
        lags = np.maximum(lag(column, 0), lag(column, pieces_here - 1))
        return words(period) + lags + chains * filters

    chains = above * pieces
    run = column_cycles(last_width - 1, chains, pieces)
    # Columns without a chain of the last, narrower piece.
    fewer = np.maximum(pieces - 1, 1)
    run = np.where(
        last_width < width, np.maximum(run, column_cycles(width - 1, above * fewer, fewer)), run
    )
    waits = waiting_bound(
        cols=cols, ifmap_lanes=ifmap_lanes, ifmap_spad=ifmap_spad, interval=interval,
        link_cycles=link_cycles, filter_rows=filter_rows, row_step=row_step, strip=strip,
        channel_sets=channel_sets, filter_sets=filter_sets, filters=filters, window=window,
        step=step, positions=positions, terms=terms,
    )  # fmt: skip
    load = ceil_div(filter_sets * height, filter_lanes) * filters * window * terms + _LOADED
    return (
        run
        + waits
        + (terms - 1) * interval
        + write_stage
        + _START
        + np.where(load_filters, load, 0)
    )


def waiting_bound(
    *,
    cols: Any,
    ifmap_lanes: Any,
    ifmap_spad: Any,
    interval: Any,
    link_cycles: Any,
    filter_rows: Any,
    row_step: Any,
    strip: Any,
    channel_sets: Any,
    filter_sets: Any,
    filters: Any,
    window: Any,
    step: Any,
    positions: Any,
    terms: Any = 1,
) -> Any:
    """Return the most cycles a pass waits for scratchpads without room; see `pass_cycles`.

    One delay in each round of the words through the scratchpads.
    """
    tap, height = terms * interval, filter_rows * channel_sets
    chains = ceil_div(filter_sets, np.maximum(1, cols // strip)) * ceil_div(strip, cols)
    beats = ceil_div(((strip - 1) * row_step + filter_rows) * channel_sets, ifmap_lanes)
    # A chain that waits for its turn holds up its PEs once the top link's queue is full.
    turns = np.where(filters > _QUEUE, (chains - 1) * filters, 0)
    behind = (height - 1) * link_cycles + turns + _ROOM
    period = np.maximum(np.maximum(window * tap, chains * filters), step * beats)
    delay = np.maximum(0, behind - period - (ifmap_spad - step) * tap)
    return delay * ((positions - 1) // (1 + ifmap_spad // step))


def cycles(array_pass: ArrayPass, config: RowStationaryConfig) -> int:
    """Return the cycles of one pass; see `pass_cycles`."""
    row = array_pass.row
    return int(
        pass_cycles(
            **_shared(array_pass, config),
            filter_lanes=config.filter_lanes,
            write_stage=config.pe.write_stage,
            load_filters=row.load_filters,
        )
    )


def waiting(array_pass: ArrayPass, config: RowStationaryConfig) -> int:
    """Return by how many of its `cycles` a pass may be faster; 0 where they are exact."""
    return int(waiting_bound(**_shared(array_pass, config)))


def _shared(array_pass: ArrayPass, config: RowStationaryConfig) -> dict[str, int]:
    a, row = array_pass, array_pass.row
    return {
        "cols": config.cols,
        "ifmap_lanes": config.ifmap_lanes,
        "ifmap_spad": config.pe.ifmap_spad,
        "interval": config.pe.psum_interval(row.filters),
        "link_cycles": config.link_cycles,
        "filter_rows": a.filter_rows,
        "row_step": a.row_step,
        "strip": a.strip,
        "channel_sets": a.channel_sets,
        "filter_sets": a.filter_sets,
        "filters": row.filters,
        "window": row.window,
        "step": row.step,
        "positions": row.positions,
        "terms": row.terms,
    }
