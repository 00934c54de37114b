"""Cycles and traffic of a whole layer on the row-stationary array, in closed form.

Counts what `LayerPasses.steps` runs and what `pass_cycles` says of each pass, for numbers or arrays
of one shape; nothing is checked.  Without stalls from outside the simulated array moves exactly
these words and takes exactly these cycles, but where `waiting_cycles` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layer import Layer
from .row_stationary_cycles import ceil_div, pass_cycles, waiting_bound
from .row_stationary_layer import LayerPasses

__all__ = ["LayerCounts", "count_layer", "filter_rows", "layer_counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCounts:
    """What one layer takes; numbers, or arrays of one shape."""

    passes: Any
    """Passes of the array."""
    filter_loads: Any
    """Passes that load filters."""
    setup_cycles: Any
    """Cycles to set up the array for the layer."""
    cycles: Any
    """Cycles of all passes, without the set-up."""
    waiting_cycles: Any
    """By how many of these cycles the layer may be faster; 0 where they are exact."""
    filter_words: Any
    """Filter words that enter the array, each for all PEs that hold it."""
    ifmap_words: Any
    """Ifmap words that enter the array, zeros included."""
    psum_in_words: Any
    """Psums that enter the columns."""
    psum_out_words: Any
    """Psums that leave the columns, those dropped included."""


def layer_counts(
    layer: Layer,
    *,
    rows: Any,
    cols: Any,
    filter_lanes: Any,
    ifmap_lanes: Any,
    ifmap_spad: Any,
    interval: Any,
    write_stage: Any,
    link_cycles: Any,
    m: Any,
    n: Any,
    e: Any,
    p: Any,
    q: Any,
    r: Any,
    t: Any,
    terms: Any = 1,
    scale_words: int = 0,
    bias: bool = False,
) -> LayerCounts:
    """Return what `layer` takes under the mapping m, n, e, p, q, r, t; see `pass_cycles`."""
    del m  # a multiple of p*t or all filters: blocks of m change the order of passes only
    c, filters = layer.c // layer.groups, layer.m // layer.groups
    high = filter_rows(layer.r, rows)
    column = q + scale_words
    row_step, col_step = np.minimum(layer.stride, high), min(layer.stride, layer.s)
    sums = ceil_div(c, q * r) * (layer.r // high)
    tiles = layer.groups * ceil_div(layer.e, e) * sums * ceil_div(filters, p * t)
    resident = (q * r >= c) & (p * t >= filters) & (high == layer.r)
    passes = tiles * layer.n
    loads = np.where(resident, layer.groups, tiles * ceil_div(layer.n, n))
    shared = {
        "cols": cols, "ifmap_lanes": ifmap_lanes, "ifmap_spad": ifmap_spad, "interval": interval,
        "link_cycles": link_cycles, "filter_rows": high, "row_step": row_step, "strip": e,
        "channel_sets": r, "filter_sets": t, "filters": p, "window": column * layer.s,
        "step": column * col_step, "positions": layer.f, "terms": terms,
    }  # fmt: skip
    kept, loaded = (
        pass_cycles(**shared, filter_lanes=filter_lanes, write_stage=write_stage, load_filters=load)
        for load in (False, True)
    )
    psums = t * e * layer.f * p
    entering = passes if bias else passes - passes // sums
    return LayerCounts(
        passes=passes,
        filter_loads=loads,
        setup_cycles=rows * (cols + 1),
        cycles=passes * kept + loads * (loaded - kept),
        waiting_cycles=passes * waiting_bound(**shared),
        filter_words=loads * (t * high * r * p * column * layer.s * terms),
        ifmap_words=passes
        * (r * ((e - 1) * row_step + high) * column * (layer.s + (layer.f - 1) * col_step)),
        psum_in_words=entering * psums,
        psum_out_words=passes * psums,
    )


def filter_rows(rows: int, array_rows: Any) -> Any:
    """Return `filter_rows` for numbers or arrays of array rows."""
    most = np.maximum.accumulate([rows % part == 0 and part for part in range(1, rows + 1)])
    return most[np.minimum(array_rows, rows) - 1]


def count_layer(passes: LayerPasses) -> LayerCounts:
    """Return what one layer takes under its mapping on its array."""
    config, k = passes.config, passes.mapping
    return layer_counts(
        passes.layer, rows=config.rows, cols=config.cols, filter_lanes=config.filter_lanes,
        ifmap_lanes=config.ifmap_lanes, ifmap_spad=config.pe.ifmap_spad,
        interval=config.pe.psum_interval(k.p),
        write_stage=config.pe.write_stage, link_cycles=config.link_cycles,
        m=k.m, n=k.n, e=k.e, p=k.p, q=k.q, r=k.r, t=k.t, terms=passes.terms, bias=passes.bias,
    )  # fmt: skip
