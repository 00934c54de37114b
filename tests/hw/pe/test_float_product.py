from __future__ import annotations

from itertools import product as pairs_of
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal, Value

from hw.formats import BFLOAT16, BINARY16, BINARY32, FP6_E3M2, FP8_E4M3, FP8_E5M2, Float
from hw.pe.cut import Cut
from hw.pe.float_product import multiply, product

from .float_cases import NAN, as_binary32, assert_same_codes, product_pairs
from .table_bench import run_table

_COUNT = 30_000

CORNERS = {
    "one": (0x3F800000, 0x3F800000, 0x3F800000),
    "zero keeps its sign": (0x80000000, 0x3F800000, 0x80000000),
    "smallest times half goes to even": (0x00000001, 0x3F000000, 0x00000000),
    "three smallest times half": (0x00000003, 0x3F000000, 0x00000002),
    "above half of the smallest": (0x00000001, 0x3F000001, 0x00000001),
    "two subnormal numbers": (0x007FFFFF, 0x807FFFFF, 0x80000000),
    "subnormal times large": (0x00000001, 0x7F7FFFFF, 0x34FFFFFF),
    "rounds up to the smallest normal number": (0x00FFFFFF, 0x3F000000, 0x00800000),
    "tie down": (0x3F800001, 0x3FC00000, 0x3FC00002),
    "carry into the exponent": (0x3FFFFFFF, 0x3F800001, 0x40000000),
    "largest": (0x7F7FFFFF, 0x3F800000, 0x7F7FFFFF),
    "overflow": (0x7F7FFFFF, 0x3F800001, 0x7F800000),
    "overflow by the exponent": (0x7F000000, 0xC0000000, 0xFF800000),
    "overflow by far": (0x7F7FFFFF, 0x7F7FFFFF, 0x7F800000),
    "infinity": (0xFF800000, 0x00000001, 0xFF800000),
    "infinity times zero": (0x7F800000, 0x80000000, NAN),
    "infinity squared": (0xFF800000, 0xFF800000, 0x7F800000),
    "NaN": (0xFFFFFFFF, 0x00000000, NAN),
    "signalling NaN": (0x7F800001, 0x7F800000, NAN),
}


def _pairs(fmt: Float) -> list[tuple[int, int]]:
    if fmt.bits <= 8:
        return list(pairs_of(range(1 << fmt.bits), repeat=2))
    return product_pairs(fmt, _COUNT, seed=1)


@pytest.mark.parametrize("fmt", [BINARY32, BFLOAT16, FP8_E4M3, FP8_E5M2], ids=str)
def test_golden_products_are_those_of_numpy(fmt: Float) -> None:
    pairs = _pairs(fmt)
    weights, activations = (as_binary32(fmt, [pair[i] for pair in pairs]) for i in (0, 1))
    with np.errstate(all="ignore"):
        wanted = weights * activations
    assert_same_codes([product(fmt, *pair) for pair in pairs], wanted)


@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str) -> None:
    weight, activation, wanted = CORNERS[name]
    assert product(BINARY32, weight, activation) == wanted
    assert product(BINARY32, activation, weight) == wanted


def test_the_cases_reach_every_kind_of_product() -> None:
    codes = {product(BINARY32, *pair) & 0x7FFFFFFF for pair in product_pairs(BINARY32, 2000, 1)}
    assert {0, 1, 0x7F800000, NAN} <= codes
    assert sum(0 < code < 0x00800000 for code in codes) > 100


@pytest.mark.parametrize("stages", [0, 1], ids=["no cut", "cut"])
@pytest.mark.parametrize(
    "fmt", [BINARY32, BINARY16, BFLOAT16, FP8_E4M3, FP8_E5M2, FP6_E3M2], ids=str
)
def test_hardware_products_are_the_golden_ones(fmt: Float, stages: int, tmp_path: Path) -> None:
    pairs = _pairs(fmt)
    if fmt == BINARY32:
        pairs += [corner[:2] for corner in CORNERS.values()]
    if stages == 0:  # the logic is the same
        pairs = pairs[::10]

    def logic(m: Module, weight: Signal, activation: Signal) -> Value:
        return multiply(fmt, weight, activation, Cut(m, Const(1) if stages else None))

    got = run_table(logic, (fmt.bits, fmt.bits), 32, stages, pairs, tmp_path)
    wrong = [
        (hex(weight), hex(activation), hex(code))
        for (weight, activation), code in zip(pairs, got, strict=True)
        if code != product(fmt, weight, activation)
    ]
    assert not wrong, wrong[:5]
