"""The exhaustive search that finds the published mappings of the Eyeriss chip.

Every mapping that obeys the published rules is looked at: all e, n, p, q, r, t, and for those with
the fewest cycles all m.  Objective: fewest cycles of the array, then fewest DRAM words, then fewest
GLB words; it looks at nothing that a bandwidth or a clock changes.  What ties is decided by fewest
slots, then by the largest p, q, t, r, n, e and the smallest m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .group_shape import GroupShape, ceil_div, floor_div
from .passes import count_passes, tile_and_psum_bits
from .rules import allowed_channels, array_rules, set_places

__all__ = ["BANK_BYTES", "broken_published_rules", "search_published"]

BANK_BYTES = 4096
"""A bank of the GLB holds ifmap or psums, never both."""


def search_published(
    layer: Layer, chip: DesignArrays, *, no_idle_filters: bool = False
) -> Mapping | None:
    """Return the best mapping of `layer` on the one design in `chip`; None if there is none.

    With `no_idle_filters` only mappings are looked at in which every pass has all its filters: p*t
    divides the filters of a group.
    """
    g = GroupShape.of(layer)
    ties = _fewest_cycles(g, chip, no_idle_filters)
    if ties is None:
        return None
    n, e, p, q, r, t = ties
    # every m: multiples of p*t up to all filters
    groups = ceil_div(g.m, p * t).astype(np.int64)
    repeat = np.repeat(np.arange(p.size), groups)
    k = np.arange(repeat.size) - np.repeat(np.cumsum(groups) - groups, groups) + 1
    n, e, p, q, r, t = (x[repeat] for x in (n, e, p, q, r, t))
    m = np.minimum(k * p * t, g.m)
    fits = m <= _most_filters(g, chip, n, e, q, r)
    m, n, e, p, q, r, t = (x[fits] for x in (m, n, e, p, q, r, t))
    counts = count_passes(g, chip, m=m, n=n, e=e, p=p, q=q, r=r, t=t)
    order = np.lexsort(
        (m, -e, -n, -r, -t, -q, -p, counts.slots, counts.glb_words, counts.dram_words,
         counts.compute_cycles)
    )  # fmt: skip
    best = {
        name: int(x[order[0]]) for name, x in zip("mnepqrt", (m, n, e, p, q, r, t), strict=True)
    }
    return Mapping(**best)


def broken_published_rules(layer: Layer, chip: DesignArrays, mapping: Mapping) -> tuple[str, ...]:
    """Return the published rules that `mapping` breaks on the chip, with their numbers."""
    k, g = mapping, GroupShape.of(layer)
    broken = array_rules(layer, chip, mapping)
    tile, need = tile_and_psum_bits(g, chip, m=k.m, n=k.n, e=k.e, q=k.q, r=k.r)
    if k.m > _most_filters(g, chip, k.n, k.e, k.q, k.r):
        broken.append(
            f"psums of {need // 8} bytes beside an ifmap tile of {tile // 8} bytes must fit the "
            f"{_banks(chip) * BANK_BYTES} bytes of the global buffer in banks of {BANK_BYTES} bytes"
        )
    return tuple(broken)


def _banks(chip: DesignArrays) -> int:
    return int(chip.banks[0])


def _most_filters(g: GroupShape, chip: DesignArrays, n: Any, e: Any, q: Any, r: Any) -> Any:
    """Return the filters whose psums the GLB holds beside the ifmap tile; may be negative."""
    tile, psums = tile_and_psum_bits(g, chip, m=1, n=n, e=e, q=q, r=r)
    bank = 8 * BANK_BYTES
    return floor_div((_banks(chip) - ceil_div(tile, bank)) * bank, psums)


def _fewest_cycles(
    g: GroupShape, chip: DesignArrays, no_idle_filters: bool
) -> tuple[Any, ...] | None:
    """Return arrays n, e, p, q, r, t of all mappings that have the fewest cycles with some m."""
    rows, cols = int(chip.rows[0]), int(chip.cols[0])
    allowed = allowed_channels(g, chip, int(chip.ifmap_spad[0]))
    most_p = min(int(chip.psum_spad[0]), g.m)
    q, p = (x.ravel() for x in np.meshgrid(allowed, np.arange(1, most_p + 1), indexing="ij"))
    in_spad = p * q * g.s <= int(chip.filter_spad[0])
    p, q = p[in_spad], q[in_spad]
    best = np.inf
    ties: list[tuple[Any, ...]] = []
    for e in range(1, g.e + 1):
        high, wide = set_places(g.r, e, rows, cols)
        for r in range(1, min(high, g.c) + 1):
            t = np.arange(1, min(high // r * wide, g.m) + 1)[:, None]
            for n in range(1, g.n + 1):
                fits = np.minimum(p * t, g.m) <= _most_filters(g, chip, n, e, q, r)
                if no_idle_filters:
                    fits = fits & (g.m % (p * t) == 0)
                counts = count_passes(g, chip, m=1, n=n, e=e, p=p, q=q, r=r, t=t)
                cycles = np.where(fits, counts.compute_cycles, np.inf)
                least = cycles.min(initial=np.inf)
                if least < best:
                    best, ties = least, []
                if least == best < np.inf:
                    at_t, at_pq = np.nonzero(cycles == best)
                    some = (n, e, p[at_pq], q[at_pq], r, t[at_t, 0])
                    ties.append(tuple(np.broadcast_to(x, at_t.shape) for x in some))
    if not ties:
        return None
    return tuple(np.concatenate(column) for column in zip(*ties, strict=True))
