"""A layer on the row-stationary array: which passes run, in which order, with which words.

The loop nest is that of docs/mapping.md; a group of a layer runs as

    for each block of m filters
      for each group of n images
        for each strip of e output rows
          for each group of q*r channels, for each part of the filter rows
            for each group of p*t filters
              for each image               one pass; filters are loaded with the first image

Every pass runs p, q, e, r, t in full: channels that the layer does not have get zeros, filters and
output rows that it does not have are computed and dropped.  Filters higher than the array are cut
into equal parts, whose psums are added like those of further channels.  All filters of a group in
the array at once stay there for all its passes.  Channels and filters are counted in words of the
PE type (16 channels of `binary` are one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..layer import Layer
from ..mapping import Mapping
from ..pe.row_pass import RowPass
from .row_stationary_config import RowStationaryConfig
from .row_stationary_pass import ArrayPass

__all__ = ["LayerPasses", "Step", "filter_rows", "zero_activation"]

Codes = NDArray[np.object_] | NDArray[np.int64]


def zero_activation(config: RowStationaryConfig) -> int | None:
    """Return the activation code whose products add nothing, None where the format has none."""
    if config.kind.channel_lanes > 1:
        return None
    code = int(config.kind.activation.encode(0.0))
    return code if config.kind.activation.decode_exact(code) == 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One pass of a layer: where its words come from."""

    group: int
    """Group of the layer."""
    image: int
    filters: int
    """First filter of the pass within the group."""
    strip: int
    """First output row."""
    channels: int
    """First channel of the pass within the group."""
    row: int
    """First filter row of the pass."""
    load: bool
    """Whether the filters are loaded."""

    @property
    def opens(self) -> bool:
        """Whether psums begin in this pass: with the bias, or at zero."""
        return self.channels == 0 and self.row == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPasses:
    """One layer under one mapping on one array."""

    layer: Layer
    mapping: Mapping
    config: RowStationaryConfig
    bias: bool = False
    """Whether psums begin with a bias, which then enters the array like other psums."""
    terms: int = 1
    """Words of a weight (k of FLightNN)."""

    def __post_init__(self) -> None:
        layer, k = self.layer, self.mapping
        if self.config.kind.scaling is not None:
            raise ConfigError(
                f"pe_type of a layer's passes must have no shared scales, not "
                f"{self.config.pe.pe_type!r}"
            )
        limits = (("m", self.m), ("n", layer.n), ("e", layer.e), ("p", self.m), ("q", self.c),
                  ("r", self.c), ("t", self.m))  # fmt: skip
        for name, most in limits:
            if getattr(k, name) > most:
                raise ConfigError(
                    f"mapping of layer {layer.name!r}: {name} must be at most {most}, "
                    f"not {getattr(k, name)}"
                )
        if k.m % (k.p * k.t) and k.m != self.m:
            raise ConfigError(
                f"mapping of layer {layer.name!r}: m must be a multiple of p*t = {k.p * k.t} or "
                f"all {self.m} filters, not {k.m}"
            )
        if (layer.padding or self.c % (k.q * k.r)) and zero_activation(self.config) is None:
            raise ConfigError(
                f"layer {layer.name!r}: {self.config.pe.pe_type} has no activation of zero, so "
                f"padding must be 0, not {layer.padding}, and q*r = {k.q * k.r} must divide the "
                f"{self.c} channels of a group"
            )
        self.array_pass().check(self.config)

    @property
    def c(self) -> int:
        """Channels of a group."""
        return self.layer.c // self.layer.groups

    @property
    def m(self) -> int:
        """Filters of a group."""
        return self.layer.m // self.layer.groups

    @property
    def filter_rows(self) -> int:
        """Filter rows of a pass: all R, or the largest equal parts that the array is high enough
        for."""
        return filter_rows(self.layer.r, self.config.rows)

    @property
    def resident(self) -> bool:
        """Whether a group's filters are all in the array at once."""
        return self.filter_rows == self.layer.r and (
            self.mapping.q * self.mapping.r >= self.c and self.mapping.p * self.mapping.t >= self.m
        )

    def array_pass(self, *, load: bool = True, opens: bool = True) -> ArrayPass:
        """Return what the array does in one pass."""
        layer, k = self.layer, self.mapping
        row = RowPass(
            filters=k.p,
            channels=k.q,
            taps=layer.s,
            stride=min(layer.stride, layer.s),
            positions=layer.f,
            load_filters=load,
            accumulate=self.bias or not opens,
            terms=self.terms,
        )
        return ArrayPass(
            row=row,
            filter_rows=self.filter_rows,
            row_step=min(layer.stride, self.filter_rows),
            strip=k.e,
            channel_sets=k.r,
            filter_sets=k.t,
        )

    def steps(self) -> Iterator[Step]:
        """Yield the passes in their order."""
        layer, k = self.layer, self.mapping
        sums = [
            (channels, row)
            for channels in range(0, self.c, k.q * k.r)
            for row in range(0, layer.r, self.filter_rows)
        ]
        for group in range(layer.groups):
            loaded = False
            for block in range(0, self.m, k.m):
                filter_groups = range(block, min(block + k.m, self.m), k.p * k.t)
                for images, strip, (channels, row), filters in product(
                    range(0, layer.n, k.n), range(0, layer.e, k.e), sums, filter_groups
                ):
                    for image in range(images, min(images + k.n, layer.n)):
                        load = image == images and not (self.resident and loaded)
                        loaded = True
                        yield Step(
                            group=group, image=image, filters=filters, strip=strip,
                            channels=channels, row=row, load=load,
                        )  # fmt: skip

    def filter_words(self, step: Step, weights: Codes) -> list[list[int]]:
        """Return the words of each filter target; `weights` has shape (M, C / groups, R, S), and
        with several terms a last axis of them.  Weights that the layer lacks are code 0."""
        k, a = self.mapping, self.array_pass()
        weights = weights.reshape(*weights.shape[:4], self.terms)
        targets = []
        for g in range(a.filter_targets):
            j, chain = divmod(g, a.height)
            i, row = divmod(chain, a.filter_rows)
            row += step.row
            first = step.filters + j * k.p
            words = []
            for column in range(self.layer.s):
                for c in range(step.channels + i * k.q, step.channels + (i + 1) * k.q):
                    for term in range(self.terms):
                        for f in range(first, first + k.p):
                            there = f < self.m and c < self.c
                            m = step.group * self.m + f
                            words.append(int(weights[m, c, row, column, term]) if there else 0)
            targets.append(words)
        return targets

    def ifmap_words(self, step: Step, inputs: Codes) -> list[list[int]]:
        """Return the words of each input row; `inputs` has shape (N, C, H, W)."""
        layer, k, a = self.layer, self.mapping, self.array_pass()
        zero = zero_activation(self.config) or 0

        def code(c: int, y: int, x: int) -> int:
            y, x = y - layer.padding, x - layer.padding
            if c < self.c and 0 <= y < layer.h and 0 <= x < layer.w:
                return int(inputs[step.image, step.group * self.c + c, y, x])
            return zero

        columns = a.row.ifmap_words // k.q
        rows = []
        for h in range(a.strip_rows):
            y = step.strip * layer.stride + step.row + _used(h, a.filter_rows, layer.stride)
            for i in range(k.r):
                first = step.channels + i * k.q
                rows.append(
                    [
                        code(c, y, _used(column, layer.s, layer.stride))
                        for column in range(columns)
                        for c in range(first, first + k.q)
                    ]
                )
        return rows

    def outputs(self, step: Step) -> dict[tuple[int, int], list[tuple[int, ...] | None]]:
        """Return for each chain (j, o) the outputs (n, m, y, x) its psums belong to, position by
        position, filter by filter; None where the layer has no such output."""
        k, layer = self.mapping, self.layer
        places: dict[tuple[int, int], list[tuple[int, ...] | None]] = {}
        for j in range(k.t):
            for o in range(k.e):
                filters = range(step.filters + j * k.p, step.filters + (j + 1) * k.p)
                y = step.strip + o
                places[j, o] = [
                    (step.image, step.group * self.m + f, y, x) if f < self.m and y < layer.e
                    else None
                    for x in range(layer.f)
                    for f in filters
                ]  # fmt: skip
        return places


def filter_rows(rows: int, array_rows: int) -> int:
    """Return the most filter rows that divide `rows` and fit an array of `array_rows`."""
    return max(part for part in range(1, min(rows, array_rows) + 1) if rows % part == 0)


def _used(index: int, size: int, stride: int) -> int:
    """Return which row (column) of the input is the index-th that a filter of `size` uses."""
    if stride <= size:
        return index
    position, tap = divmod(index, size)
    return position * stride + tap
