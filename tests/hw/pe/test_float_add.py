from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal, Value

from hw.formats import BINARY32
from hw.pe.cut import Cut
from hw.pe.float_add import Binary32Accumulator

from .float_cases import NAN, as_binary32, assert_same_codes, sum_pairs
from .table_bench import run_table

ADDER = Binary32Accumulator()
_COUNT = 100_000

CORNERS = {
    "zeros of one sign": (0x80000000, 0x80000000, 0x80000000),
    "zeros of two signs": (0x80000000, 0x00000000, 0x00000000),
    "x - x": (0x3FC00000, 0xBFC00000, 0x00000000),
    "x - x of subnormal numbers": (0x80000001, 0x00000001, 0x00000000),
    "zero and a subnormal number": (0x80000000, 0x80000001, 0x80000001),
    "subnormal sum": (0x00400000, 0x003FFFFF, 0x007FFFFF),
    "subnormal numbers make a normal one": (0x007FFFFF, 0x00000001, 0x00800000),
    "normal numbers make a subnormal one": (0x00800001, 0x80800000, 0x00000001),
    "normal less subnormal": (0x00800000, 0x80000001, 0x007FFFFF),
    "tie to even below": (0x3F800000, 0x33800000, 0x3F800000),
    "tie to even above": (0x3F800001, 0x33800000, 0x3F800002),
    "above the tie": (0x3F800000, 0x33800001, 0x3F800001),
    "below the tie": (0x3F800001, 0x337FFFFF, 0x3F800001),
    "tie of a difference across a power of two": (0x3F800000, 0xB3000000, 0x3F800000),
    "above that tie": (0x3F800000, 0xB3000001, 0x3F7FFFFF),
    "far away": (0x3F800000, 0x80000001, 0x3F800000),
    "far below a power of two": (0x40000000, 0xB2FFFFFF, 0x40000000),
    "all but cancelled": (0x3F800000, 0xBF7FFFFF, 0x33800000),
    "rounding carries into the exponent": (0x3FFFFFFF, 0x33800000, 0x40000000),
    "largest and half of its last place": (0x7F7FFFFF, 0x73000000, 0x7F800000),
    "largest and less": (0x7F7FFFFF, 0x72FFFFFF, 0x7F7FFFFF),
    "overflow by the exponent": (0xFF7FFFFF, 0xFF7FFFFF, 0xFF800000),
    "infinity": (0xFF800000, 0x7F7FFFFF, 0xFF800000),
    "infinities of one sign": (0xFF800000, 0xFF800000, 0xFF800000),
    "infinity less infinity": (0x7F800000, 0xFF800000, NAN),
    "NaN": (0xFFFFFFFF, 0x7F800000, NAN),
    "signalling NaN": (0x00000000, 0xFF800001, NAN),
}


def test_golden_sums_are_those_of_numpy() -> None:
    pairs = sum_pairs(BINARY32, _COUNT, seed=1)
    psums, products = (as_binary32(BINARY32, [pair[i] for pair in pairs]) for i in (0, 1))
    with np.errstate(all="ignore"):
        wanted = psums + products
    assert_same_codes([ADDER.add_golden(*pair) for pair in pairs], wanted)


@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str) -> None:
    psum, product, wanted = CORNERS[name]
    assert ADDER.add_golden(psum, product) == wanted
    assert ADDER.add_golden(product, psum) == wanted


def test_the_cases_reach_every_kind_of_sum() -> None:
    codes = {ADDER.add_golden(*pair) & 0x7FFFFFFF for pair in sum_pairs(BINARY32, 5000, 1)}
    assert {0, 0x7F800000, NAN} <= codes
    assert sum(0 < code < 0x00800000 for code in codes) > 100


def test_hardware_sums_are_the_golden_ones(tmp_path: Path) -> None:
    corners = [(psum, product) for psum, product, _ in CORNERS.values()]
    pairs = corners + [pair[::-1] for pair in corners] + sum_pairs(BINARY32, _COUNT // 2, seed=2)
    registers = ADDER.stages - 1

    def logic(m: Module, psum: Signal, product: Signal) -> Value:
        return ADDER.add(psum, product, [Cut(m, Const(1)) for _ in range(registers)])

    got = run_table(logic, (32, 32), ADDER.bits, registers, pairs, tmp_path)
    wrong = [
        (hex(psum), hex(product), hex(code))
        for (psum, product), code in zip(pairs, got, strict=True)
        if code != ADDER.add_golden(psum, product)
    ]
    assert not wrong, wrong[:5]
