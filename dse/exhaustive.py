"""Exhaustive mapping search for one layer on one design point: the yardstick of the heuristic.

Every mapping that obeys `dse.rules` is looked at: all e, n, p, q, r, t, and for those with the
fewest cycles all m (for `latency` the two of which one is best, see `_useful_blocks`).  The
objective is that of the mapper (`dse.objective`); what ties even in its three criteria is decided
by fewest slots, then by the largest p, q, t, r, n, e and the smallest m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .errors import MappingError
from .objective import Objective, criteria
from .passes import (
    GroupShape,
    Passes,
    ceil_div,
    count_passes,
    filters_in_buffer,
    psum_room_bits,
)
from .rules import allowed_channels, set_places

__all__ = ["search_mappings"]


def search_mappings(
    layer: Layer,
    designs: DesignArrays,
    objective: Objective = "latency",
    *,
    no_idle_filters: bool = False,
) -> Mapping | None:
    """Return the best mapping of `layer` on the one design in `designs`; None if there is none.

    With `no_idle_filters` only mappings are looked at in which every pass has all its filters: p*t
    divides the filters of a group.
    """
    if len(designs) != 1:
        raise MappingError(f"the exhaustive search takes one design point, not {len(designs)}")
    g = GroupShape.of(layer)
    ties = _fewest_cycles(layer, designs, objective, no_idle_filters)
    if ties is None:
        return None
    n, e, p, q, r, t = ties
    if objective == "latency":
        most_m = _most_filters(g, designs, n, e, q, r)
        m = np.concatenate(_useful_blocks(g, designs, most_m, p * t))
        n, e, p, q, r, t = (np.tile(x, 2)[m > 0] for x in (n, e, p, q, r, t))
        m = m[m > 0]
    else:
        # every m: multiples of p*t up to all filters
        groups = ceil_div(g.m, p * t).astype(np.int64)
        repeat = np.repeat(np.arange(p.size), groups)
        k = np.arange(repeat.size) - np.repeat(np.cumsum(groups) - groups, groups) + 1
        n, e, p, q, r, t = (x[repeat] for x in (n, e, p, q, r, t))
        m = np.minimum(k * p * t, g.m)
    fits = m <= _most_filters(g, designs, n, e, q, r)
    m, n, e, p, q, r, t = (x[fits] for x in (m, n, e, p, q, r, t))
    counts = count_passes(g, designs, m=m, n=n, e=e, p=p, q=q, r=r, t=t)
    first, second, third = _criteria(layer, designs, counts, e, objective)
    order = np.lexsort((m, -e, -n, -r, -t, -q, -p, counts.slots, third, second, first))
    best = {
        name: int(x[order[0]]) for name, x in zip("mnepqrt", (m, n, e, p, q, r, t), strict=True)
    }
    return Mapping(**best)


def _criteria(
    layer: Layer,
    d: DesignArrays,
    counts: Passes,
    e: Any,
    objective: Objective,
    *,
    with_dram: bool = True,
) -> tuple[Any, Any, Any]:
    dram = d.dram_bytes_per_cycle[0] if with_dram else np.inf
    rates = {"port_rate": d.glb_bytes_per_cycle[0], "dram_rate": dram}
    return criteria(layer, d, counts, e, objective, **rates)


def _most_filters(g: GroupShape, designs: DesignArrays, n: Any, e: Any, q: Any, r: Any) -> Any:
    """Return the filters whose psums the GLB holds beside the ifmap tile; may be negative."""
    tile = g.ifmap_bits(n, e, q + designs.scale_words, r, designs.activation_bits)
    room = psum_room_bits(int(designs.glb_bits[0]), tile, designs.bank_bytes)
    return np.floor(np.true_divide(room, g.psum_bits(1, n, e, designs.psum_bits)))


def _fewest_cycles(
    layer: Layer, designs: DesignArrays, objective: Objective, no_idle_filters: bool
) -> tuple[Any, ...] | None:
    """Return arrays n, e, p, q, r, t of all mappings that have the fewest cycles with some m."""
    g = GroupShape.of(layer)
    rows, cols = int(designs.rows[0]), int(designs.cols[0])
    allowed = allowed_channels(g, designs, int(designs.ifmap_spad[0]))
    most_p = min(int(designs.psum_spad[0]), g.m)
    q, p = (x.ravel() for x in np.meshgrid(allowed, np.arange(1, most_p + 1), indexing="ij"))
    words = p * (q + designs.scale_words) * g.s * designs.terms
    in_spad = words <= int(designs.filter_spad[0])
    p, q = p[in_spad], q[in_spad]
    best = np.inf
    ties: list[tuple[Any, ...]] = []
    for e in range(1, g.e + 1):
        high, wide = set_places(g.r, e, rows, cols)
        for r in range(1, min(high, g.c) + 1):
            t = np.arange(1, min(high // r * wide, g.m) + 1)[:, None]
            for n in range(1, g.n + 1):
                most_m = _most_filters(g, designs, n, e, q, r)
                fits = np.minimum(p * t, g.m) <= most_m
                if no_idle_filters:
                    fits = fits & (g.m % (p * t) == 0)
                if not fits.any():
                    continue
                # without DRAM, which alone depends on m: a bound that leaves out most mappings
                counts = count_passes(g, designs, m=1, n=n, e=e, p=p, q=q, r=r, t=t)
                bound = _criteria(layer, designs, counts, e, objective, with_dram=False)[0]
                where_t, where_pq = np.nonzero(fits & (bound <= best))
                if not where_t.size:
                    continue
                some = {"n": n, "e": e, "p": p[where_pq], "q": q[where_pq], "r": r}
                some["t"] = t[where_t, 0]
                cycles = bound[where_t, where_pq]
                if objective == "latency":
                    cycles = np.full(where_t.size, np.inf)
                    room = most_m[where_pq]
                    for m in _useful_blocks(g, designs, room, some["p"] * some["t"]):
                        counts = count_passes(g, designs, m=np.maximum(m, 1), **some)
                        with_m = _criteria(layer, designs, counts, e, objective)[0]
                        cycles = np.where(m > 0, np.minimum(cycles, with_m), cycles)
                least = cycles.min()
                if least < best:
                    best, ties = least, []
                if least == best < np.inf:
                    tied = np.nonzero(cycles == least)[0]
                    ties.append(
                        tuple(np.broadcast_to(x, cycles.shape)[tied] for x in some.values())
                    )
    if not ties:
        return None
    return tuple(np.concatenate(column) for column in zip(*ties, strict=True))


def _useful_blocks(g: GroupShape, d: DesignArrays, most_m: Any, filters: Any) -> tuple[Any, Any]:
    """Return the largest m, and the largest whose filters the filter buffer holds; 0 is none.

    Cycles depend on m through the DRAM words alone.  A larger m never fetches the ifmap more often,
    and filters are fetched less often only where they fit the buffer, so one of the two is best.
    """
    in_buffer = filters_in_buffer(g, d)

    def largest(most: Any) -> Any:
        return np.where(most >= g.m, g.m, np.floor(np.maximum(most, 0) / filters) * filters)

    return largest(most_m), largest(np.minimum(most_m, in_buffer))
