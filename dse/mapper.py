"""The mapping heuristic: one good mapping of a layer for each of many design points, vectorised.

Objective: fewest cycles of array, GLB port and DRAM link together, then fewest DRAM bytes, then
fewest port bytes; or that of the published mappings (`dse.objective`).  The search is factorised
(docs/mapping.md): strips, images and PE sets (e, n, r, t) are ranked once for each distinct array
and GLB; they meet scratchpads and bandwidths in `dse.search`; m follows from what the GLB has left.
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
from .objective import Objective, criteria
from .passes import (
    GroupShape,
    Passes,
    ceil_div,
    count_passes,
    filters_in_buffer,
    floor_div,
    psum_room_bits,
)
from .places import PlaceRanking, rank_places
from .rules import REASONS
from .search import Found, SpadTables, Task, fewest_cycles

__all__ = ["MappingArrays", "map_layer"]

_CHUNK = 1 << 13


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


def map_layer(
    layer: Layer, designs: DesignArrays, objective: Objective = "latency"
) -> MappingArrays:
    """Return a mapping of `layer` for every design; unmappable ones carry a reason code.

    The mapping of a design does not depend on the designs beside it.
    """
    latency = objective == "latency"
    distinct, inverse = designs.with_port if latency else designs.without_rates
    table = np.ones((8, len(distinct)), dtype=np.int64)
    g = GroupShape.of(layer)
    row = (1 + designs.scale_words) * g.s
    too_small = (
        distinct.ifmap_spad < row, distinct.filter_spad < row * designs.terms, distinct.rows < g.r
    )  # fmt: skip
    table[7] = np.select(too_small, [1, 2, 3], 4)
    rest = np.nonzero(table[7] == 4)[0]
    if rest.size:
        d = distinct if rest.size == len(distinct) else distinct.select(rest)
        ranking = rank_places(layer, d)
        tables = SpadTables.of(g, d, ranking)
        task = Task(
            layer=layer, g=g, d=d, key=ranking.key, level=ranking.level,
            port_rate=d.glb_bytes_per_cycle if latency else np.full(len(d), np.inf),
            dram_rate=None, limit=np.full(len(d), np.inf),
        )  # fmt: skip
        _map_task(task, ranking, tables, objective, rest, table)
        if latency:
            columns = _wait_for_dram(layer, designs, task, ranking, tables, rest, table)
            return _as_arrays(columns)
    return _as_arrays(table[:, inverse])


def _as_arrays(columns: NDArray[np.int64]) -> MappingArrays:
    reason = columns[7].astype(np.int8)
    names = dict(zip("mnepqrt", columns[:7], strict=True))
    return MappingArrays(**names, feasible=reason == 0, reason=reason)


def _wait_for_dram(
    layer: Layer,
    designs: DesignArrays,
    task: Task,
    ranking: PlaceRanking,
    tables: SpadTables,
    rest: Any,
    table: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the columns of all designs: those of `table`, or better ones where DRAM binds.

    A mapping with the fewest cycles of array and port is the best one if the DRAM link takes no
    longer, or if it already carries the least it can.
    """
    g = task.g
    d, inverse = designs.with_rates
    parent = designs.port_of_rates
    least = _least_dram_bytes(layer, g, d)
    k = dict(zip("mnepqrt", table[:7].astype(np.float64), strict=True))
    counts = count_passes(g, d, **k)
    rates = {"port_rate": designs.with_port[0].glb_bytes_per_cycle, "dram_rate": np.inf}
    cycles, dram, _ = criteria(layer, d, counts, table[2], "latency", **rates)
    improvable = (table[7] == 0) & (dram > least)
    waits = dram[parent] / d.dram_bytes_per_cycle
    bound = np.nonzero(improvable[parent] & (waits > cycles[parent]))[0]
    out = table[:, parent]
    if bound.size:
        place = np.zeros(table.shape[1], dtype=np.int64)
        place[rest] = np.arange(rest.size)
        of = place[parent[bound]]
        again = Task(
            layer=layer, g=g, d=d.select(bound), key=task.key[of], level=task.level[of],
            port_rate=task.port_rate[of], dram_rate=d.dram_bytes_per_cycle[bound],
            limit=waits[bound],
        )  # fmt: skip
        _map_task(again, ranking, tables, "latency", bound, out)
    return out[:, inverse]


def _least_dram_bytes(layer: Layer, g: GroupShape, d: DesignArrays) -> float:
    """Return the bytes of the DRAM link if everything crosses it once."""
    once = Mapping(m=g.m, n=g.n, e=g.e, p=g.m, q=g.c, r=1, t=1)
    counts = count_passes(g, d, **{name: getattr(once, name) for name in "mnepqrt"})
    none = {"port_rate": np.inf, "dram_rate": np.inf}
    return float(criteria(layer, d, counts, g.e, "latency", **none)[1])


def _map_task(
    task: Task,
    ranking: PlaceRanking,
    tables: SpadTables,
    objective: Objective,
    columns: Any,
    out: NDArray[np.int64],
) -> None:
    """Write the mappings and reason 0 into the `columns` of `out` of designs that have any."""
    for start in range(0, len(task.d), _CHUNK):
        piece = slice(start, start + _CHUNK)
        part = task[piece]
        found = fewest_cycles(part, ranking, tables)
        if found.design.size:
            rows = _complete(part, found, ranking, objective)
            at = columns[piece][rows[7].astype(np.int64)]
            out[:7, at] = rows[:7]
            out[7, at] = 0


def _complete(task: Task, found: Found, ranking: PlaceRanking, objective: Objective) -> Any:
    """Trim idle sets, choose m and keep the best of each design: rows m n e p q r t and design."""
    g, d, owner = task.g, task.d, found.design
    p, q, t = found.p, found.q, found.t
    n, e, r = (x[found.cand] for x in (ranking.n, ranking.e, ranking.r))
    r = ceil_div(ceil_div(g.c, q), ceil_div(g.c, q * r))
    filter_groups = ceil_div(g.m, p * t)
    t = ceil_div(ceil_div(g.m, p), filter_groups)
    tile = g.ifmap_bits(n, e, q + d.scale_words, r, d.activation_bits)
    room = psum_room_bits(d.glb_bits[owner], tile, d.bank_bytes)
    in_glb = floor_div(room, g.psum_bits(1, n, e, d.psum_bits))
    in_buffer = filters_in_buffer(g, d)
    port_rate = task.port_rate[owner]
    dram_rate = np.inf if task.dram_rate is None else task.dram_rate[owner]

    def choose(most_m: Any) -> tuple[Any, Passes, tuple[Any, Any, Any]]:
        most_k = np.where(most_m >= g.m, filter_groups, floor_div(most_m, p * t))
        blocks = ceil_div(filter_groups, np.clip(most_k, 1, filter_groups))
        m = np.minimum(ceil_div(filter_groups, blocks) * p * t, g.m)
        counts = count_passes(g, d, m=m, n=n, e=e, p=p, q=q, r=r, t=t)
        rates = {"port_rate": port_rate, "dram_rate": dram_rate}
        return m, counts, criteria(task.layer, d, counts, e, objective, **rates)

    m, counts, (cycles, dram, port) = choose(in_glb)
    if np.any(np.minimum(p * t, g.m) <= in_buffer):
        small_m, _, (small_cycles, small, _) = choose(np.minimum(in_glb, in_buffer))
        use = (small_m <= in_buffer) & (small < dram)
        cycles, dram = np.where(use, small_cycles, cycles), np.where(use, small, dram)
        m = np.where(use, small_m, m)
    order = np.lexsort((counts.slots, port, dram, cycles, owner))
    ranked = owner[order]
    first = order[np.concatenate([[True], ranked[1:] != ranked[:-1]])]
    return np.stack([x[first] for x in (m, n, e, p, q, r, t, owner)])
