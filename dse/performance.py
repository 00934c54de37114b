"""Cycles and traffic of one layer on many design points, from their mappings.

Latency is the largest of three terms that double buffering overlaps (array, GLB port, DRAM) plus
what nothing can hide: the first fill.  Every term is documented in docs/mapping.md.  Infeasible
designs have NaN everywhere, so that no sum hides them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw.layer import Layer

from .designs import DesignArrays, psum_interval
from .errors import DesignError
from .passes import GroupShape, ceil_div, count_passes, dram_bytes, port_bytes
from .rules import active_pes

if TYPE_CHECKING:
    from .mapper import MappingArrays

__all__ = ["DesignArrays", "LayerPerformance", "layer_performance", "psum_interval"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPerformance:
    """What one layer costs: float64 arrays of shape (designs,), NaN where infeasible."""

    feasible: NDArray[np.bool_]
    reason: NDArray[np.int8]
    """Index into `dse.rules.REASONS`; 0 where feasible."""
    cycles: Array
    """Latency [cycles]: the largest of the next three, plus `fill_cycles`."""
    compute_cycles: Array
    """Cycles of the array alone."""
    glb_cycles: Array
    """Cycles of the port between GLB and array."""
    dram_cycles: Array
    """Cycles of the DRAM link."""
    fill_cycles: Array
    """First fill, which nothing overlaps."""
    active_pes: Array
    slots: Array
    """Cycles of PEs with a product of words (of all lanes at a time) or a word of scale; those of
    idle filters and channels included."""
    ifmap_reads: Array
    """Ifmap words read for them, one for all filters and terms of a tap."""
    filter_loads: Array
    """Filter words written into filter scratchpads."""
    ifmap_loads: Array
    """Ifmap words written into ifmap scratchpads."""
    psum_passes: Array
    """Psums that leave a PE; a PE takes one in (or begins at zero) for each."""
    inter_pe_psum_words: Array
    """Psums that go from one PE to the next, not to the GLB."""
    busy_pe_cycles: Array
    """PE-cycles with a slot in use or with a load that nothing overlaps."""
    idle_pe_cycles: Array
    """All PEs times `cycles`, less `busy_pe_cycles`."""
    glb_read_bytes: Array
    glb_write_bytes: Array
    dram_read_bytes: Array
    dram_write_bytes: Array


def layer_performance(
    layer: Layer, designs: DesignArrays, mappings: MappingArrays
) -> LayerPerformance:
    """Return cycles and traffic of `layer` on every design under its mapping."""
    if len(mappings) != len(designs):
        raise DesignError(
            f"mappings must be {len(designs)}, one for each design, not {len(mappings)}"
        )
    g = GroupShape.of(layer)
    d = designs
    m, n, e, p, q, r, t = (getattr(mappings, name).astype(np.float64) for name in "mnepqrt")
    counts = count_passes(g, d, m=m, n=n, e=e, p=p, q=q, r=r, t=t)
    active = active_pes(g.r, e, r, t)
    act, wgt, psum = d.activation_bits / 8, d.weight_bits / 8, d.psum_bits / 8

    dram_read, dram_write = dram_bytes(layer, d, counts, mappings.e)
    fill = _first_fill(g, d, counts.interval, n, e, p, q, r, t)
    glb_cycles = port_bytes(d, counts) / d.glb_bytes_per_cycle
    dram_cycles = (dram_read + dram_write) / d.dram_bytes_per_cycle
    cycles = np.maximum(np.maximum(counts.compute_cycles, glb_cycles), dram_cycles) + fill

    column = q + d.scale_words
    positions = counts.passes * active * n * g.f
    filter_loads = counts.filter_loads * active * p * column * g.s * d.terms
    window_loads = counts.passes * active * n * column * g.s
    unhidden = 0.0 if d.loads_overlap else filter_loads + window_loads
    psum_passes = positions * p
    busy = counts.slots + unhidden
    values = {
        "cycles": cycles,
        "compute_cycles": counts.compute_cycles,
        "glb_cycles": glb_cycles,
        "dram_cycles": dram_cycles,
        "fill_cycles": fill,
        "active_pes": active,
        "slots": counts.slots,
        "ifmap_reads": positions * column * g.s,
        "filter_loads": filter_loads,
        "ifmap_loads": window_loads + (positions - positions / g.f) * column * g.col_step,
        "psum_passes": psum_passes,
        "inter_pe_psum_words": psum_passes * (1 - 1 / (g.r * r)),
        "busy_pe_cycles": busy,
        "idle_pe_cycles": d.rows * d.cols * cycles - busy,
        # ifmap and filters to the array, and every psum once, the last time on its way to DRAM
        "glb_read_bytes": counts.ifmap_glb_words * act
        + counts.filter_glb_words * wgt
        + counts.psum_glb_words * psum,
        "glb_write_bytes": counts.ifmap_dram_words * act
        + counts.filter_dram_words * wgt
        + counts.psum_glb_words * psum,
        "dram_read_bytes": dram_read,
        "dram_write_bytes": dram_write,
    }
    feasible = mappings.feasible
    masked = {name: np.where(feasible, value, np.nan) for name, value in values.items()}
    return LayerPerformance(feasible=feasible, reason=mappings.reason, **masked)


def _first_fill(
    g: GroupShape, d: DesignArrays, interval: Any, n: Any, e: Any, p: Any, q: Any, r: Any, t: Any
) -> Any:
    """Return the cycles before the array runs, and those of the psum wave up the first column."""
    channels = np.minimum(q * r, g.c)
    if d.scale_words:
        channels += d.scale_words * ceil_div(channels, q)
    filters = np.minimum(p * t, g.m) * channels * (g.r * g.s * d.terms) * (d.weight_bits / 8)
    tile = g.ifmap_bits(n, e, channels, 1, d.activation_bits) / 8
    wave = (g.r * r - 1) * (q + d.scale_words) * g.s * d.terms * interval
    return (tile + filters) / d.dram_bytes_per_cycle + filters / d.glb_bytes_per_cycle + wave
