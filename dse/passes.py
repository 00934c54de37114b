"""The published loop nest of the Eyeriss chip: passes, cycles and words of a layer.

After Chen et al. (ISCA 2016; JSSC 52(1), 2017).  One group of a layer runs as

    for each block of m filters            psums of the block stay in the GLB
      for each group of n images
        for each strip of e output rows
          for each group of q*r channels   the ifmap tile is fetched into the GLB
            for each group of p*t filters  one pass of the array

and groups follow each other.  Words lie side by side in the GLB without regard to its rows, and
loads cost no cycles: what the published mappings follow from.  The counts of our own hardware are
those of `hw.accelerator_counts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.accelerator_config import FILTER_QUEUE_BYTES

from .designs import DesignArrays
from .group_shape import GroupShape, ceil_div

__all__ = ["Passes", "count_passes", "tile_and_psum_bits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Counts of one layer under one mapping each; arrays of one shape."""

    passes: Any
    """Passes of the array, all groups."""
    compute_cycles: Any
    """Cycles of the array, one product per PE and cycle."""
    slots: Any
    """Cycles of PEs with a product; those of idle filters and channels of the last passes
    included."""
    ifmap_dram_words: Any
    """Ifmap words fetched, padding included."""
    filter_dram_words: Any
    ofmap_dram_words: Any
    ifmap_glb_words: Any
    """Ifmap words from GLB to array."""
    filter_glb_words: Any
    """Filter words from the filter buffer to the array."""
    psum_glb_words: Any
    """Psum words written to the GLB, and as many read (the last read is the output's)."""

    @property
    def dram_words(self) -> Any:
        """Words between DRAM and GLB: the second published objective."""
        return self.ifmap_dram_words + self.filter_dram_words + self.ofmap_dram_words

    @property
    def glb_words(self) -> Any:
        """Words between GLB and array: the third published objective."""
        return self.ifmap_glb_words + self.filter_glb_words + 2 * self.psum_glb_words


def count_passes(
    g: GroupShape, chip: DesignArrays, *, m: Any, n: Any, e: Any, p: Any, q: Any, r: Any, t: Any
) -> Passes:
    """Count passes, cycles and words of a layer; only the scalars of `chip` are used.

    Arrays give float64 arrays whose values are whole numbers; nothing is checked.
    """
    strips = ceil_div(g.e, e)
    tiles = ceil_div(g.n, n) * strips
    channel_groups = ceil_div(g.c, q * r)
    filter_groups = ceil_div(g.m, p * t)
    passes = g.groups * tiles * channel_groups * filter_groups
    # All filters of the group in the array at once: they stay there for all strips and images.
    resident = (channel_groups == 1) & (filter_groups == 1)
    products = n * g.f * p * q * g.s
    weights = g.groups * g.m * g.c * g.r * g.s
    filter_bits = m * (g.c * g.r * g.s * chip.weight_bits)
    buffered = filter_bits <= FILTER_QUEUE_BYTES * 8
    # The tile is the whole input of the group: it is not fetched again for the next block.
    whole = (channel_groups == 1) & (tiles == 1)
    pixels = g.groups * g.n * g.columns * (g.e * g.row_step + strips * (g.r - g.row_step))
    outputs = g.groups * g.outputs
    return Passes(
        passes=passes,
        compute_cycles=passes * products,
        slots=passes * (g.r * e * r * t) * products,
        ifmap_dram_words=pixels * g.c * np.where(whole, 1, ceil_div(g.m, m)),
        filter_dram_words=weights * np.where(resident | buffered, 1, tiles),
        ofmap_dram_words=outputs + 0 * passes,
        ifmap_glb_words=pixels * g.c * filter_groups,
        filter_glb_words=weights * np.where(resident, 1, tiles),
        psum_glb_words=outputs * channel_groups,
    )


def tile_and_psum_bits(
    g: GroupShape, chip: DesignArrays, *, m: Any, n: Any, e: Any, q: Any, r: Any
) -> tuple[Any, Any]:
    """Return the sizes of an ifmap tile and of the psums of a block in the GLB [bits]."""
    tile = n * q * r * (g.columns * chip.activation_bits) * g.strip_rows(e)
    return tile, m * n * e * (g.f * chip.psum_bits)
