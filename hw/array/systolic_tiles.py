"""A layer as passes of a systolic array: tiles of its matrix products, and their vectors.

A tile is what one pass computes: some pixels and filters of one group, over some of the depth.

- weight-stationary: rows hold the depth, columns the filters.  Tiles go through the depth first,
  then through the filters, then through the pixels, then through the groups.  Psums of all but
  the first tile in depth begin with those that left the tile before.  `filters_first` goes through
  the filters before the depth wherever no psum is then waited for; that needs a place for the psums
  of all filters instead of one column tile's.  `pass_pixels` limits the pixels of a pass, and with
  them that place.
- output-stationary: rows hold pixels, columns filters; a pass goes through all of the depth.  Tiles
  go through the filters first, then the pixels, then the groups.

Elements of vectors that a tile leaves unused are not present, or carry zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .matrix import Codes, MatrixProduct
from .systolic import COUNTER_BITS, SystolicConfig, zero_activation
from .systolic_cycles import goes_filters_first

__all__ = ["Tile", "activation_vectors", "config_fields", "layer_tiles", "weight_vectors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One pass; psums of filters and pixels over a part of the depth."""

    group: int
    pixels: slice
    filters: slice
    depth: slice
    accumulate: bool
    """Whether psums begin with psums (or biases) that come in."""
    last: bool
    """Whether the psums that leave are complete."""


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _size(part: slice) -> int:
    return int(part.stop - part.start)


def layer_tiles(
    config: SystolicConfig,
    product: MatrixProduct,
    *,
    bias: bool = False,
    pass_pixels: int | None = None,
    filters_first: bool = False,
) -> Iterator[Tile]:
    """Yield the tiles of a layer in the order of their passes.

    Raises
    ------
    ConfigError
        A pass would be empty or longer than the counters of the array.
    """
    stationary = config.dataflow == "weight_stationary"
    pixels_at_once = product.pixels if pass_pixels is None else pass_pixels
    chunk = pixels_at_once if stationary else config.rows
    depth = config.rows if stationary else product.depth
    length = min(chunk, product.pixels) if stationary else depth
    if not 1 <= length <= 1 << COUNTER_BITS:
        raise ConfigError(
            f"a pass must have 1 to {1 << COUNTER_BITS} vectors, not {length}; "
            + ("limit its pixels" if stationary else "such a layer needs another dataflow")
        )
    for group in range(product.groups):
        for pixels in _parts(product.pixels, chunk):
            columns, rows = _parts(product.filters, config.cols), _parts(product.depth, depth)
            pairs = [(filters, words) for filters in columns for words in rows]
            if filters_first and stationary and _never_waits(config, product, _size(pixels)):
                pairs = [(filters, words) for words in rows for filters in columns]
            for filters, words in pairs:
                yield Tile(
                    group=group,
                    pixels=pixels,
                    filters=filters,
                    depth=words,
                    accumulate=bias or words.start > 0,
                    last=words.stop == product.depth,
                )


def _never_waits(config: SystolicConfig, product: MatrixProduct, vectors: int) -> bool:
    return bool(
        goes_filters_first(
            rows=config.rows,
            cols=config.cols,
            pipeline_depth=config.pe.depth,
            adder_cycles=config.adder_cycles,
            depth=product.depth,
            filters=product.filters,
            vectors=vectors,
        )
    )


def config_fields(config: SystolicConfig, tile: Tile) -> dict[str, int]:
    """Return the fields of the configuration word of a tile's pass."""
    if config.dataflow == "weight_stationary":
        sizes = {"vectors": _size(tile.pixels) - 1, "weights": _size(tile.depth) - 1}
    else:
        sizes = {"steps": _size(tile.depth) - 1, "rows": _size(tile.pixels) - 1}
    return sizes | {"accumulate": int(tile.accumulate)}


def weight_vectors(config: SystolicConfig, tile: Tile, weights: Codes) -> list[list[int]]:
    """Return the weight vectors of a tile, from matrices of shape (groups, depth, filters)."""
    block = weights[tile.group, tile.depth, tile.filters]
    padded = np.pad(block, ((0, 0), (0, config.cols - block.shape[1])))
    return [[int(word) for word in vector] for vector in padded]


def activation_vectors(
    config: SystolicConfig, tile: Tile, activations: Codes, present: NDArray[np.bool_]
) -> list[list[int]]:
    """Return the activation vectors of a tile, from matrices of shape (groups, pixels, depth)."""
    zero, bits = zero_activation(config.kind), config.kind.activation.bits
    words = activations[tile.group, tile.pixels, tile.depth]
    there = present[tile.group, tile.pixels, tile.depth]
    if config.dataflow == "output_stationary":
        words, there = words.T, there.T
    absent = 0 if zero is None else zero
    mask = 1 << bits if config.masked else 0
    marked = np.where(there, words.astype(object) | mask, absent)
    padding = ((0, 0), (0, config.rows - marked.shape[1]))
    return [
        [int(word) for word in vector] for vector in np.pad(marked, padding, constant_values=absent)
    ]
