"""A layer on the hardware of many designs: the closed form of `hw.accelerator_counts`.

The very function that predicts a simulated layer (`hw.layer_program.LayerProgram.counts`) is asked
for all designs at once; cycles and traffic that leave this room are its words.
"""

from __future__ import annotations

from collections.abc import Mapping as NamedArrays
from typing import Any

import numpy as np

from hw.accelerator_config import default_psum_queue
from hw.accelerator_counts import AcceleratorCounts, accelerator_counts
from hw.layer import Layer

from .designs import DesignArrays, psum_interval

__all__ = ["hardware_counts", "layer_cycles"]


def hardware_counts(
    layer: Layer, designs: DesignArrays, mapping: NamedArrays[str, Any], row_cycles: Any = None
) -> AcceleratorCounts:
    """Return what `layer` takes on each design under its mapping.

    Parameters
    ----------
    layer
        In words of the PE type.
    designs
        Those whose rows of the global buffer hold words of all kinds.
    mapping
        Integer arrays m, n, e, p, q, r, t of shape (designs,), or (designs, mappings, 1).
    row_cycles
        Cycles in which the off-chip link brings a row, shape (designs, 1, rates); None takes those
        of the designs.
    """
    d = _Standing(designs, mapping["m"].ndim)
    row_cycles = d.row_cycles if row_cycles is None else row_cycles
    return accelerator_counts(
        layer, rows=d.rows, cols=d.cols, row_bits=d.row_bits, row_cycles=row_cycles,
        banks=d.banks, bank_rows=d.bank_rows, queue_rows=d.queue_rows,
        filter_lanes=d.filter_lanes, ifmap_lanes=d.ifmap_lanes, weight_bits=d.weight_bits,
        activation_bits=d.activation_bits, psum_bits=d.psum_bits, ifmap_spad=d.ifmap_spad,
        interval=psum_interval(mapping["p"], d.psum_latency, d.macro), write_stage=d.write_stage,
        link_cycles=d.link_cycles, memory_latency=d.memory_latency, **mapping, terms=d.terms,
        scale_words=d.scale_words, psum_queue=default_psum_queue(d.psum_spad),
        output_row_bits=d.psums_per_row * d.activation_bits if d.requantizes else None,
    )  # fmt: skip


class _Standing:
    """Designs whose columns are the first of several axes."""

    def __init__(self, designs: DesignArrays, axes: int) -> None:
        self._designs, self._shape = designs, (-1, *[1] * (axes - 1))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._designs, name)
        return value.reshape(self._shape) if isinstance(value, np.ndarray) else value


def layer_cycles(designs: DesignArrays, counts: AcceleratorCounts) -> Any:
    """Return the latency of a layer with its set-up [cycles].

    A macro slower than the clock holds up what passes through it: filters, ifmap and psums stand in
    memories of their own, and the array takes at least the time of the busiest one.
    """
    psums = counts.psum_read_rows + counts.psum_write_rows
    rows = np.maximum(np.maximum(counts.filter_rows, counts.ifmap_read_rows), psums)
    slow = _Standing(designs, rows.ndim).glb_interval
    wait = np.maximum(0, slow * rows - counts.array_cycles)
    return counts.setup_cycles + counts.cycles + np.where(slow > 1, wait, 0)
