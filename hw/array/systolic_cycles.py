"""Cycles and words of layers on systolic arrays, in closed form.

All arguments may be numpy arrays that broadcast against each other.  The cycles are those of the
hardware, exactly, from the cycle after the first configuration word is taken to the one in which
the last psum vector leaves, both included, where the array is idle at first and no stream ever
makes it wait.  In a weight-stationary array psums that return as `psum_in` do wait for each other:
a psum vector that leaves comes back `turnaround` cycles later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Traffic",
    "goes_filters_first",
    "output_stationary_cycles",
    "systolic_traffic",
    "weight_stationary_cycles",
]

Ints = NDArray[np.int64]


def _ints(*values: ArrayLike) -> list[Ints]:
    return [np.asarray(value, dtype=np.int64) for value in values]


def _ceil_div(value: Ints, size: Ints) -> Ints:
    return -(-value // size)


def _last(value: Ints, size: Ints) -> Ints:
    """Return the size of the last part of `value` cut into parts of `size`."""
    return (value - 1) % size + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _WeightStationary:
    """Intervals between passes of a weight-stationary array; see `weight_stationary_cycles`."""

    column_tiles: Ints
    links: Ints
    """Passes that add to psums of the pass before, for each tile of columns."""
    full_load: Ints
    """Cycles from the start of a pass until full rows of new weights are there."""
    last_load: Ints
    """The same for the rows that the last part of the depth fills."""
    latency: Ints
    back: Ints
    """Cycles from an activation vector to its psum vector coming in again."""

    def filters_first(self, wanted: ArrayLike, vectors: ArrayLike) -> NDArray[np.bool_]:
        """Return whether tiles go through the filters first: only where no psum is waited for."""
        never_waits = self.column_tiles * np.maximum(vectors, self.last_load) >= self.back
        return np.asarray(wanted, dtype=bool) & never_waits

    def _waited(self, vectors: Ints) -> Ints:
        """Return how long the last pass of a chain of passes waited with its weights there."""
        longest = np.maximum(0, self.back - vectors)
        before = np.minimum(longest, np.maximum(self.links - 1, 0) * (self.back - self.full_load))
        last = self.back - np.maximum(vectors, self.last_load - before)
        return np.where(self.links > 0, np.maximum(0, last), 0)

    def to_next(self, wanted: ArrayLike, vectors: Ints) -> Ints:
        """Return the cycles from the start of the last pass over some pixels to the next one's."""
        waited = np.where(self.filters_first(wanted, vectors), 0, self._waited(vectors))
        return np.maximum(vectors, self.full_load - waited)

    def over(self, wanted: ArrayLike, vectors: Ints) -> Ints:
        """Return the cycles from the start of the first pass over some pixels to the next ones'."""
        full, last = (np.maximum(vectors, load) for load in (self.full_load, self.last_load))
        chain = self.links * np.maximum(vectors, self.back) + self.to_next(False, vectors)
        filters_first = self.filters_first(wanted, vectors)
        return self.column_tiles * np.where(filters_first, self.links * full + last, chain)


def _weight_stationary(
    rows: ArrayLike,
    cols: ArrayLike,
    pipeline_depth: ArrayLike,
    adder_cycles: ArrayLike,
    depth: ArrayLike,
    filters: ArrayLike,
    turnaround: ArrayLike,
) -> _WeightStationary:
    r, c, d, stages, k, m, t = _ints(
        rows, cols, pipeline_depth, adder_cycles, depth, filters, turnaround
    )
    pause = (stages - 1) * (r - 1)
    latency = d + r * stages + c - 1
    return _WeightStationary(
        column_tiles=_ceil_div(m, c),
        links=_ceil_div(k, r) - 1,
        full_load=np.minimum(k, r) + pause,
        last_load=_last(k, r) + pause,
        latency=latency,
        back=latency + t,
    )


def goes_filters_first(
    *,
    rows: ArrayLike,
    cols: ArrayLike,
    pipeline_depth: ArrayLike,
    adder_cycles: ArrayLike,
    depth: ArrayLike,
    filters: ArrayLike,
    vectors: ArrayLike,
    turnaround: ArrayLike = 1,
) -> NDArray[np.bool_]:
    """Return whether passes of so many vectors can go through the filters before the depth.

    They can where a psum that left is back before it is needed.
    """
    array = _weight_stationary(rows, cols, pipeline_depth, adder_cycles, depth, filters, turnaround)
    return array.filters_first(True, vectors)


def weight_stationary_cycles(
    *,
    rows: ArrayLike,
    cols: ArrayLike,
    pipeline_depth: ArrayLike,
    adder_cycles: ArrayLike,
    groups: ArrayLike,
    pixels: ArrayLike,
    depth: ArrayLike,
    filters: ArrayLike,
    pass_pixels: ArrayLike | None = None,
    filters_first: ArrayLike = False,
    turnaround: ArrayLike = 1,
) -> Ints:
    """Return the cycles of a layer on a weight-stationary array.

    Parameters
    ----------
    rows, cols, pipeline_depth, adder_cycles
        The array: `SystolicConfig.rows`, `.cols`, `.pe.depth` and `.adder_cycles`.
    groups, pixels, depth, filters
        The layer, as a `MatrixProduct`.
    pass_pixels, filters_first
        The mapping, as `layer_tiles` takes it.
    turnaround
        Cycles from a psum vector leaving to its coming back, at least 1.
    """
    array = _weight_stationary(rows, cols, pipeline_depth, adder_cycles, depth, filters, turnaround)
    g, p = _ints(groups, pixels)
    chunk = np.minimum(p, p if pass_pixels is None else np.asarray(pass_pixels))
    chunks, tail = _ceil_div(p, chunk), _last(p, chunk)
    passes = g * ((chunks - 1) * array.over(filters_first, chunk) + array.over(filters_first, tail))
    # The first pass waits for its weights; the last one is followed by its way out.
    load = np.minimum(*_ints(depth, rows))
    way_out = tail + array.latency - array.to_next(filters_first, tail)
    return np.asarray(load + passes + way_out, dtype=np.int64)


def output_stationary_cycles(
    *,
    rows: ArrayLike,
    cols: ArrayLike,
    pipeline_depth: ArrayLike,
    adder_cycles: ArrayLike,
    groups: ArrayLike,
    pixels: ArrayLike,
    depth: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike = False,
) -> Ints:
    """Return the cycles of a layer on an output-stationary array.

    Parameters
    ----------
    rows, cols, pipeline_depth, adder_cycles
        The array: `SystolicConfig.rows`, `.cols`, `.pe.depth` and `.adder_cycles`.
    groups, pixels, depth, filters
        The layer, as a `MatrixProduct`.
    bias
        Whether psums begin with words that come in.
    """
    r, c, stages, g, p, k, m = _ints(rows, cols, adder_cycles, groups, pixels, depth, filters)
    d = np.asarray(pipeline_depth)
    passes = g * _ceil_div(p, r) * _ceil_div(m, c)
    first = 1 + np.where(bias, r, 0)
    # A swap goes through the rows, then the chains shift, before the next swap.
    interval = np.maximum(k * stages, d + 2 * r)
    return np.asarray(first + passes * interval + d + r + _last(p, r) + c - 1, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Vectors that pass each port in a layer, and the words in use among their elements."""

    weight_vectors: Ints
    activation_vectors: Ints
    psum_in_vectors: Ints
    psum_out_vectors: Ints
    weight_words: Ints
    activation_words: Ints
    psum_in_words: Ints
    psum_out_words: Ints


def systolic_traffic(
    dataflow: str,
    *,
    rows: ArrayLike,
    cols: ArrayLike,
    groups: ArrayLike,
    pixels: ArrayLike,
    depth: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike = False,
    pass_pixels: ArrayLike | None = None,
) -> Traffic:
    """Return what a layer moves through the ports; arguments as for the cycles."""
    r, c, g, p, k, m = _ints(rows, cols, groups, pixels, depth, filters)
    with_bias = np.where(bias, 1, 0)
    column_tiles = _ceil_div(m, c)
    if dataflow == "weight_stationary":
        chunk = np.minimum(p, p if pass_pixels is None else np.asarray(pass_pixels))
        chunks, chain = _ceil_div(p, chunk), _ceil_div(k, r)
        begun = chain - 1 + with_bias
        return Traffic(
            weight_vectors=g * chunks * column_tiles * k,
            activation_vectors=g * p * column_tiles * chain,
            psum_in_vectors=g * p * column_tiles * begun,
            psum_out_vectors=g * p * column_tiles * chain,
            weight_words=g * chunks * m * k,
            activation_words=g * p * column_tiles * k,
            psum_in_words=g * p * m * begun,
            psum_out_words=g * p * m * chain,
        )
    row_tiles = _ceil_div(p, r)
    return Traffic(
        weight_vectors=g * row_tiles * column_tiles * k,
        activation_vectors=g * row_tiles * column_tiles * k,
        psum_in_vectors=g * p * column_tiles * with_bias,
        psum_out_vectors=g * p * column_tiles,
        weight_words=g * row_tiles * m * k,
        activation_words=g * p * column_tiles * k,
        psum_in_words=g * p * m * with_bias,
        psum_out_words=g * p * m,
    )
