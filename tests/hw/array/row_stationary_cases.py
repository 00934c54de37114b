"""Random passes and mappings, and the layers' reference: a plain convolution, sum by sum."""

from __future__ import annotations

import random

import numpy as np

from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_layer import LayerPasses, zero_activation
from hw.array.row_stationary_link import add_psums
from hw.array.row_stationary_pass import ArrayPass
from hw.errors import ConfigError
from hw.layer import Layer
from hw.mapping import Mapping
from hw.pe.golden import accumulate
from hw.pe.row_pass import RowPass


def random_pass(config: RowStationaryConfig, dice: random.Random) -> ArrayPass:
    """Return a pass that fits the array: folded or not, tight in the scratchpads or not."""
    kind = config.kind
    while True:
        taps, filter_rows = dice.choice((1, 1, 2, 3, 5)), dice.choice((1, 1, 2, 3))
        stride = dice.randint(1, max(taps, filter_rows))
        row = RowPass(
            filters=dice.randint(1, config.pe.psum_spad),
            channels=dice.randint(1, 4),
            taps=taps,
            stride=min(stride, taps),
            positions=dice.randint(1, 6),
            accumulate=dice.random() < 0.5,
            terms=dice.randint(1, kind.terms),
            scale_words=kind.scaling.words if kind.scaling else 0,
        )
        array_pass = ArrayPass(
            row=row,
            filter_rows=filter_rows,
            row_step=min(stride, filter_rows),
            strip=dice.randint(1, 2 * config.cols),
            channel_sets=dice.randint(1, 3),
            filter_sets=dice.randint(1, 6),
        )
        try:
            array_pass.check(config)
        except ConfigError:
            continue
        return array_pass


def random_mapping(
    layer: Layer, config: RowStationaryConfig, dice: random.Random, *, bias: bool = False
) -> LayerPasses:
    """Return a layer under a mapping that fits the array."""
    c, m = layer.c // layer.groups, layer.m // layer.groups
    for _ in range(10_000):
        p, t = dice.randint(1, min(m, config.pe.psum_spad)), dice.randint(1, m)
        blocks = list(range(p * t, m, p * t))
        mapping = Mapping(
            m=dice.choice((*blocks, m)),
            n=dice.randint(1, layer.n),
            e=dice.randint(1, layer.e),
            p=p,
            q=dice.randint(1, c),
            r=dice.randint(1, c),
            t=t,
        )
        try:
            return LayerPasses(layer=layer, mapping=mapping, config=config, bias=bias)
        except ConfigError:
            continue
    raise AssertionError(f"no mapping of {layer} fits {config}")


def random_tensors(
    passes: LayerPasses, dice: random.Random
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return codes for the weights, inputs and bias of a layer."""
    layer, kind = passes.layer, passes.config.kind

    def codes(bits: int, *shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        return np.array([dice.getrandbits(bits) for _ in range(count)], object).reshape(shape)

    weights = codes(kind.weight.bits, layer.m, passes.c, layer.r, layer.s)
    inputs = codes(kind.activation.bits, layer.n, layer.c, layer.h, layer.w)
    return weights, inputs, codes(passes.config.pe.psum_width, layer.m) if passes.bias else None


def convolve(
    passes: LayerPasses, weights: np.ndarray, inputs: np.ndarray, bias: np.ndarray | None
) -> np.ndarray:
    """Return psum codes of shape (N, M, E, F): a plain convolution in the array's order of sums.

    A PE adds up S columns of q channels from zero; PEs are added filter row after filter row,
    channel set after channel set, pass after pass.
    """
    layer, k, pe = passes.layer, passes.mapping, passes.config.pe
    product, mask = passes.config.kind.product, (1 << pe.psum_width) - 1
    zero = zero_activation(passes.config) or 0
    pad = layer.padding
    padded = np.full((layer.n, layer.c, layer.padded_h, layer.padded_w), zero, object)
    padded[:, :, pad : pad + layer.h, pad : pad + layer.w] = inputs
    out = np.zeros((layer.n, layer.m, layer.e, layer.f), object)
    for n, m, y, x in np.ndindex(out.shape):
        first = m // passes.m * passes.c
        total = 0 if bias is None else int(bias[m])
        for base in range(0, passes.c, k.q * k.r):
            for part in range(0, layer.r, passes.filter_rows):
                for i in range(base, base + k.q * k.r, k.q):
                    for row in range(part, part + passes.filter_rows):
                        own = 0
                        for s in range(layer.s):
                            for c in range(i, min(i + k.q, passes.c)):
                                at = (n, first + c, y * layer.stride + row, x * layer.stride + s)
                                term = product(int(weights[m, c, row, s]), int(padded[at]))
                                own = accumulate(own, term, pe)
                        total = add_psums(pe, total, own & mask)
        out[n, m, y, x] = total
    return out
