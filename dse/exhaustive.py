"""Exhaustive mapping search for one layer on one design point: the yardstick of the heuristic.

All mappings that obey `dse.rules` are looked at with the closed form of the hardware: every n, e,
p, q, r, t, and of m the smallest for each number of blocks (more room for psums does nothing else).
What ties in cycles is decided as in the mapper, then by the largest p, q, t, r, n, e and the
smallest m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .errors import MappingError
from .group_shape import GroupShape, ceil_div
from .hardware import hardware_counts, layer_cycles
from .places import tight_values
from .rules import allowed_channels, set_places, unmappable

__all__ = ["search_mappings"]


def search_mappings(layer: Layer, designs: DesignArrays) -> Mapping | None:
    """Return the best mapping of `layer` on the one design in `designs`; None if there is none."""
    if len(designs) != 1:
        raise MappingError(f"the exhaustive search takes one design point, not {len(designs)}")
    if unmappable(layer, designs)[0]:
        return None
    g = GroupShape.of(layer)
    rows, cols = int(designs.rows[0]), int(designs.cols[0])
    p, q = _in_spads(g, designs)
    bests: list[tuple[Any, ...]] = []
    for e in range(1, g.e + 1):
        high, wide = (int(x) for x in set_places(g.r, e, rows, cols))
        for r in range(1, min(high, g.c) + 1):
            t = np.arange(1, min(high // r * wide, g.m) + 1)
            for n in (n for n in range(1, g.n + 1) if g.n % n == 0):
                each_t, pq = (x.ravel() for x in np.meshgrid(t, np.arange(p.size), indexing="ij"))
                found = _best(layer, designs, g, n=n, e=e, p=p[pq], q=q[pq], r=r, t=each_t)
                if found is not None:
                    bests.append(found)
    if not bests:
        return None
    return Mapping(**dict(zip("mnepqrt", min(bests)[-1], strict=True)))


def _in_spads(g: GroupShape, d: DesignArrays) -> tuple[Any, Any]:
    """Return all p and q that the scratchpads allow together."""
    allowed = allowed_channels(g, d, int(d.ifmap_spad[0]))
    most_p = min(int(d.psum_spad[0]), g.m)
    q, p = (x.ravel() for x in np.meshgrid(allowed, np.arange(1, most_p + 1), indexing="ij"))
    fits = p * (q + d.scale_words) * g.s * d.terms <= int(d.filter_spad[0])
    return p[fits], q[fits]


def _best(
    layer: Layer, designs: DesignArrays, g: GroupShape, *, p: Any, q: Any, t: Any, **place: int
) -> tuple[Any, ...] | None:
    """Return the criteria of the best of some mappings and its integers; None if none fits."""
    groups = ceil_div(g.m, p * t).astype(np.int64)
    blocks = [np.array(sorted({int(ceil_div(int(x), k)) for k in tight_values(int(x))}))
              for x in range(1, int(groups.max()) + 1)]  # fmt: skip
    index = np.repeat(np.arange(p.size), [blocks[x - 1].size for x in groups])
    of_each = np.concatenate([blocks[x - 1] for x in groups])
    p, q, t, groups = p[index], q[index], t[index], groups[index]
    m = np.minimum(ceil_div(groups, of_each).astype(np.int64) * p * t, g.m)
    one = np.ones(p.size, dtype=np.int64)
    k = {"m": m, "n": place["n"] * one, "e": place["e"] * one, "p": p, "q": q,
         "r": place["r"] * one, "t": t}  # fmt: skip
    many = designs.select(0 * one)
    counts = hardware_counts(layer, many, k)
    cycles = np.where(counts.fits, layer_cycles(many, counts), np.inf)
    off_chip = counts.filter_rows + counts.ifmap_rows + counts.output_rows
    port = counts.ifmap_read_rows + counts.psum_read_rows + counts.psum_write_rows
    last = (m, -k["e"], -k["n"], -k["r"], -t, -q, -p)
    best = np.lexsort((*last, port, off_chip, cycles))[0]
    if not np.isfinite(cycles[best]):
        return None
    criteria = (cycles, off_chip, port, *reversed(last))
    return (*(x[best] for x in criteria), tuple(int(x[best]) for x in k.values()))
