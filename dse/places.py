"""Strips, images and PE sets (e, n, r, t) worth trying on an array, for each layer.

All that fit an array are compared on a few sizes of scratchpads, buffers and links; kept are those
that are among the best of any of them.  The choice depends on nothing but the layer and the array,
so designs of all PE types share it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .designs import DesignArrays
from .estimate import cycles_of, estimate, fill_in
from .group_shape import GroupShape
from .rules import set_places

__all__ = ["Places", "all_places", "best_places", "pad_places", "tight_values"]

_SPADS = ((8, 64, 8), (12, 224, 24), (32, 512, 64))
"""Ifmap, filter and psum scratchpads [words] that places are compared on."""
_GLB_KIB = (32, 256)
_LINKS = ((8, 8.0), (16, 4.0), (32, 16.0), (64, 64.0), (64, 4.0))
"""Ports and off-chip bandwidths [byte/cycle]."""
_KEPT = 2
"""Places that each of these keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Places to try: float32 arrays of one shape."""

    n: Any
    e: Any
    r: Any
    t: Any
    real: Any = True
    """Whether a place is one, and does not only fill up an array."""

    def __getitem__(self, index: Any) -> Places:
        real = self.real if self.real is True else self.real[index]
        return Places(n=self.n[index], e=self.e[index], r=self.r[index], t=self.t[index], real=real)


@lru_cache(maxsize=4096)
def tight_values(total: int) -> tuple[int, ...]:
    """Return the sizes that split `total` into parts without a smaller size giving as few parts."""
    return tuple(sorted({-(-total // parts) for parts in range(1, total + 1)}))


@lru_cache(maxsize=4096)
def all_places(g: GroupShape, rows: int, cols: int) -> Places:
    """Return all places of an array that no other one is better than in every way."""
    found = set()
    images = [n for n in range(1, g.n + 1) if g.n % n == 0]
    for e in tight_values(g.e):
        high, wide = (int(x) for x in set_places(g.r, e, rows, cols))
        heights = {min(high // parts, g.c) for parts in range(1, high + 1)}
        for r in heights:
            above = high // r
            sets = {min(t, g.m) for t in (above * wide, wide, 1)}
            found |= set(itertools.product(images, [e], [r], sets))
    columns = np.array(sorted(found), dtype=np.float32).reshape(-1, 4).T
    return Places(**dict(zip("nert", columns, strict=True)))


@lru_cache(maxsize=4096)
def best_places(g: GroupShape, rows: int, cols: int) -> Places:
    """Return the places of an array that are among the best for some sizes of everything else."""
    places = all_places(g, rows, cols)
    grid = np.array(list(itertools.product(_SPADS, _GLB_KIB, _LINKS)), dtype=object)
    one = np.ones(len(grid), dtype=np.int64)
    ifmap, filters, psums = np.array(grid[:, 0].tolist()).T
    port, link = np.array(grid[:, 2].tolist()).T
    designs = DesignArrays(
        rows=rows * one, cols=cols * one, ifmap_spad=np.maximum(ifmap, 2 * g.s),
        filter_spad=np.maximum(filters, 8 * g.s), psum_spad=psums,
        glb_kib=grid[:, 1].astype(np.int64), glb_bytes_per_cycle=port,
        dram_bytes_per_cycle=link, weight_bits=8, activation_bits=16,
        psum_bits=32,
    )  # fmt: skip
    mapping = fill_in(g, designs, places[None, :, None])
    cycles = cycles_of(
        estimate(g, designs, mapping), designs.row_cycles[:, None, None].astype(np.float32)
    )
    order = np.argsort(cycles.min(axis=2), axis=1, kind="stable")[:, :_KEPT]
    return places[np.unique(order)]


def pad_places(all_of_them: list[Places]) -> Places:
    """Return places as arrays of shape (lists, most places), filled up with ones."""
    sizes = np.array([one.n.size for one in all_of_them])
    real = np.arange(sizes.max()) < sizes[:, None]
    columns = {name: np.ones(real.shape, dtype=np.float32) for name in "nert"}
    for name, column in columns.items():
        column[real] = np.concatenate([getattr(one, name) for one in all_of_them])
    return Places(**columns, real=real)
