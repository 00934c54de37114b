"""What a mapping is chosen by: three criteria, each deciding where those before it tie.

`latency` is a designer's: fewest cycles of array, GLB port and DRAM together, then fewest DRAM
bytes, then fewest bytes over the GLB port.  `compute` is that of the published mappings of the
Eyeriss chip: fewest cycles of the array alone, then fewest DRAM words, then fewest GLB words.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hw.layer import Layer

from .designs import DesignArrays
from .passes import Passes, dram_bytes, port_bytes

__all__ = ["Objective", "criteria"]

Objective = Literal["latency", "compute"]


def criteria(
    layer: Layer,
    designs: DesignArrays,
    counts: Passes,
    e: Any,
    objective: Objective,
    *,
    port_rate: Any,
    dram_rate: Any,
) -> tuple[Any, Any, Any]:
    """Return the three criteria of mappings with strips of `e` rows; the first are cycles.

    Parameters
    ----------
    designs
        Only the scalars are used.
    port_rate
        Bytes per cycle between GLB and array; infinity leaves the term out.
    dram_rate
        Bytes per cycle of the DRAM link; infinity leaves the term out.
    """
    if objective == "compute":
        return counts.compute_cycles, counts.dram_words, counts.glb_words
    dram = sum(dram_bytes(layer, designs, counts, e))
    port = port_bytes(designs, counts)
    cycles = np.maximum(counts.compute_cycles, np.maximum(port / port_rate, dram / dram_rate))
    return cycles, dram, port
