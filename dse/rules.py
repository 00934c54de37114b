"""The row-stationary rules: which mappings a design point can run, and which rule one breaks.

With R x S filters, stride U and an array of rows x cols PEs (Chen et al., JSSC 52(1), 2017):

- scratchpads: (q+w)*S <= ifmap spad, p*(q+w)*S*k <= filter spad, p <= psum spad, for w words of
  shared scale and k terms of a weight (mostly 0 and 1);
- shared scales: a column of q channels has one, so q divides the block where C is larger than it;
- array: a PE set is R PEs high and e wide; wider than the array it is folded into ceil(e / cols)
  pieces above each other.  The r sets of different channels stand above each other, because psums
  travel up a column; the t groups of them stand beside or above each other;
- GLB: the rows of an ifmap tile and those of a block's psums fit its banks beside the filter queue,
  none of which holds both.  Psums need no room where all channels are summed in one pass;
- m is a multiple of p*t, or all filters; n divides the batch; no integer exceeds the layer's.

Rows are those of `hw.accelerator_counts`, whose `fits` is the same rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .errors import MappingError
from .group_shape import GroupShape, ceil_div, floor_div
from .hardware import hardware_counts

__all__ = [
    "REASONS", "active_pes", "allowed_channels", "broken_rules", "set_places", "unmappable",
]  # fmt: skip

REASONS = (
    "mappable",
    "filter row longer than the ifmap scratchpad",
    "filter row longer than the filter scratchpad",
    "filter higher than the array",
    "global buffer too small",
    "word wider than the port of the global buffer",
    "port of the global buffer not a power of two",
)
"""Meaning of a reason code; 0 is a mapping."""


def unmappable(layer: Layer, designs: DesignArrays) -> Any:
    """Return the reason of each design that has no mapping whatever its global buffer; 0 of others.

    The shortest row is one of one channel and its scale.
    """
    d = designs
    row = (1 + d.scale_words) * layer.s
    reasons = {
        6: ~d.has_port,
        5: ~d.row_holds_words,
        1: d.ifmap_spad < row,
        2: d.filter_spad < row * d.terms,
        3: d.rows < layer.r,
    }
    return np.select(list(reasons.values()), list(reasons), 0)


def allowed_channels(g: GroupShape, d: DesignArrays, ifmap_spad: int) -> list[int]:
    """Return the channels q that a PE may have, given its ifmap scratchpad [words]."""
    most = min(ifmap_spad // g.s - d.scale_words, g.c)
    if not d.block:
        return list(range(1, most + 1))
    alone = g.c <= d.block
    return [q for q in range(1, min(most, d.block) + 1) if alone or d.block % q == 0]


def set_places(filter_rows: int, e: Any, rows: Any, cols: Any) -> tuple[Any, Any]:
    """Return how many PE sets (high, wide) the array holds; `high` is 0 where none fits."""
    pieces = ceil_div(e, cols)
    high = floor_div(rows, filter_rows * pieces)
    # a folded set takes whole rows of the array
    wide = floor_div(cols, e) + (pieces > 1)
    return high, wide


def active_pes(filter_rows: int, e: Any, r: Any, t: Any) -> Any:
    """Return the PEs a mapping uses, R*e*r*t."""
    return filter_rows * e * r * t


def broken_rules(layer: Layer, designs: DesignArrays, mapping: Mapping) -> tuple[str, ...]:
    """Return the rules `mapping` breaks on the one design in `designs`, with their numbers."""
    if len(designs) != 1:
        raise MappingError(f"rules are checked on one design point, not on {len(designs)}")
    broken = array_rules(layer, designs, mapping)
    code = int(unmappable(layer, designs)[0])
    if code:
        return (*broken, REASONS[code])
    if layer.n % mapping.n:
        broken.append(f"n = {mapping.n} must divide the batch of {layer.n}")
    integers = {name: np.array([getattr(mapping, name)]) for name in "mnepqrt"}
    counts = hardware_counts(layer, designs, integers)
    if not counts.fits[0]:
        tile, psums = int(counts.tile_rows[0]), int(counts.block_rows[0])
        banks, rows = int(designs.banks[0]), int(designs.bank_rows[0])
        broken.append(
            f"an ifmap tile of {tile} rows in {ceil_div(tile, rows)} banks and {psums} rows of "
            f"psums in {ceil_div(psums, rows)} banks must fit the {banks} banks of {rows} rows of "
            f"the global buffer"
        )
    return tuple(broken)


def array_rules(layer: Layer, designs: DesignArrays, mapping: Mapping) -> list[str]:
    """Return the broken rules of scratchpads, array and layer; not those of the global buffer."""
    g = GroupShape.of(layer)
    k = mapping
    ifmap, filters, psums = (
        int(x[0]) for x in (designs.ifmap_spad, designs.filter_spad, designs.psum_spad)
    )
    rows, cols = int(designs.rows[0]), int(designs.cols[0])
    broken = []

    def limit(what: str, value: int, where: str, most: int) -> None:
        if value > most:
            broken.append(f"{what} = {value} must be at most {where} = {most}")

    for name, value, most in (
        ("m", k.m, g.m), ("n", k.n, g.n), ("e", k.e, g.e), ("p", k.p, g.m),
        ("q", k.q, g.c), ("r", k.r, g.c), ("t", k.t, g.m),
    ):  # fmt: skip
        limit(name, value, "the layer's", most)
    column = k.q + designs.scale_words
    scale = f"(q+{designs.scale_words})" if designs.scale_words else "q"
    terms = f"*{designs.terms}" if designs.terms > 1 else ""
    limit(f"{scale}*S", column * g.s, "ifmap_spad", ifmap)
    limit(f"p*{scale}*S{terms}", k.p * column * g.s * designs.terms, "filter_spad", filters)
    if designs.block and g.c > designs.block and designs.block % k.q:
        broken.append(f"q = {k.q} must divide the block of {designs.block} channels with one scale")
    limit("p", k.p, "psum_spad", psums)
    high, wide = set_places(g.r, k.e, rows, cols)
    if high < 1:
        limit("rows of a PE set, R*ceil(e/cols)", g.r * ceil_div(k.e, cols), "rows", rows)
    else:
        limit("r", k.r, "the PE sets above each other", high)
        limit("t", k.t, "the places for r sets", max(high // k.r, 0) * wide)
    if k.m % (k.p * k.t) and k.m != g.m:
        broken.append(f"m = {k.m} must be a multiple of p*t = {k.p * k.t} or all {g.m} filters")
    return broken
