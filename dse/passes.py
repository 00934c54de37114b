"""The loop nest of a row-stationary layer: how many passes, and how many words move.

After Chen et al. (ISCA 2016; JSSC 52(1), 2017).  One group of a layer runs as

    for each block of m filters            psums of the block stay in the GLB
      for each group of n images
        for each strip of e output rows
          for each group of q*r channels   the ifmap tile is fetched into the GLB
            for each group of p*t filters  one pass: the array works, filters are loaded first

and groups follow each other.  All functions take numbers or equally shaped arrays and count one
layer, in words (`dse.layer_runs`); the mapper, the exhaustive search and the performance model
share them.  With shared scales, each column of q channels is followed by its words of scale on its
way to a PE; in DRAM a scale stands once for each block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.layer import Layer

from .designs import DesignArrays, psum_interval

__all__ = [
    "GroupShape",
    "Passes",
    "ceil_div",
    "count_passes",
    "dram_bytes",
    "filter_words",
    "filters_in_buffer",
    "floor_div",
    "port_bytes",
    "psum_room_bits",
    "real_ifmap_words",
    "real_rows",
    "sent_channels",
    "stored_channels",
]


def ceil_div(a: Any, b: Any) -> Any:
    """Return a / b rounded up: int for ints, float64 for arrays (exact, numbers are below 2**53).

    Division of float64 is vectorised by numpy, division of integers is not.
    """
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return np.ceil(np.true_divide(a, b))


def floor_div(a: Any, b: Any) -> Any:
    """Return a / b rounded down, with the types of `ceil_div`."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    return np.floor(np.true_divide(a, b))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShape:
    """One group of a layer: what a mapping maps."""

    groups: int
    n: int
    """Batch."""
    c: int
    """Channels of the group."""
    m: int
    """Filters of the group."""
    e: int
    f: int
    r: int
    s: int
    row_step: int
    """Input rows from one output row to the next that are used, min(U, R)."""
    col_step: int
    """Input columns from one position to the next that are used, min(U, S)."""

    @classmethod
    def of(cls, layer: Layer) -> GroupShape:
        """Return the shape of one group of `layer`."""
        return cls(
            groups=layer.groups, n=layer.n, c=layer.c // layer.groups, m=layer.m // layer.groups,
            e=layer.e, f=layer.f, r=layer.r, s=layer.s,
            row_step=min(layer.stride, layer.r), col_step=min(layer.stride, layer.s),
        )  # fmt: skip

    @property
    def columns(self) -> int:
        """Input columns that are used, padding included: the H of the published rule."""
        return (self.f - 1) * self.col_step + self.s

    @property
    def outputs(self) -> int:
        """Outputs of the group over the batch."""
        return self.n * self.m * self.e * self.f

    def strip_rows(self, e: Any) -> Any:
        """Return the input rows that `e` output rows use."""
        return (e - 1) * self.row_step + self.r

    def ifmap_bits(self, n: Any, e: Any, words: Any, r: Any, activation_bits: int) -> Any:
        """Return the size of the ifmap tile in the GLB [bits], of `words` words per PE column."""
        return n * words * r * self.columns * self.strip_rows(e) * activation_bits

    def psum_bits(self, m: Any, n: Any, e: Any, psum_bits: int) -> Any:
        """Return the size of the psums in the GLB [bits]."""
        return m * n * self.f * e * psum_bits


def stored_channels(g: GroupShape, d: DesignArrays) -> int:
    """Return the words of one pixel over all channels in DRAM, scales included."""
    return g.c + (d.scale_words * -(-g.c // d.block) if d.block else 0)


def sent_channels(g: GroupShape, d: DesignArrays, q: Any) -> Any:
    """Return the same as it goes to the array: with scales after every q channels."""
    return g.c + (d.scale_words * ceil_div(g.c, q) if d.scale_words else 0)


def filter_words(g: GroupShape, d: DesignArrays, channels: Any) -> Any:
    """Return the filter words of a group, for `channels` words of a pixel over all channels."""
    return g.m * channels * (g.r * g.s * d.terms)


def filters_in_buffer(g: GroupShape, d: DesignArrays) -> int:
    """Return how many whole filters the filter buffer holds."""
    words = stored_channels(g, d) * g.r * g.s * d.terms
    return d.filter_buffer_bytes * 8 // (words * d.weight_bits)


def psum_room_bits(glb_bits: Any, ifmap_bits: Any, bank_bytes: int) -> Any:
    """Return what an ifmap tile leaves for psums in the GLB [bits]; may be negative.

    With banks, a bank holds ifmap or psums, never both.
    """
    if not bank_bytes:
        return glb_bits - ifmap_bits
    bank = bank_bytes * 8
    return (floor_div(glb_bits, bank) - ceil_div(ifmap_bits, bank)) * bank


@lru_cache(maxsize=4096)
def real_rows(layer: Layer) -> NDArray[np.int64]:
    """Return the unpadded input rows fetched over all strips, for strips of 0, 1, ... E rows.

    Entry 0 is unused.  Rows in two strips (the halo) count twice, skipped rows not at all.
    """
    out = np.zeros(layer.e + 1, dtype=np.int64)
    low, high = layer.padding, layer.padding + layer.h

    def inside(first: NDArray[np.int64], last: NDArray[np.int64]) -> int:
        return int(np.maximum(np.minimum(last, high) - np.maximum(first, low), 0).sum())

    if layer.r <= layer.stride:
        top = np.arange(layer.e) * layer.stride
        out[1:] = inside(top, top + layer.r)
        return out
    for e in range(1, layer.e + 1):
        start = np.arange(0, layer.e, e)
        end = np.minimum(start + e, layer.e)
        out[e] = inside(start * layer.stride, (end - 1) * layer.stride + layer.r)
    return out


@lru_cache(maxsize=4096)
def real_ifmap_words(layer: Layer, channels: int) -> NDArray[np.float64]:
    """Return the ifmap words of one fetch of the whole input, for strips of 0, 1, ... E rows.

    Without padding, which is not stored in DRAM; rows as in `real_rows`, `channels` words of a
    pixel over the channels of a group.
    """
    start = np.arange(layer.f) * layer.stride
    if layer.stride < layer.s:
        first, last = start[:1], start[-1:] + layer.s
    else:
        first, last = start, start + layer.s
    low, high = layer.padding, layer.padding + layer.w
    columns = int(np.maximum(np.minimum(last, high) - np.maximum(first, low), 0).sum())
    return real_rows(layer) * np.float64(layer.n * layer.groups * channels * columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Counts of one layer under one mapping each; arrays of one shape."""

    passes: Any
    """Passes of the array, all groups."""
    filter_loads: Any
    """Passes that load new filter words."""
    compute_cycles: Any
    """Cycles of the array without waiting for GLB or DRAM."""
    slots: Any
    """Cycles of PEs with a product of words or a word of scale; those of idle filters and channels
    of the last passes included."""
    ifmap_dram_words: Any
    """Ifmap words fetched, padding included."""
    filter_dram_words: Any
    ofmap_dram_words: Any
    """Psum words that leave as outputs."""
    ifmap_glb_words: Any
    """Ifmap words from GLB to array."""
    filter_glb_words: Any
    """Filter words from the filter buffer to the array."""
    psum_glb_words: Any
    """Psum words written to the GLB, and as many read (the last read is the output's)."""
    interval: Any
    """Cycles of one tap."""
    tile_fetches: Any
    """How often the whole ifmap comes from DRAM."""

    @property
    def dram_words(self) -> Any:
        """Words between DRAM and GLB, padding included: the second published objective."""
        return self.ifmap_dram_words + self.filter_dram_words + self.ofmap_dram_words

    @property
    def glb_words(self) -> Any:
        """Words between GLB and array: the third published objective."""
        return self.ifmap_glb_words + self.filter_glb_words + 2 * self.psum_glb_words


def count_passes(
    shape: GroupShape,
    designs: DesignArrays,
    *,
    m: Any,
    n: Any,
    e: Any,
    p: Any,
    q: Any,
    r: Any,
    t: Any,
) -> Passes:
    """Count passes, cycles and words of a layer; only the scalars of `designs` are used.

    Arrays give float64 arrays whose values are whole numbers; nothing is checked (see `dse.rules`).
    """
    g = shape
    strips = ceil_div(g.e, e)
    images = ceil_div(g.n, n)
    channel_groups = ceil_div(g.c, q * r)
    filter_groups = ceil_div(g.m, p * t)
    blocks = ceil_div(g.m, m)
    tiles = images * strips
    passes = g.groups * tiles * channel_groups * filter_groups
    # All filters of the group in the array at once: they stay there for all strips and images.
    resident = (channel_groups == 1) & (filter_groups == 1)
    loads = np.where(resident, g.groups, passes)
    interval = psum_interval(p, designs.psum_latency, designs.macro)
    window = (q + designs.scale_words) * g.s
    work = window * designs.terms
    first, load = (0, 0) if designs.loads_overlap else (window, p * work)
    cycles = passes * (n * (first + g.f * work * interval) + designs.fill_cycles) + loads * load
    slots = passes * (g.r * e * r * t) * (n * g.f * p * work)
    stored, sent = stored_channels(g, designs), sent_channels(g, designs, q)
    weights = g.groups * filter_words(g, designs, stored)
    buffered = m <= filters_in_buffer(g, designs)
    # The tile is the whole input of the group: it is not fetched again for the next block.
    whole = (channel_groups == 1) & (tiles == 1)
    fetches = np.where(whole, 1, blocks)
    pixels = g.groups * g.n * g.columns * (g.e * g.row_step + strips * (g.r - g.row_step))
    outputs = g.groups * g.outputs
    return Passes(
        passes=passes,
        filter_loads=loads,
        compute_cycles=cycles,
        slots=slots,
        ifmap_dram_words=pixels * stored * fetches,
        filter_dram_words=weights * np.where(resident | buffered, 1, tiles),
        ofmap_dram_words=outputs + 0 * passes,
        ifmap_glb_words=pixels * sent * filter_groups,
        filter_glb_words=g.groups * filter_words(g, designs, sent) * np.where(resident, 1, tiles),
        psum_glb_words=outputs * channel_groups,
        interval=interval,
        tile_fetches=fetches,
    )


def port_bytes(designs: DesignArrays, counts: Passes) -> Any:
    """Return the bytes that cross the port between GLB and array.

    Psums of a layer leave the GLB once less than they enter it for the array: the last read is that
    of the output on its way to DRAM.
    """
    return (
        counts.ifmap_glb_words * (designs.activation_bits / 8)
        + counts.filter_glb_words * (designs.weight_bits / 8)
        + (2 * counts.psum_glb_words - counts.ofmap_dram_words) * (designs.psum_bits / 8)
    )


def dram_bytes(layer: Layer, designs: DesignArrays, counts: Passes, e: Any) -> tuple[Any, Any]:
    """Return the bytes read from DRAM and those written; padding of the ifmap is not stored."""
    stored = stored_channels(GroupShape.of(layer), designs)
    ifmap = real_ifmap_words(layer, stored)[np.asarray(e, dtype=np.int64)] * counts.tile_fetches
    read = ifmap * (designs.activation_bits / 8) + counts.filter_dram_words * (
        designs.weight_bits / 8
    )
    return read, counts.ofmap_dram_words * (designs.ofmap_bits / 8)
