"""One PE as it would stand on a chip: what was measured of it, and its memories.

All energies are per product, not per cycle, so that PE types with several lanes compare with those
that have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.sram import SramModel
from hw.pe.registry import PE_TYPES

from .actions import FILTERS_PER_TAP
from .errors import CharacterizeError
from .pe_memories import spad_macros
from .schema import PARTS

__all__ = ["Kinds", "WholePE", "kinds_text", "point_name", "whole_pe"]

Kinds = tuple[str, str, str]
"""Kinds of the ifmap, filter and psum scratchpad."""
Split = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePE:
    """One measured PE with its memories."""

    name: str
    """PE type, with what sets it apart: `int16 sat32`, `posit8 edge`."""
    pe_type: str
    spads: str
    """Kind of the scratchpads, or three kinds: `flipflop/flipflop/macro`."""
    decoders: str
    """Where codes are decoded: `pe`, or `edge` of the array, where no figure here counts them."""
    psum_width: int
    """Bits of a stored psum word."""
    products_per_cycle: float
    period_ns: float
    """Shortest clock period, memories included."""
    area_um2: Split
    """Per part."""
    leakage_uw: float
    leakage_split_uw: Split | None
    """Per part; None in rows of schema version 1, which have the total only."""
    product_pj: Split
    """Dynamic energy of a product, per part."""
    smallest_macro: tuple[str, ...]
    """Scratchpads smaller than the smallest memory of the table, which they are charged as."""

    @property
    def total_area_um2(self) -> float:
        """Area of the PE."""
        return sum(self.area_um2.values())

    @property
    def leakage_pj(self) -> float:
        """Leakage energy while a product is formed, at the PE's own clock."""
        return self.leakage_uw * self.period_ns * 1e-3 / self.products_per_cycle

    @property
    def energy_pj(self) -> float:
        """Energy of a product, leakage included."""
        return sum(self.product_pj.values()) + self.leakage_pj

    @property
    def performance_per_area(self) -> float:
        """Products per second and area [1e15 / (s mm2) = products / (ns um2)]."""
        return self.products_per_cycle / (self.period_ns * self.total_area_um2)


def point_name(row: Mapping[str, Any]) -> str:
    """Return the PE type of a row with what sets the row apart.

    `int16 sat32` saturates, `posit8 edge` is decoded at the edge, `int8 d2` has another pipeline
    depth than the PE type's own.
    """
    kind = PE_TYPES[row["pe_type"]]
    name = str(row["pe_type"])
    if row["saturating"]:
        name += f" sat{row['psum_width'] // kind.filter_lanes}"
    if row["decoders"] == "edge":
        name += " edge"
    if row["pipeline_depth"] != kind.pipeline_depth:
        name += f" d{row['pipeline_depth']}"
    return name


def kinds_text(kinds: Kinds) -> str:
    """Return one kind, or three of them with slashes where they differ."""
    return kinds[0] if len(set(kinds)) == 1 else "/".join(kinds)


def _products_per_cycle(pe_type: str) -> float:
    """Return the products of a cycle: all lanes, less the cycles that bring a block's scales."""
    kind = PE_TYPES[pe_type]
    if kind.scaling is None:
        return float(kind.lanes)
    return kind.lanes * kind.scaling.block / (kind.scaling.block + kind.scaling.words)


def whole_pe(row: Mapping[str, Any], sram: SramModel | None) -> WholePE:
    """Return the PE of a datapoint with its macro scratchpads.

    Parameters
    ----------
    row
        A datapoint with the columns of `schema.COLUMNS`.
    sram
        Memories of the library's node; `CharacterizeError` where a macro lacks them.
    """
    kinds: Kinds = (row["ifmap_spad_kind"], row["filter_spad_kind"], row["psum_spad_kind"])
    area = {part: float(row[f"area_{part}_um2"]) for part in PARTS}
    product = {part: float(row[f"product_{part}_pj"]) for part in PARTS}
    leakage = float(row["leakage_uw"])
    split: dict[str, float] | None = None
    if not any(pd.isna(row[f"leakage_{part}_uw"]) for part in PARTS):
        split = {part: float(row[f"leakage_{part}_uw"]) for part in PARTS}
    period = float(row["critical_path_ns"])
    small: list[str] = []
    if "macro" in kinds:
        if sram is None:
            raise CharacterizeError("macro scratchpads need an SRAM model")
        macros = spad_macros(sram, row["pe_type"], kinds, row, decoders=row["decoders"])
        for spad, bank in macros.banks.items():
            area[spad] += float(macros.area_um2(spad))
            product[spad] += float(macros.product_pj(spad))
            leakage += float(macros.leakage_uw(spad))
            if split is not None:
                split[spad] += float(macros.leakage_uw(spad))
            if bank.clamped:
                small.append(spad)
        product["ifmap_spad"] += float(macros.read_pj("ifmap_spad")) / FILTERS_PER_TAP
        period = float(macros.period_ns(period, row["macro_path_ns"]))
    per_cycle = _products_per_cycle(row["pe_type"])
    return WholePE(
        name=point_name(row),
        pe_type=row["pe_type"],
        spads=kinds_text(kinds),
        decoders=row["decoders"],
        psum_width=int(row["psum_width"]),
        products_per_cycle=per_cycle,
        period_ns=period,
        area_um2=area,
        leakage_uw=leakage,
        leakage_split_uw=split,
        product_pj={part: energy / per_cycle for part, energy in product.items()},
        smallest_macro=tuple(small),
    )
