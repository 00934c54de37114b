"""Sums of products, against numpy float32 in the same order."""

from __future__ import annotations

import numpy as np
import pytest

from hw.formats import Float
from hw.pe.fp import BF16, FP8, FP32
from hw.pe.pe_type import PEType

from .float_cases import as_binary32, assert_same_codes


@pytest.mark.parametrize("kind", [FP32, BF16, FP8], ids=lambda kind: kind.name)
def test_dot_products_are_those_of_numpy_in_the_same_order(kind: PEType) -> None:
    assert isinstance(kind.weight, Float)
    assert kind.accumulator is not None
    dice = np.random.default_rng(1)
    got, wanted = [], []
    for _ in range(20):
        weights, activations = (kind.weight.encode(dice.normal(size=300)).tolist() for _ in "wa")
        psum = 0
        for pair in zip(weights, activations, strict=True):
            psum = kind.accumulator.add_golden(psum, kind.product(*pair))
        got.append(psum)
        total = np.float32(0)
        values = (as_binary32(kind.weight, codes) for codes in (weights, activations))
        for weight, activation in zip(*values, strict=True):
            total = total + weight * activation
        wanted.append(total)
    assert_same_codes(got, np.array(wanted, dtype=np.float32))
