"""A layer as products of matrices, one for each group, and what they are in plain integers.

Words, not numbers, are counted here: a word of a PE type with channel lanes holds several channels,
one with filter lanes several filters, and a weight of several terms is as many words.

- rows of the activation matrix are output pixels: image by image, row by row, column by column;
- its columns, the depth, are filter row by filter row, column by column, channel by channel, term
  by term: the order in which every psum adds up its products;
- columns of the weight matrix are the filters of the group.

What lies in the padding adds nothing to a psum; activations there are not present.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..config import PEConfig
from ..errors import ConfigError
from ..layer import Layer
from ..pe.golden import accumulate
from ..pe.pe_type import PEType
from ..pe.registry import PE_TYPES

__all__ = ["MatrixProduct", "activation_matrix", "golden_layer", "matrix_product", "weight_matrix"]

Codes = NDArray[np.object_] | NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixProduct:
    """`groups` products of a pixels x depth matrix with a depth x filters matrix."""

    groups: int
    pixels: int
    depth: int
    """Words a psum is the sum of."""
    filters: int
    """Filter words of one group."""


def matrix_product(layer: Layer, kind: PEType, terms: int = 1) -> MatrixProduct:
    """Return the shapes of a layer's matrices.

    Raises
    ------
    ConfigError
        A group's channels or filters do not fill the lanes of the PE type, or it has not so many
        terms.
    """
    for what, count, lanes in (
        ("channels", layer.c // layer.groups, kind.channel_lanes),
        ("filters", layer.m // layer.groups, kind.filter_lanes),
    ):
        if count % lanes:
            raise ConfigError(
                f"layer {layer.name!r}: {what} of a group must be a multiple of the {lanes} lanes "
                f"of {kind.name}, not {count}"
            )
    if not 1 <= terms <= kind.terms:
        raise ConfigError(f"terms of {kind.name} must be 1 to {kind.terms}, not {terms!r}")
    return MatrixProduct(
        groups=layer.groups,
        pixels=layer.n * layer.e * layer.f,
        depth=layer.r * layer.s * (layer.c // layer.groups // kind.channel_lanes) * terms,
        filters=layer.m // layer.groups // kind.filter_lanes,
    )


def _check_shape(name: str, codes: Codes, wanted: tuple[int | None, ...]) -> None:
    pairs = zip(codes.shape, wanted, strict=False)
    if codes.ndim != len(wanted) or any(b is not None and a != b for a, b in pairs):
        shape = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ConfigError(f"{name} must have the shape ({shape}), not {codes.shape}")


def activation_matrix(
    layer: Layer, activations: Codes, terms: int = 1
) -> tuple[Codes, NDArray[np.bool_]]:
    """Return the words of the activation matrices and which of them are present.

    Parameters
    ----------
    activations
        Codes, shape (n, channel words, h, w).

    Returns
    -------
    words, present
        Shape (groups, pixels, depth); words that are not present are 0.
    """
    _check_shape("activations", activations, (layer.n, None, layer.h, layer.w))
    edge = ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2)
    channels = activations.shape[1] // layer.groups
    matrices = []
    for plane in (np.pad(activations, edge), np.pad(np.ones(activations.shape, bool), edge)):
        # axes: image, channel, output row, output column, filter row, filter column
        windows = np.lib.stride_tricks.sliding_window_view(plane, (layer.r, layer.s), (2, 3))
        windows = windows[:, :, :: layer.stride, :: layer.stride]
        grouped = windows.reshape(layer.n, layer.groups, channels, *windows.shape[2:])
        ordered = grouped.transpose(1, 0, 3, 4, 5, 6, 2)
        pixels = layer.n * layer.e * layer.f
        matrix = ordered.reshape(layer.groups, pixels, layer.r * layer.s * channels)
        matrices.append(np.repeat(matrix, terms, axis=2))
    return matrices[0], matrices[1]


def weight_matrix(layer: Layer, weights: Codes) -> Codes:
    """Return the words of the weight matrices, shape (groups, depth, filters).

    Parameters
    ----------
    weights
        Codes, shape (filter words, channel words of a group, r, s, terms).
    """
    _check_shape("weights", weights, (None, None, layer.r, layer.s, None))
    filters = weights.shape[0] // layer.groups
    grouped = weights.reshape(layer.groups, filters, *weights.shape[1:])
    ordered = grouped.transpose(0, 3, 4, 2, 5, 1)
    return ordered.reshape(layer.groups, -1, filters)


def golden_layer(
    pe: PEConfig,
    layer: Layer,
    activations: Codes,
    weights: Codes,
    bias: Codes | None = None,
) -> Codes:
    """Return the psums of a layer, summed up one product after the other as arrays do.

    Parameters
    ----------
    activations, weights
        Codes as `activation_matrix` and `weight_matrix` take them.
    bias
        Psums to begin with, as `hw.pe.golden.accumulate` takes them, shape (filter words,).

    Returns
    -------
    psums
        As `accumulate` returns them, shape (n, filter words, e, f).
    """
    product = PE_TYPES[pe.pe_type].product
    filters, channels, r, s, terms = weights.shape
    psums = np.empty((layer.n, filters, layer.e, layer.f), dtype=object)
    for image, m, e, f in np.ndindex(psums.shape):
        first_channel = m // (filters // layer.groups) * channels
        psum = 0 if bias is None else int(bias[m])
        for i, j, c, term in np.ndindex(r, s, channels, terms):
            row, col = (place * layer.stride - layer.padding for place in (e, f))
            if 0 <= row + i < layer.h and 0 <= col + j < layer.w:
                activation = activations[image, first_channel + c, row + i, col + j]
                weight = weights[m, c, i, j, term]
                psum = accumulate(psum, product(int(weight), int(activation)), pe)
        psums[image, m, e, f] = psum
    return psums
