"""The search of the mapping heuristic: which (e, n, r, t), q and p take the fewest cycles.

Works on many designs at once.  Ranked places (`dse.places`) meet each design's scratchpads and
bandwidths; whatever cannot beat the best cycles found so far is left out.  m is chosen later
(`dse.mapper`), but where the DRAM link counts, its cycles are those of the best m.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.layer import Layer

from .designs import DesignArrays
from .passes import (
    GroupShape,
    ceil_div,
    count_passes,
    filter_words,
    filters_in_buffer,
    psum_room_bits,
    sent_channels,
    stored_channels,
)
from .places import PlaceRanking, run_cycles
from .rules import allowed_channels

__all__ = ["Found", "SpadTables", "Task", "fewest_cycles"]


_ROUNDS = 3
"""Candidates of each design that are tried one after the other; the rest is tried together."""


_GROUPS = 4
"""Numbers of filter groups, from the fewest on, that are tried where the port binds."""

_WORTH = 1.2
"""Cycles, as a multiple of the fewest, up to which another number of filter groups is tried."""

_SHORT = 8
"""Filters per PE below which a GLB that limits them is tried with fewer sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpadTables:
    """What scratchpads decide, by the channels q per PE; index 0 of each is unused."""

    rounds: list[list[int]]
    """All q, in two rounds: powers of two, whose cycles then rule out most of the others."""
    smaller: dict[int, int]
    """The next smaller of each q; 0 is none."""
    sent: NDArray[np.float64]
    """Words to the array, scales after every q channels, as a multiple of those in DRAM."""
    channel_groups: NDArray[np.float64]
    """Channel groups, shape (q, r)."""
    cycles: NDArray[np.float64]
    """Cycles of all filters with p per PE, shape (q, distinct (n, t), p)."""
    least: NDArray[np.float64]
    """The fewest of them for at most p per PE, same shape."""
    argument: NDArray[np.int64]
    """The p that takes the fewest cycles, same shape."""

    @classmethod
    def of(cls, g: GroupShape, d: DesignArrays, ranking: PlaceRanking) -> SpadTables:
        """Return the tables of the designs."""
        allowed = allowed_channels(g, d, int(d.ifmap_spad.max()))
        most_q = allowed[-1]
        words = (1 + d.scale_words) * g.s * d.terms
        most_p = int(min(d.psum_spad.max(), d.filter_spad.max() // words, g.m))
        qs = np.arange(1, most_q + 1)
        heights = np.maximum(np.arange(int(ranking.r.max(initial=1)) + 1), 1)
        channel_groups = np.full((most_q + 1, heights.size), np.inf)
        channel_groups[1:] = ceil_div(g.c, qs[:, None] * heights)
        p = np.arange(1, most_p + 1)
        groups = ceil_div(g.m, p * ranking.table_t[:, None])
        cycles = np.full((most_q + 1, groups.shape[0], most_p + 1), np.inf)
        for q in allowed:
            cycles[q, :, 1:] = run_cycles(g, d, ranking.table_n[:, None], p, q) * groups
        least = np.minimum.accumulate(cycles, axis=2)
        argument = np.where(cycles == least, np.arange(most_p + 1), 0)
        powers, others = ([q for q in allowed if (q & q - 1 == 0) == x] for x in (True, False))
        sent = np.ones(most_q + 1)
        sent[1:] = sent_channels(g, d, qs) / stored_channels(g, d)
        return cls(
            rounds=[x for x in (powers, others) if x],
            smaller=dict(zip(allowed, [0, *allowed], strict=False)),
            sent=sent,
            channel_groups=channel_groups,
            cycles=cycles,
            least=least,
            argument=np.maximum.accumulate(argument, axis=2),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Designs to map, in the order of falling ifmap scratchpads, with what bounds them."""

    layer: Layer
    g: GroupShape
    d: DesignArrays
    key: NDArray[np.int64]
    """Place of each design in the ranking."""
    level: NDArray[np.int64]
    """Level of each design's psum scratchpad in the ranking."""
    port_rate: NDArray[np.float64]
    """Bytes per cycle of the GLB port; infinity leaves it out."""
    dram_rate: NDArray[np.float64] | None
    """Bytes per cycle of the DRAM link; None leaves it out."""
    limit: NDArray[np.float64]
    """Cycles that a mapping may take at most."""

    def __getitem__(self, index: Any) -> Task:
        dram = self.dram_rate
        return dataclasses.replace(
            self, d=self.d.select(index), key=self.key[index], level=self.level[index],
            port_rate=self.port_rate[index], dram_rate=None if dram is None else dram[index],
            limit=self.limit[index],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All mappings found with the fewest cycles of their design: equally long arrays."""

    design: NDArray[np.int64]
    cand: NDArray[np.int64]
    """Candidate of the ranking, which fixes n, e and r."""
    q: Any
    p: Any
    t: Any


def fewest_cycles(task: Task, ranking: PlaceRanking, tables: SpadTables) -> Found:
    """Return the mappings with the fewest cycles of each design, none for designs without one."""
    g, d = task.g, task.d
    columns = np.arange(allowed_channels(g, d, int(d.ifmap_spad[0]))[-1] + 1) + d.scale_words
    with_room = np.searchsorted(-d.ifmap_spad, -columns * g.s, side="right")
    words = np.maximum(columns * (g.s * d.terms), 1)
    spad_p = np.minimum(d.psum_spad, d.filter_spad // words[:, None])
    spad_p = np.minimum(spad_p, tables.least.shape[2] - 1).astype(np.float64)
    search = _Search(
        task=task, ranking=ranking, tables=tables, spad_p=spad_p, with_room=with_room,
        best=task.limit.copy(), ties=[],
    )  # fmt: skip
    who, cand = _pairs(task, ranking)
    bound, fixed = _bounds(task, ranking, who, cand)
    # the most promising candidates of each design first: they rule out most of the others
    for _ in range(_ROUNDS):
        open_ = np.nonzero(bound <= search.best[who])[0]
        who, cand, bound, fixed = (x[open_] for x in (who, cand, bound, fixed))
        if not who.size:
            return search.found()
        starts = np.nonzero(np.concatenate([[True], who[1:] != who[:-1]]))[0]
        least = np.minimum.reduceat(bound, starts)
        sizes = np.diff(np.append(starts, who.size))
        now = np.nonzero(bound == np.repeat(least, sizes))[0]
        # of those that promise as much, the first
        now = now[np.concatenate([[True], who[now[1:]] != who[now[:-1]]])]
        search.visit(who[now], cand[now], fixed[now])
        bound[now] = np.inf
    open_ = np.nonzero(bound <= search.best[who])[0]
    if open_.size:
        search.visit(who[open_], cand[open_], fixed[open_])
    return search.found()


def _pairs(task: Task, ranking: PlaceRanking) -> tuple[Any, Any]:
    """Return all pairs of a design and a candidate of its place, those of a design together."""
    count = ranking.count[task.key]
    who = np.repeat(np.arange(len(task.d)), count)
    first = ranking.start[task.key] - (np.cumsum(count) - count)
    return who, np.arange(who.size) + np.repeat(first, count)


def _bounds(task: Task, ranking: PlaceRanking, who: Any, cand: Any) -> tuple[Any, Any]:
    """Return lower bounds on the cycles of pairs, and on their port bytes without psums."""
    g, d, c = task.g, task.d, ranking
    most_q = np.minimum(d.ifmap_spad // g.s - d.scale_words, min(g.c, d.block or g.c))
    most_q = np.maximum(most_q, 1).astype(np.float64)
    least = (1 + d.scale_words) * g.s * d.terms
    most_p = np.minimum(d.psum_spad, d.filter_spad // least).astype(np.float64)
    filters = np.floor(np.minimum(most_p[who], c.in_glb[cand])) * c.t[cand]
    filter_groups = np.ceil(g.m / np.clip(filters, 1, g.m))
    channel_groups = np.ceil(g.c / (c.r[cand] * most_q[who]))
    weights = g.groups * filter_words(g, d, stored_channels(g, d)) * (d.weight_bits / 8)
    resident = (filter_groups == 1) & (channel_groups == 1)
    filter_bytes = c.filter_port_bytes[cand]
    filter_bytes[resident] = weights
    fixed = c.ifmap_port_bytes[cand] * filter_groups + filter_bytes
    fixed -= g.groups * g.outputs * (d.psum_bits / 8)
    port = fixed + channel_groups * (2 * g.groups * g.outputs * (d.psum_bits / 8))
    run = c.run[task.level[who], cand]
    bound = np.maximum(c.channels[cand] * run + c.fills[cand], port / task.port_rate[who])
    if task.dram_rate is not None:
        blocks = np.ceil(g.m / np.clip(c.most_filters[cand], 1, g.m))
        blocks[c.one_tile[cand] & (channel_groups == 1)] = 1
        dram = c.ifmap_dram_bytes[cand] * blocks
        dram += weights if filters_in_buffer(g, d) >= 1 else filter_bytes
        dram += g.groups * g.outputs * (d.ofmap_bits / 8)
        np.maximum(bound, dram / task.dram_rate[who], out=bound)
    return bound, fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """The state of one search: the fewest cycles of each design and what reached them."""

    task: Task
    ranking: PlaceRanking
    tables: SpadTables
    spad_p: Any
    """Most filters per PE in the scratchpads, shape (q, designs)."""
    with_room: Any
    """Designs whose ifmap scratchpad has room for q channels: the first ones."""
    best: Any
    ties: list[tuple[Any, ...]]

    def found(self) -> Found:
        """Return what reached the fewest cycles."""
        if not self.ties:
            nothing = np.zeros(0, dtype=np.int64)
            return Found(design=nothing, cand=nothing, q=nothing, p=nothing, t=nothing)
        who, cycles, cand, q, p, t = (np.concatenate(x) for x in zip(*self.ties, strict=True))
        same = np.nonzero(cycles == self.best[who])[0]
        return Found(design=who[same], cand=cand[same], q=q[same], p=p[same], t=t[same])

    def visit(self, active: Any, cand: Any, fixed: Any) -> None:
        """Try every q and a few p of one candidate for each of the `active` designs (sorted)."""
        g, d, ranking, tables = self.task.g, self.task.d, self.ranking, self.tables
        run, fill = ranking.run[self.task.level[active], cand], ranking.fill[cand]
        row = ranking.r[cand]
        rate = self.task.port_rate[active]
        psums = 2 * g.groups * g.outputs * (d.psum_bits / 8)
        for channels in tables.rounds:
            tried = []
            for q in (x for x in channels if x < self.with_room.size):
                end = int(np.searchsorted(active, self.with_room[q]))
                passes = tables.channel_groups[q].take(row[:end])
                # a q that saves no group of channels only takes room
                useful = passes < tables.channel_groups[tables.smaller[q]].take(row[:end])
                bound = np.maximum(
                    passes * ((q + d.scale_words) * run[:end] + fill[:end]),
                    (fixed[:end] + psums * passes) / rate[:end],
                )
                open_ = np.nonzero(useful & (bound <= self.best[active[:end]]))[0]
                tried.append((active[open_], cand[open_], np.full(open_.size, q), passes[open_]))
            if tried:
                who, those, q_of, passes = (np.concatenate(x) for x in zip(*tried, strict=True))
                if who.size:
                    self._with_spads(who, those, q_of, passes)

    def _with_spads(self, who: Any, cand: Any, q: Any, passes: Any) -> None:
        """Choose p for designs `who` with q: of the fewest cycles, and of the fewest groups."""
        g, d, ranking, tables = self.task.g, self.task.d, self.ranking, self.tables
        _, rows, width = tables.least.shape
        t = ranking.t[cand]
        tile_bits = (q + d.scale_words) * ranking.tile_bits[cand]
        room = psum_room_bits(d.glb_bits[who], tile_bits, d.bank_bytes)
        by_glb = room / ranking.psum_places_bits[cand]
        by_glb[room >= g.m * ranking.psum_row_bits[cand]] = width
        # the conversion to integers rounds down
        in_spads = self.spad_p.take(q * len(d) + who)
        most = np.maximum(np.minimum(in_spads, by_glb), 0).astype(np.int64)
        where = (q * rows + ranking.table_row[cand]) * width + most
        cycles = tables.least.take(where) * (ranking.tiles[cand] * passes)
        p = tables.argument.take(where)
        waited = self._note(who, cycles, cand, q, np.maximum(p, 1), t, passes, room)
        # Fewer groups of filters: less over the port, and filters that stay in the array.
        by_glb = np.floor(np.maximum(by_glb, 0))
        short = (by_glb < in_spads) & ((by_glb < _SHORT) | (waited > cycles))
        slow = np.nonzero(short | (waited > cycles) & (p < most) | (passes == 1))[0]
        if not slow.size:
            return
        who, cand, q, passes, t, room, most, by_glb, in_spads = (
            x[slow] for x in (who, cand, q, passes, t, room, most, by_glb, in_spads)
        )
        # where the GLB leaves room for no more filters of t sets, for those of fewer sets
        more = by_glb + 1
        fewer_t = np.floor(np.maximum(room / ranking.psum_row_bits[cand], 0) / more)
        use = (more <= in_spads) & (more * fewer_t > most * t)
        most, t = np.where(use, more, most), np.where(use, fewer_t, t)
        some = np.nonzero(most * t)[0]
        who, cand, q, passes, t, room, most = (
            x[some] for x in (who, cand, q, passes, t, room, most)
        )
        groups = ceil_div(g.m, most * t)
        for _ in range(_GROUPS):
            p = ceil_div(g.m, groups * t)
            n = ranking.n[cand]
            cycles = ranking.tiles[cand] * passes * groups * run_cycles(g, d, n, p, q)
            one = np.nonzero((passes == 1) & (groups == 1))[0]
            if one.size:
                few = cand[one]
                cycles[one] = count_passes(
                    g, d, m=1, n=ranking.n[few], e=ranking.e[few], p=p[one], q=q[one],
                    r=ranking.r[few], t=t[one],
                ).compute_cycles  # fmt: skip
            waited = self._note(who, cycles, cand, q, p, t, passes, room)
            # one group more only where the array was what took the time
            near = waited <= _WORTH * self.best[who]
            some = np.nonzero((waited == cycles) & (p > 1) & near)[0]
            if not some.size:
                return
            who, cand, q, passes, t, room, groups = (
                x[some] for x in (who, cand, q, passes, t, room, groups)
            )
            groups = groups + 1

    def _note(
        self, who: Any, cycles: Any, cand: Any, q: Any, p: Any, t: Any, passes: Any, room: Any
    ) -> Any:
        """Note the mappings that reach the fewest cycles; return those of all, with waiting."""
        g, d, ranking = self.task.g, self.task.d, self.ranking
        groups = ceil_div(g.m, p * t)
        resident = (passes == 1) & (groups == 1)
        weights = g.groups * filter_words(g, d, stored_channels(g, d)) * (d.weight_bits / 8)
        psum = g.groups * g.outputs * (d.psum_bits / 8)
        filters = np.where(resident, weights, ranking.filter_port_bytes[cand])
        words = ranking.ifmap_port_bytes[cand] * groups + filters
        if d.scale_words:
            words *= self.tables.sent[q]
        port = words + (2 * passes - 1) * psum
        waited = np.maximum(cycles, port / self.task.port_rate[who])
        if self.task.dram_rate is not None:
            dram = self._dram_bytes(cand, p * t, groups, passes, resident, room)
            waited = np.maximum(waited, dram / self.task.dram_rate[who])
        np.minimum.at(self.best, who, waited)
        hit = np.nonzero((waited == self.best[who]) & np.isfinite(waited))[0]
        self.ties.append((who[hit], waited[hit], cand[hit], q[hit], p[hit], t[hit]))
        return waited

    def _dram_bytes(
        self, cand: Any, filters: Any, groups: Any, passes: Any, resident: Any, room: Any
    ) -> Any:
        """Return the bytes of the DRAM link with the best m, for `filters` of a pass."""
        g, d, ranking = self.task.g, self.task.d, self.ranking
        weights = g.groups * filter_words(g, d, stored_channels(g, d)) * (d.weight_bits / 8)
        buffer = filters_in_buffer(g, d)
        in_glb = np.floor(room / ranking.psum_row_bits[cand])
        whole = (passes == 1) & ranking.one_tile[cand]

        def with_most(most: Any) -> tuple[Any, Any]:
            in_block = np.where(most >= g.m, groups, np.floor(most / filters))
            blocks = ceil_div(groups, np.clip(in_block, 1, groups))
            return np.where(whole, 1, blocks), np.minimum(ceil_div(groups, blocks) * filters, g.m)

        ifmap = ranking.ifmap_dram_bytes[cand]
        tiled = ranking.filter_port_bytes[cand]
        fetches, m = with_most(in_glb)
        dram = ifmap * fetches + np.where(resident | (m <= buffer), weights, tiled)
        fetches, m = with_most(np.minimum(in_glb, buffer))
        small = np.where(m <= buffer, ifmap * fetches + weights, np.inf)
        return np.minimum(dram, small) + g.groups * g.outputs * (d.ofmap_bits / 8)
