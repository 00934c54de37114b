"""Cycles and traffic of one layer on many design points, from their mappings.

All of it is what `hw.accelerator_counts` says of the hardware, or multiples of that: what happens
in PEs follows from the words of a pass.  Infeasible designs have NaN everywhere, so that no sum
hides them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw.accelerator_counts import AcceleratorCounts
from hw.layer import Layer

from .designs import DesignArrays
from .errors import DesignError
from .group_shape import GroupShape
from .hardware import hardware_counts, layer_cycles
from .rules import active_pes

if TYPE_CHECKING:
    from .mapper import MappingArrays

__all__ = ["LayerPerformance", "layer_performance"]

Array = NDArray[np.float64]

_CHUNK = 1 << 13
"""Designs looked at together: arrays stay in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPerformance:
    """What one layer costs: float64 arrays of shape (designs,), NaN where infeasible.

    A row is one of the global buffer.
    """

    feasible: NDArray[np.bool_]
    reason: NDArray[np.int8]
    """Index into `dse.rules.REASONS`; 0 where feasible."""
    cycles: Array
    """Latency [cycles], with the set-up and with waits for macros slower than the clock."""
    setup_cycles: Array
    """Cycles to set up the array before the layer."""
    array_cycles: Array
    """Cycles of the array's passes, waits for psums included."""
    off_chip_cycles: Array
    """Cycles in which the off-chip streams bring words."""
    fill_cycles: Array
    """Cycles before the first pass computes that nothing overlaps."""
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
    """Psums that leave a PE; the link beside it adds each to what comes from below, or to zero."""
    link_words: Array
    """Psums that go from one PE's link to the next PE's."""
    filter_words: Array
    """Filter words sent over the filter network, each to all PEs that hold it."""
    ifmap_words: Array
    """Ifmap words sent over the ifmap network, each to all PEs that use it."""
    psum_in_words: Array
    """Psums that enter the array's columns."""
    psum_out_words: Array
    """Psums that leave them."""
    filter_rows: Array
    """Filter rows that come from off chip into the filter queue, and leave it for the array."""
    ifmap_rows: Array
    """Ifmap rows that come from off chip and are written into the banks."""
    ifmap_read_rows: Array
    """Ifmap rows read for the array."""
    psum_read_rows: Array
    psum_write_rows: Array
    output_rows: Array
    """Rows that leave the accelerator."""
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
    feasible = mappings.feasible
    names = [f.name for f in fields(LayerPerformance) if f.name not in ("feasible", "reason")]
    columns = {name: np.full(len(designs), np.nan) for name in names}
    some = np.nonzero(feasible)[0]
    for start in range(0, some.size, _CHUNK):
        index = some[start : start + _CHUNK]
        d = designs.select(index)
        mapping = {name: getattr(mappings, name)[index] for name in "mnepqrt"}
        values = _values(layer, d, mapping, hardware_counts(layer, d, mapping))
        for name in names:
            columns[name][index] = values[name]
    return LayerPerformance(feasible=feasible, reason=mappings.reason, **columns)


def _values(
    layer: Layer, d: DesignArrays, k: dict[str, Any], counts: AcceleratorCounts
) -> dict[str, Any]:
    g, array = GroupShape.of(layer), counts.array
    active = active_pes(g.r, k["e"], k["r"], k["t"])
    column = k["q"] + d.scale_words
    positions = array.passes * active * g.f
    psum_passes = positions * k["p"]
    names = ("filter_rows", "ifmap_rows", "ifmap_read_rows", "psum_read_rows", "psum_write_rows",
             "output_rows")  # fmt: skip
    rows = {name: getattr(counts, name) for name in names}
    port = d.glb_bytes_per_cycle
    return {
        "cycles": layer_cycles(d, counts),
        "setup_cycles": counts.setup_cycles,
        "array_cycles": counts.array_cycles,
        "off_chip_cycles": counts.off_chip_cycles,
        "fill_cycles": counts.fill_cycles,
        "active_pes": active,
        "slots": psum_passes * (column * (g.s * d.terms)),
        "ifmap_reads": positions * (column * g.s),
        "filter_loads": array.filter_words * k["e"],
        "ifmap_loads": array.passes * active * (column * g.columns),
        "psum_passes": psum_passes,
        "link_words": psum_passes - psum_passes // (g.r * k["r"]),
        "filter_words": array.filter_words,
        "ifmap_words": array.ifmap_words,
        "psum_in_words": array.psum_in_words,
        "psum_out_words": array.psum_out_words,
        **rows,
        "glb_read_bytes": port
        * (rows["filter_rows"] + rows["ifmap_read_rows"] + rows["psum_read_rows"]),
        "glb_write_bytes": port
        * (rows["filter_rows"] + rows["ifmap_rows"] + rows["psum_write_rows"]),
        "dram_read_bytes": port * (rows["filter_rows"] + rows["ifmap_rows"]),
        "dram_write_bytes": port * rows["output_rows"],
    }
