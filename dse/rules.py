"""The row-stationary rules: which mappings a design point can run, and which rule one breaks.

With R x S filters, stride U and an array of rows x cols PEs (Chen et al., JSSC 52(1), 2017):

- scratchpads: q*S <= ifmap spad, p*q*S <= filter spad, p <= psum spad;
- array: a PE set is R PEs high and e wide; wider than the array it is folded into ceil(e / cols)
  pieces above each other.  The r sets of different channels stand above each other, because psums
  travel up a column; the t groups of them stand beside or above each other;
- GLB: ifmap tile and psums fit beside the filter buffer; with banks, none holds both;
- m is a multiple of p*t, or all filters; no integer exceeds what the layer has.
"""

from __future__ import annotations

from typing import Any

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .errors import MappingError
from .passes import GroupShape, ceil_div, floor_div, psum_room_bits

__all__ = ["REASONS", "active_pes", "broken_rules", "set_places"]

REASONS = (
    "mappable",
    "filter row longer than the ifmap scratchpad",
    "filter row longer than the filter scratchpad",
    "filter higher than the array",
    "global buffer too small",
)
"""Meaning of a reason code; 0 is a mapping."""


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
    g = GroupShape.of(layer)
    k = mapping
    ifmap, filters, psums = (
        int(x[0]) for x in (designs.ifmap_spad, designs.filter_spad, designs.psum_spad)
    )
    rows, cols, glb = int(designs.rows[0]), int(designs.cols[0]), int(designs.glb_bits[0])
    broken = []

    def limit(what: str, value: int, where: str, most: int) -> None:
        if value > most:
            broken.append(f"{what} = {value} must be at most {where} = {most}")

    for name, value, most in (
        ("m", k.m, g.m), ("n", k.n, g.n), ("e", k.e, g.e), ("p", k.p, g.m),
        ("q", k.q, g.c), ("r", k.r, g.c), ("t", k.t, g.m),
    ):  # fmt: skip
        limit(name, value, "the layer's", most)
    limit("q*S", k.q * g.s, "ifmap_spad", ifmap)
    limit("p*q*S", k.p * k.q * g.s, "filter_spad", filters)
    limit("p", k.p, "psum_spad", psums)
    high, wide = set_places(g.r, k.e, rows, cols)
    if high < 1:
        limit("rows of a PE set, R*ceil(e/cols)", g.r * ceil_div(k.e, cols), "rows", rows)
    else:
        limit("r", k.r, "the PE sets above each other", high)
        limit("t", k.t, "the places for r sets", max(high // k.r, 0) * wide)
    if k.m % (k.p * k.t) and k.m != g.m:
        broken.append(f"m = {k.m} must be a multiple of p*t = {k.p * k.t} or all {g.m} filters")
    tile = g.ifmap_bits(k.n, k.e, k.q, k.r, designs.activation_bits)
    room = psum_room_bits(glb, tile, designs.bank_bytes)
    need = g.psum_bits(k.m, k.n, k.e, designs.psum_bits)
    if need > room:
        banks = f" in banks of {designs.bank_bytes} bytes" if designs.bank_bytes else ""
        broken.append(
            f"psums of {ceil_div(need, 8)} bytes beside an ifmap tile of {ceil_div(tile, 8)} bytes "
            f"must fit the {glb // 8} bytes of the global buffer{banks}"
        )
    return tuple(broken)
