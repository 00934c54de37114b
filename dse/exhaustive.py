"""Exhaustive mapping search for one layer on one design point: the yardstick of the heuristic.

Every mapping that obeys `dse.rules` is looked at: all e, n, p, q, r, t, and for those with the
fewest cycles all m.  The objective is that of the mapper: fewest compute cycles, then fewest DRAM
words, then fewest GLB words; what ties even then is decided by fewest products, then by the largest
p, q, t, r, n, e and the smallest m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .errors import MappingError
from .passes import GroupShape, ceil_div, count_passes, psum_room_bits
from .rules import set_places

__all__ = ["search_mappings"]


def search_mappings(
    layer: Layer, designs: DesignArrays, *, no_idle_filters: bool = False
) -> Mapping | None:
    """Return the best mapping of `layer` on the one design in `designs`; None if there is none.

    With `no_idle_filters` only mappings are looked at in which every pass has all its filters: p*t
    divides the filters of a group.
    """
    if len(designs) != 1:
        raise MappingError(f"the exhaustive search takes one design point, not {len(designs)}")
    g = GroupShape.of(layer)
    ties = _fewest_cycles(g, designs, no_idle_filters)
    if ties is None:
        return None
    n, e, p, q, r, t = ties
    # every m: multiples of p*t up to all filters
    groups = ceil_div(g.m, p * t).astype(np.int64)
    repeat = np.repeat(np.arange(p.size), groups)
    k = np.arange(repeat.size) - np.repeat(np.cumsum(groups) - groups, groups) + 1
    n, e, p, q, r, t = (x[repeat] for x in (n, e, p, q, r, t))
    m = np.minimum(k * p * t, g.m)
    fits = _fits(g, designs, m, n, e, q, r)
    m, n, e, p, q, r, t = (x[fits] for x in (m, n, e, p, q, r, t))
    counts = count_passes(g, designs, m=m, n=n, e=e, p=p, q=q, r=r, t=t)
    order = np.lexsort(
        (m, -e, -n, -r, -t, -q, -p, counts.products, counts.glb_words, counts.dram_words)
    )
    best = {
        name: int(x[order[0]]) for name, x in zip("mnepqrt", (m, n, e, p, q, r, t), strict=True)
    }
    return Mapping(**best)


def _fits(g: GroupShape, designs: DesignArrays, m: Any, n: Any, e: Any, q: Any, r: Any) -> Any:
    tile = g.ifmap_bits(n, e, q, r, designs.activation_bits)
    room = psum_room_bits(int(designs.glb_bits[0]), tile, designs.bank_bytes)
    return g.psum_bits(m, n, e, designs.psum_bits) <= room


def _fewest_cycles(
    g: GroupShape, designs: DesignArrays, no_idle_filters: bool
) -> tuple[Any, ...] | None:
    """Return arrays n, e, p, q, r, t of all mappings with the fewest cycles, m being least."""
    rows, cols = int(designs.rows[0]), int(designs.cols[0])
    most_q = min(int(designs.ifmap_spad[0]) // g.s, g.c)
    most_p = min(int(designs.psum_spad[0]), g.m)
    q, p = (x.ravel() for x in np.mgrid[1 : most_q + 1, 1 : most_p + 1])
    in_spad = p * q * g.s <= int(designs.filter_spad[0])
    p, q = p[in_spad], q[in_spad]
    best = np.inf
    ties: list[tuple[Any, ...]] = []
    for e in range(1, g.e + 1):
        high, wide = set_places(g.r, e, rows, cols)
        for r in range(1, min(high, g.c) + 1):
            t = np.arange(1, min(high // r * wide, g.m) + 1)[:, None]
            for n in range(1, g.n + 1):
                fits = _fits(g, designs, np.minimum(p * t, g.m), n, e, q, r)
                if no_idle_filters:
                    fits = fits & (g.m % (p * t) == 0)
                if not fits.any():
                    continue
                cycles = count_passes(g, designs, m=1, n=n, e=e, p=p, q=q, r=r, t=t).compute_cycles
                cycles = np.where(fits, cycles, np.inf)
                least = cycles.min()
                if least < best:
                    best, ties = least, []
                if least == best < np.inf:
                    where_t, where_pq = np.nonzero(cycles == least)
                    same = np.ones(where_t.size, dtype=np.int64)
                    ties.append(
                        (n * same, e * same, p[where_pq], q[where_pq], r * same, t[where_t, 0])
                    )
    if not ties:
        return None
    return tuple(np.concatenate(column) for column in zip(*ties, strict=True))
