"""The mapping heuristic: one good mapping of a layer for each of many design points, vectorised.

Objective: fewest compute cycles, then fewest DRAM words, then fewest GLB words.  The search is
factorised (docs/mapping.md): strips, images and PE sets (e, n, r, t) are ranked once for each
distinct array and GLB by a lower bound on the cycles; the best `CANDIDATES` of them meet each
design's scratchpads, where q is tried in full and p is looked up in a table of running minima; m
follows from what the GLB has left.  Candidates whose bound is above the best cycles are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .errors import MappingError
from .passes import GroupShape, Passes, ceil_div, count_passes, floor_div, psum_room_bits
from .places import PlaceRanking, rank_places, run_cycles
from .rules import REASONS

__all__ = ["CANDIDATES", "MappingArrays", "map_layer"]

CANDIDATES = 12
"""Ranked (e, n, r, t) that are tried for each array and GLB."""

_CHUNK = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingArrays:
    """One mapping for each design: int64 arrays of shape (designs,); 1 everywhere if infeasible."""

    m: NDArray[np.int64]
    n: NDArray[np.int64]
    e: NDArray[np.int64]
    p: NDArray[np.int64]
    q: NDArray[np.int64]
    r: NDArray[np.int64]
    t: NDArray[np.int64]
    feasible: NDArray[np.bool_]
    reason: NDArray[np.int8]
    """Index into `dse.rules.REASONS`; 0 where feasible."""

    def __len__(self) -> int:
        return int(self.m.size)

    def mapping(self, index: int) -> Mapping:
        """Return the mapping of one design; `MappingError` with the reason if it has none."""
        if not self.feasible[index]:
            raise MappingError(f"design {index} cannot be mapped: {REASONS[self.reason[index]]}")
        return Mapping(**{name: int(getattr(self, name)[index]) for name in "mnepqrt"})

    @classmethod
    def of(cls, mapping: Mapping) -> MappingArrays:
        """Return the arrays of one given mapping."""
        columns = {name: np.array([getattr(mapping, name)]) for name in "mnepqrt"}
        return cls(**columns, feasible=np.array([True]), reason=np.zeros(1, dtype=np.int8))


def map_layer(layer: Layer, designs: DesignArrays) -> MappingArrays:
    """Return a mapping of `layer` for every design; unmappable ones carry a reason code."""
    g = GroupShape.of(layer)
    first, inverse = designs.unique_keys
    table = np.ones((8, first.size), dtype=np.int64)
    _map_keys(g, designs.select(first), table)
    columns = table[:, inverse]
    names = dict(zip("mnepqrt", columns[:7], strict=True))
    reason = columns[7].astype(np.int8)
    return MappingArrays(**names, feasible=reason == 0, reason=reason)


def _map_keys(g: GroupShape, designs: DesignArrays, out: NDArray[np.int64]) -> None:
    """Write m, n, e, p, q, r, t and the reason code of every design into the rows of `out`."""
    out[7] = np.select(
        [designs.ifmap_spad < g.s, designs.filter_spad < g.s, designs.rows < g.r], [1, 2, 3], 4
    )
    rest = np.nonzero(out[7] == 4)[0]
    if not rest.size:
        return
    d = designs if rest.size == len(designs) else designs.select(rest)
    ranking = rank_places(g, d)
    tables = _SpadTables.of(g, d, ranking)
    for start in range(0, len(d), _CHUNK):
        piece = slice(start, start + _CHUNK)
        part = d.select(piece)
        owner, cand, q, p = _fewest_cycles(g, part, ranking, tables, piece)
        if owner.size:
            places = (x[cand] for x in (ranking.n, ranking.e, ranking.r, ranking.t))
            columns = _complete(g, part, owner, p, q, *places)
            found = rest[piece][columns[7].astype(np.int64)]
            out[:7, found] = columns[:7]
            out[7, found] = 0


def _fewest_cycles(
    g: GroupShape, d: DesignArrays, ranking: PlaceRanking, tables: _SpadTables, piece: slice
) -> tuple[Any, ...]:
    """Return (design, candidate, q, p) of all mappings found with the fewest cycles of a design.

    Designs must stand in the order of falling ifmap scratchpads: those with room for q channels are
    then the first ones.
    """
    key, level = ranking.key[piece], ranking.level[piece]
    start, count = ranking.start[key], ranking.count[key]
    most_q = min(int(d.ifmap_spad[0]) // g.s, g.c)
    with_room = [
        int(np.searchsorted(-d.ifmap_spad, -q * g.s, side="right")) for q in range(most_q + 1)
    ]
    spad_p = np.zeros((most_q + 1, len(d)))
    for q in range(1, most_q + 1):
        spad_p[q] = np.minimum(d.psum_spad, d.filter_spad // (q * g.s))
    np.minimum(spad_p, tables.least.shape[2] - 1, out=spad_p)
    best = np.full(len(d), np.inf)
    ties: list[tuple[Any, ...]] = []
    for k in range(min(CANDIDATES, int(count.max(initial=0)))):
        active = np.nonzero(count > k)[0]
        cand = start[active] + k
        run = ranking.run[level[active], cand]
        open_ = np.nonzero(ranking.channels[cand] * run + ranking.fills[cand] <= best[active])[0]
        active, cand, run = active[open_], cand[open_], run[open_]
        fill, row = ranking.fill[cand], ranking.r[cand]
        for channels in tables.rounds:
            tried = []
            for q in (x for x in channels if x <= most_q):
                end = int(np.searchsorted(active, with_room[q]))
                passes = tables.channel_groups[q].take(row[:end])
                bound = passes * (q * run[:end] + fill[:end])
                open_ = np.nonzero(bound <= best[active[:end]])[0]
                same_q = np.full(open_.size, q)
                tried.append((active[open_], cand[open_], same_q, passes[open_]))
            if not tried:
                continue
            who, those, q_of, passes = (np.concatenate(x) for x in zip(*tried, strict=True))
            if not who.size:
                continue
            cycles, p = _with_spads(g, d, ranking, tables, spad_p, who, those, q_of, passes)
            np.minimum.at(best, who, cycles)
            hit = np.nonzero((cycles == best[who]) & np.isfinite(cycles))[0]
            ties.append((who[hit], cycles[hit], those[hit], q_of[hit], p[hit]))
    if not ties:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing, nothing
    owner, cycles, cand, q_of, p_of = (np.concatenate(column) for column in zip(*ties, strict=True))
    same = np.nonzero(cycles == best[owner])[0]
    return owner[same], cand[same], q_of[same], p_of[same]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SpadTables:
    """What scratchpads decide, by the channels q per PE; index 0 of each is unused."""

    rounds: list[list[int]]
    """All q, in two rounds: powers of two, whose cycles then rule out most of the others."""
    channel_groups: list[Any]
    """Channel groups for each r."""
    least: Any
    """Fewest cycles of all filters for at most p per PE, shape (q, distinct (n, t), p)."""
    argument: Any
    """The p that takes the fewest cycles, same shape."""

    @classmethod
    def of(cls, g: GroupShape, d: DesignArrays, ranking: PlaceRanking) -> _SpadTables:
        """Return the tables for designs in the order of falling ifmap scratchpads."""
        most_q = min(int(d.ifmap_spad[0]) // g.s, g.c)
        most_p = int(min(d.psum_spad.max(), d.filter_spad.max() // g.s, g.m))
        qs = range(1, most_q + 1)
        powers = [q for q in qs if q & (q - 1) == 0]
        others = [q for q in qs if q & (q - 1)]
        heights = np.maximum(np.arange(int(ranking.r.max(initial=1)) + 1), 1)
        p = np.arange(1, most_p + 1)
        groups = ceil_div(g.m, p * ranking.table_t[:, None])
        cycles = np.full((most_q + 1, groups.shape[0], most_p + 1), np.inf)
        for q in qs:
            cycles[q, :, 1:] = run_cycles(g, d, ranking.table_n[:, None], p, q) * groups
        least = np.minimum.accumulate(cycles, axis=2)
        argument = np.where(cycles == least, np.arange(most_p + 1, dtype=np.int32), 0)
        return cls(
            rounds=[x for x in (powers, others) if x],
            channel_groups=[np.zeros(0), *(ceil_div(g.c, q * heights) for q in qs)],
            least=least,
            argument=np.maximum.accumulate(argument, axis=2),
        )


def _with_spads(
    g: GroupShape, d: DesignArrays, ranking: PlaceRanking, tables: _SpadTables,
    spad_p: Any, who: Any, cand: Any, q: Any, passes: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Return the fewest cycles (infinite if nothing fits) of designs `who` with q, and the p."""
    _, rows, width = tables.least.shape
    t = ranking.t[cand]
    room = psum_room_bits(d.glb_bits[who], q * ranking.tile_bits[cand], d.bank_bytes)
    by_glb = room / ranking.psum_places_bits[cand]
    by_glb[room >= g.m * ranking.psum_row_bits[cand]] = width
    # the conversion to integers rounds down
    in_spads = spad_p.take(q * len(d) + who)
    most = np.maximum(np.minimum(in_spads, by_glb), 0).astype(np.int64)
    where = (q * rows + ranking.table_row[cand]) * width + most
    cycles = tables.least.take(where) * (ranking.tiles[cand] * passes)
    p = tables.argument.take(where)
    # Filters of a group that are all in the array stay there: loaded once, not for every tile.
    one_group = np.nonzero(passes == 1)[0]
    least_p = ceil_div(g.m, t[one_group])
    fits = least_p <= most[one_group]
    stays, one = one_group[fits], least_p[fits]
    if stays.size:
        few = cand[stays]
        kept = count_passes(
            g, d, m=1, n=ranking.n[few], e=ranking.e[few], p=one, q=q[stays], r=ranking.r[few],
            t=t[stays],
        ).compute_cycles  # fmt: skip
        better = kept < cycles[stays]
        cycles[stays[better]] = kept[better]
        p[stays[better]] = one[better]
    return cycles, p


def _complete(
    g: GroupShape, d: DesignArrays, owner: Any, p: Any, q: Any, n: Any, e: Any, r: Any, t: Any
) -> Any:
    """Trim idle sets, choose m and keep the best of each design: rows m n e p q r t and design."""
    r = ceil_div(ceil_div(g.c, q), ceil_div(g.c, q * r))
    filter_groups = ceil_div(g.m, p * t)
    t = ceil_div(ceil_div(g.m, p), filter_groups)
    tile = g.ifmap_bits(n, e, q, r, d.activation_bits)
    room = psum_room_bits(d.glb_bits[owner], tile, d.bank_bytes)
    in_glb = floor_div(room, g.psum_bits(1, n, e, d.psum_bits))
    in_buffer = d.filter_buffer_bytes * 8 // (g.c * g.r * g.s * d.weight_bits)

    def choose(most_m: Any) -> tuple[Any, Passes]:
        most_k = np.where(most_m >= g.m, filter_groups, floor_div(most_m, p * t))
        blocks = ceil_div(filter_groups, np.clip(most_k, 1, filter_groups))
        m = np.minimum(ceil_div(filter_groups, blocks) * p * t, g.m)
        return m, count_passes(g, d, m=m, n=n, e=e, p=p, q=q, r=r, t=t)

    m, counts = choose(in_glb)
    dram = counts.dram_words
    if np.any(np.minimum(p * t, g.m) <= in_buffer):
        small_m, small = choose(np.minimum(in_glb, in_buffer))
        use = (small_m <= in_buffer) & (small.dram_words < dram)
        dram = np.where(use, small.dram_words, dram)
        m = np.where(use, small_m, m)
    order = np.lexsort((counts.products, counts.glb_words, dram, owner))
    ranked = owner[order]
    first = order[np.concatenate([[True], ranked[1:] != ranked[:-1]])]
    return np.stack([x[first] for x in (m, n, e, p, q, r, t, owner)])
