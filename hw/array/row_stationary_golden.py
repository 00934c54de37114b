"""What a layer gives on the row-stationary array: tensors in, psum codes out, pass by pass.

Psums stand in a tensor between passes, as they do in the global buffer.  This is the reference of
simulated layers, and the words of every pass are a by-product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .row_stationary_layer import Codes, LayerPasses, Step
from .row_stationary_pass import ArrayPass

__all__ = ["PassWords", "run_layer"]

Psums = dict[tuple[int, int], list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassWords:
    """One pass of a layer with its operands and its result."""

    step: Step
    array_pass: ArrayPass
    filters: list[list[int]]
    """As `ArrayPass.filter_beats` takes them."""
    ifmap: list[list[int]]
    """As `ArrayPass.ifmap_beats` takes them."""
    psums_in: Psums
    """Psums that enter each chain; empty where they begin at zero."""
    psums_out: Psums
    """Psums that leave each chain."""


def run_layer(
    passes: LayerPasses,
    weights: Codes,
    inputs: Codes,
    outputs: NDArray[np.object_],
    bias: Codes | None = None,
) -> Iterator[PassWords]:
    """Yield the passes of a layer with all their words, and fill `outputs` on the way.

    Parameters
    ----------
    passes
        The layer, its mapping and the array.
    weights, inputs
        Codes, shapes (M, C / groups, R, S) with a last axis of terms if there are several, and
        (N, C, H, W).
    outputs
        Object array, shape (N, M, E, F); holds psum codes and, at the end, the result.
    bias
        Psum codes, shape (M,), if `passes.bias`.
    """
    outputs[...] = 0
    if bias is not None:
        outputs[...] = bias.reshape(1, -1, 1, 1)
    for step in passes.steps():
        array_pass = passes.array_pass(load=step.load, opens=step.opens)
        filters, ifmap = passes.filter_words(step, weights), passes.ifmap_words(step, inputs)
        places = passes.outputs(step)
        psums_in: Psums = {}
        if array_pass.row.accumulate:
            psums_in = {
                chain: [int(outputs[at]) if at else 0 for at in ats]
                for chain, ats in places.items()
            }
        psums_out = array_pass.golden(passes.config, filters, ifmap, psums_in)
        for chain, ats in places.items():
            for at, psum in zip(ats, psums_out[chain], strict=True):
                if at:
                    outputs[at] = psum
        yield PassWords(
            step=step,
            array_pass=array_pass,
            filters=filters,
            ifmap=ifmap,
            psums_in=psums_in,
            psums_out=psums_out,
        )
