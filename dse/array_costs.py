"""What arrays cost beside their PEs, for the points of a space: area, leakage, clock, energy.

The figures are those of `models.array_overhead`, the counts those of the hardware.  Where nobody
has measured arrays like these there is `NOTHING`, and `not_counted` says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.array.row_stationary_cycles import ceil_div
from hw.config import PEConfig
from hw.layer import Layer
from models.array_overhead import ArrayFigures, ArrayOverhead
from models.shell_overhead import ShellModel

from .mapper import MappingArrays
from .performance import LayerPerformance

__all__ = ["NOTHING", "ArrayCosts", "array_costs", "extrapolated", "not_counted"]

Array = NDArray[np.float64]


_ALWAYS = (
    "Not counted: wires beyond the library's wire-load model, the clock tree, glitches, bits that "
    "the host writes before a layer, DRAM refresh and background power."
)


def not_counted(
    overhead: ArrayOverhead | None, shells: ShellModel | None, pe_types: Iterable[str]
) -> str:
    """Return what the figures of some PE types leave out."""
    types = sorted(pe_types)
    links = [name for name in types if overhead is None or not overhead.covers(name)]
    around = [name for name in types if shells is None or not shells.covers(name)]
    text = _ALWAYS
    if links:
        text += (
            f" Nor are area, energy and clock of the networks and links between PEs of "
            f"{', '.join(links)}: no arrays with such psums were measured on this library."
        )
    if around:
        text += (
            f" Nor are area, energy and clock of the shell around the array (sequencer, address "
            f"generators, queues, requantizer; its cycles are) of {', '.join(around)}: no shells "
            f"whose psums leave so were measured on this library."
        )
    return text


def extrapolated(overhead: ArrayOverhead | None, shells: ShellModel | None) -> str:
    """Return a line on the sizes from which on what is counted was never measured."""
    beyond = []
    if overhead is not None:
        most = overhead.model.high
        beyond.append(f"arrays of more than {most['rows']:.0f} rows or {most['cols']:.0f} columns")
    if shells is not None:
        most = shells.model.high
        beyond.append(
            f"shells of more than {most['cols']:.0f} columns, {most['banks']:.0f} banks or "
            f"{most['queue']:.0f} psums in a queue"
        )
    return f"\nExtrapolated: {'; '.join(beyond)}; none so large was measured." if beyond else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCosts:
    """The costs of one variant's arrays; arrays of shape (points,)."""

    figures: ArrayFigures | None
    """None where nothing is known, so nothing counted."""

    @property
    def area_um2(self) -> Any:
        """Area of networks, links and control."""
        return 0.0 if self.figures is None else self.figures.area_um2

    @property
    def leakage_uw(self) -> Any:
        """Their leakage."""
        return 0.0 if self.figures is None else self.figures.leakage_uw

    def period_ns(self, pe_period_ns: Array) -> Array:
        """Return the clock period of PEs and array together."""
        if self.figures is None:
            return pe_period_ns
        return np.maximum(pe_period_ns, self.figures.overhead_path_ns)

    def energy_pj(
        self, layer: Layer, cols: Any, mappings: MappingArrays, done: LayerPerformance
    ) -> Any:
        """Return what networks, links and their clock take in one layer.

        A filter word goes to the rows of its place in all chains above each other and is taken by
        the PEs of a strip; an ifmap word goes to all filter rows of its channels in all chains.
        """
        if self.figures is None:
            return 0.0
        f, e, t = self.figures, mappings.e, mappings.t
        above = ceil_div(t, np.maximum(1, cols // e)) * ceil_div(e, cols)
        entry, row, take = f.word_pj["filter"]
        filters = done.filter_words * (entry + above * row) + done.filter_loads * take
        entry, row, take = f.word_pj["ifmap"]
        ifmap = done.ifmap_words * (entry + layer.r * above * row) + done.ifmap_loads * take
        psums = (
            done.psum_passes * f.psum_hop_pj
            + done.psum_in_words * f.psum_enter_pj
            + done.psum_out_words * f.psum_leave_pj
        )
        return filters + ifmap + psums + done.cycles * f.idle_pj_per_cycle


NOTHING = ArrayCosts(figures=None)
"""Arrays of which nothing is known."""


def array_costs(
    overhead: ArrayOverhead | None,
    pe: PEConfig,
    *,
    rows: Any,
    cols: Any,
    filter_lanes: Any,
    ifmap_lanes: Any,
) -> ArrayCosts:
    """Return the costs of arrays of one PE point; see `ArrayOverhead.figures`."""
    if overhead is None or not overhead.covers(pe.pe_type):
        return NOTHING
    return ArrayCosts(figures=overhead.figures(pe, rows, cols, filter_lanes, ifmap_lanes))
