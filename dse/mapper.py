"""The mapping heuristic: one good mapping of a layer for each of many design points, vectorised.

Objective: fewest cycles, then fewest rows over the off-chip link, then fewest over the ports of the
global buffer.  Each design looks at the places of its array (`dse.places`) with several channels
per PE; everything else of a mapping follows from its scratchpads and its buffer.  An estimate
(`dse.estimate`) leaves the last few, and the hardware's own closed form chooses among those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays, unique_rows
from .errors import MappingError
from .estimate import Estimate, cycles_of, estimate, fill_in
from .group_shape import GroupShape
from .hardware import hardware_counts, layer_cycles
from .places import Places, all_places, best_places, pad_places
from .rules import REASONS, unmappable

__all__ = ["MappingArrays", "map_layer"]

_CHUNK = 512
"""Designs looked at together: arrays stay in the cache."""
_LINKS = ((2.5, 2), (8.0, 1), (32.0, 2))
"""Off-chip bandwidths [byte/cycle], and how many of the likely best mappings for each of them the
hardware's counts decide between; the same for all designs, whatever their own bandwidth."""
_TOO_SMALL = REASONS.index("global buffer too small")


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
    """Return a mapping of `layer` for every design; unmappable ones carry a reason code.

    The mapping of a design does not depend on the designs beside it.
    """
    reason = unmappable(layer, designs)
    table = np.ones((7, len(designs)), dtype=np.int64)
    open_ = np.nonzero(reason == 0)[0]
    reason[open_] = _TOO_SMALL
    if open_.size:
        points, rates, point, rate = _by_rate(designs.select(open_))
        found = np.concatenate(
            [
                _map_points(layer, points.select(part), rates[part])
                for start in range(0, len(points), _CHUNK)
                for part in [slice(start, start + _CHUNK)]
            ]
        )[point, rate]
        fits = found[:, 0] > 0
        table[:, open_[fits]] = found[fits].T
        reason[open_[fits]] = 0
    columns = dict(zip("mnepqrt", table, strict=True))
    return MappingArrays(**columns, feasible=reason == 0, reason=reason.astype(np.int8))


def _by_rate(d: DesignArrays) -> tuple[DesignArrays, Any, Any, Any]:
    """Return points without their DRAM rates, and the rates of each, shape (points, most rates).

    And for each design its point and the place of its rate.  Rates of points that have fewer are
    those of its first.
    """
    first, point = d.of_rates  # in the order of arrays, whose designs look at the same places
    order = np.lexsort((d.dram_bytes_per_cycle, point))
    starts = np.searchsorted(point[order], np.arange(first.size))
    rate = np.empty(len(d), dtype=np.int64)
    rate[order] = np.arange(len(d)) - starts[point[order]]
    rates = np.tile(d.dram_bytes_per_cycle[order[starts]], (int(rate.max()) + 1, 1)).T
    rates[point, rate] = d.dram_bytes_per_cycle
    return d.select(first), rates, point, rate


def _map_points(layer: Layer, d: DesignArrays, rates: Any) -> NDArray[np.int64]:
    """Return the integers m n e p q r t for each design and rate, zeros where none fits."""
    g = GroupShape.of(layer)
    found = _best(layer, d, rates, _places_of(g, d, best_places))
    left = np.nonzero(found[:, 0, 0] == 0)[0]
    if left.size:
        some = d.select(left)
        found[left] = _best(layer, some, rates[left], _places_of(g, some, all_places))
    return found


def _places_of(
    g: GroupShape, d: DesignArrays, places_of_array: Callable[[GroupShape, int, int], Places]
) -> Places:
    """Return places of each design, shape (designs, places, 1)."""
    first, array = unique_rows([d.rows, d.cols])
    each = [places_of_array(g, int(d.rows[i]), int(d.cols[i])) for i in first]
    return pad_places(each)[array][:, :, None]


def _best(layer: Layer, d: DesignArrays, rates: Any, places: Places) -> NDArray[np.int64]:
    """Return the best mapping of each design for each rate, as `_map_points` does."""
    mapping = fill_in(GroupShape.of(layer), d, places)
    last = _last_few(estimate(GroupShape.of(layer), d, mapping), d.glb_bytes_per_cycle)
    row_cycles = np.maximum(1.0, d.glb_bytes_per_cycle[:, None] / rates)
    design = np.arange(len(d))[:, None]
    chosen = {
        name: np.broadcast_to(getattr(mapping, name), mapping.fits.shape)
        .reshape(len(d), -1)[design, last]
        .astype(np.int64)
        for name in "mnepqrt"
    }
    in_spads = mapping.fits.reshape(len(d), -1)[design, last]
    # axes: design, mapping, rate
    columns = {name: x[:, :, None] for name, x in chosen.items()}
    counts = hardware_counts(layer, d, columns, row_cycles[:, None, :])
    fits = counts.fits & in_spads[:, :, None]
    cycles = np.where(fits, layer_cycles(d, counts), np.inf)
    off_chip = counts.filter_rows + counts.ifmap_rows + counts.output_rows
    port = counts.ifmap_read_rows + counts.psum_read_rows + counts.psum_write_rows
    keys = [np.broadcast_to(x, cycles.shape) for x in (port, off_chip, cycles)]
    best = np.lexsort(keys, axis=1)[:, 0]
    found = np.isfinite(np.take_along_axis(cycles, best[:, None], axis=1))[:, 0]
    return np.stack([x[design, best] * found for x in chosen.values()], axis=-1)


def _last_few(costs: Estimate, port: Any) -> Any:
    """Return the numbers of the best mappings by estimate, shape (designs, mappings)."""
    count = port.size
    last = np.empty((count, 0), dtype=np.int64)
    for link, best in _LINKS:
        row_cycles = np.maximum(1, port / link).astype(np.float32)[:, None, None]
        cycles = cycles_of(costs, row_cycles).reshape(count, -1)
        np.put_along_axis(cycles, last, np.inf, axis=1)
        for _ in range(best):
            least = cycles.argmin(axis=1)[:, None]
            np.put_along_axis(cycles, least, np.inf, axis=1)
            last = np.append(last, least, axis=1)
    return last
