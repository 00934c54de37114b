"""What shells cost for the points of a space: area, leakage, clock, energy of what they move.

The figures are those of `models.shell_overhead`, the counts those of the hardware.  Where nobody
has measured shells like these there is nothing, and `array_costs.not_counted` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.accelerator_config import default_psum_queue
from hw.config import PEConfig
from models.shell_overhead import ShellFigures, ShellModel

from .designs import DesignArrays
from .performance import LayerPerformance

__all__ = ["ShellCosts", "off_chip_bytes", "shell_costs", "shell_path_ns"]

Array = NDArray[np.float64]


def off_chip_bytes(dram_gb_per_s: Any, period_ns: Any, port_bytes: Any) -> Any:
    """Return the width of an off-chip stream that takes what DRAM gives: a power of two."""
    rate = np.maximum(1.0, np.asarray(dram_gb_per_s) * period_ns)
    return np.minimum(np.exp2(np.floor(np.log2(rate))), port_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCosts:
    """The costs of one variant's shells; arrays of shape (points,)."""

    figures: ShellFigures | None
    """None where nothing is known, so nothing counted."""

    @property
    def area_um2(self) -> Any:
        """Area without the memories."""
        return 0.0 if self.figures is None else self.figures.area_um2

    @property
    def leakage_uw(self) -> Any:
        """Leakage without that of the memories."""
        return 0.0 if self.figures is None else self.figures.leakage_uw

    def energy_pj(self, done: LayerPerformance) -> Any:
        """Return what the shell takes in one layer, its clock included."""
        if self.figures is None:
            return 0.0
        f = self.figures
        # A psum that enters leaves again; what leaves besides becomes outputs in the last sum step.
        outputs = done.psum_out_words - done.psum_in_words
        return (
            done.filter_rows * f.filter_row_pj
            + done.ifmap_rows * f.ifmap_row_pj
            + done.ifmap_read_rows * f.ifmap_read_row_pj
            + done.filter_words * f.filter_word_pj
            + done.ifmap_words * f.ifmap_word_pj
            + done.psum_read_rows * f.psum_read_row_pj
            + done.psum_in_words * f.psum_enter_pj
            + done.psum_out_words * f.psum_leave_pj
            + done.psum_write_rows * f.psum_write_row_pj
            + outputs * f.requantize_pj
            + done.output_rows * f.output_row_pj
            + done.cycles * f.idle_pj
        )


def shell_path_ns(shells: ShellModel | None, pe: PEConfig, designs: DesignArrays) -> Any:
    """Return the longest path of each design's shell, 0 where nothing is known."""
    if shells is None or not shells.covers(pe.pe_type):
        return 0.0
    return shells.critical_path_ns(pe, **_sizes(designs, designs.glb_bytes_per_cycle))


def shell_costs(shells: ShellModel | None, pe: PEConfig, designs: DesignArrays) -> ShellCosts:
    """Return the costs of the shells of one PE type's designs, at their own clock."""
    if shells is None or not shells.covers(pe.pe_type):
        return ShellCosts(figures=None)
    beat = off_chip_bytes(designs.dram_bytes_per_cycle, 1.0, designs.glb_bytes_per_cycle)
    return ShellCosts(figures=shells.figures(pe, **_sizes(designs, beat)))


def _sizes(designs: DesignArrays, beat_bytes: Any) -> dict[str, Any]:
    return {
        "rows": designs.rows,
        "cols": designs.cols,
        "row_bits": designs.row_bits,
        "off_chip_bits": 8 * beat_bytes,
        # Points with fewer banks, or without a port for their words, cannot be built.
        "banks": np.maximum(1, designs.banks),
        "psum_queue": default_psum_queue(designs.psum_spad),
        "memory_latency": designs.memory_latency,
        "filter_lanes": designs.filter_lanes,
        "ifmap_lanes": designs.ifmap_lanes,
    }
