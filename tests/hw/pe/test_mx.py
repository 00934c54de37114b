"""Microscaling PE types: scales against numpy, whole passes against the formats, blocks of 32."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Value
from numpy.typing import NDArray

from hw.config import PEConfig
from hw.errors import ConfigError
from hw.formats import Microscaling
from hw.pe.block_datapath import to_binary32
from hw.pe.cut import Cut
from hw.pe.golden import run_pass
from hw.pe.mx import MXFP4, MXINT8, SharedScales
from hw.pe.pe_type import PEType
from hw.pe.row_pass import RowPass

from .float_cases import NAN, assert_same_codes
from .table_bench import run_table
from .test_pe_simulation import simulate

KINDS = {kind.name: kind for kind in (MXFP4, MXINT8)}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def _scaling(kind: PEType) -> SharedScales:
    assert isinstance(kind.scaling, SharedScales)
    return kind.scaling


def _largest(kind: PEType) -> int:
    codes = range(1 << kind.weight.bits)
    return _scaling(kind).block * max(kind.product(w, a) for w in codes for a in codes)


def _cases(kind: PEType, count: int) -> list[tuple[int, int, int]]:
    """Return sums of blocks with two scales; two of three results are near an end of the range."""
    dice = random.Random(3)
    largest = _largest(kind)
    cases = [(t, w, w) for t in (0, 1, -1, largest, -largest) for w in range(255)]
    while len(cases) < count:
        total = dice.randint(-1, 1) + (dice.choice((1, -1, 3, 5)) << dice.randint(0, 20))
        total = dice.choice((total, dice.randint(-largest, largest)))
        both = dice.choice((dice.randint(0, 508), dice.randint(85, 145), dice.randint(360, 400)))
        weight = dice.randint(max(0, both - 254), min(254, both))
        if abs(total) <= largest:
            cases.append((total, weight, both - weight))
    return cases


@each_kind
def test_scaled_sums_are_those_of_numpy(kind: PEType) -> None:
    cases = _cases(kind, 30_000)
    totals, weights, activations = (np.array(column) for column in zip(*cases, strict=True))
    # exact in float64, whose smallest exponent lies far below
    power = weights + activations - 254 - kind.fraction_bits
    exact = np.ldexp(totals.astype(np.float64), power)
    with np.errstate(all="ignore"):
        wanted = exact.astype(np.float32)
    assert_same_codes([_scaling(kind).scaled(*case) for case in cases], wanted)


@each_kind
def test_scales_are_those_of_ml_dtypes(kind: PEType) -> None:
    """Every pair of scales: the product of their values, NaN where one is."""
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    scales = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
    with np.errstate(all="ignore"):
        wanted = (scales[:, None] * scales).astype(np.float32)
    one = 1 << kind.fraction_bits
    got = [_scaling(kind).scaled(one, w, a) for w in range(256) for a in range(256)]
    assert_same_codes(got, wanted.ravel())
    assert got[-1] == NAN


@each_kind
def test_scaled_sums_in_hardware(kind: PEType, tmp_path: Path) -> None:
    cases, scaling = _cases(kind, 30_000), _scaling(kind)
    bits = scaling.total_bits
    # the exponent field less 1 of a number with its leading one on top of the total
    offset = bits - 2 - scaling.fraction_bits - 2 * 127 + 127 - 1

    def logic(m: Module, total: Value, exponent: Value) -> Value:
        return to_binary32(Cut(m), total.as_signed(), exponent.as_signed(), Const(0, 1))

    rows = [(t & ((1 << bits) - 1), (w + a + offset) & 1023) for t, w, a in cases]
    got = run_table(logic, (bits, 10), 32, 0, rows, tmp_path)
    wrong = [
        (case, hex(code))
        for case, code in zip(cases, got, strict=True)
        if code != scaling.scaled(*case)
    ]
    assert not wrong, wrong[:5]


@each_kind
def test_the_largest_sum_of_a_block_fills_its_width(kind: PEType) -> None:
    assert _largest(kind).bit_length() + 1 == _scaling(kind).total_bits
    assert _scaling(kind).words * kind.weight.bits == 8


@each_kind
def test_a_pass_is_the_dot_product_of_blocks(kind: PEType) -> None:
    """Blocks of 32, three columns: exact within a block, float32 from block to block."""
    fmt, columns, dice = Microscaling(kind.name), 3, np.random.default_rng(4)
    words = fmt.block + _scaling(kind).words
    config = PEConfig(pe_type=kind.name, ifmap_spad=columns * words, filter_spad=columns * words)
    row = RowPass(
        filters=1, channels=fmt.block, taps=columns, positions=1, scale_words=_scaling(kind).words
    )
    rounded_sums = 0
    for _ in range(50):
        streams, values = [], []
        for _ in ("weights", "activations"):
            magnitudes = np.exp2(dice.integers(-10, 11, (columns, 1)))
            wanted = dice.normal(size=(columns, fmt.block)) * magnitudes
            scales, codes = fmt.encode(wanted)
            streams.append(_stream(kind, scales, codes))
            values.append(
                [
                    [
                        fmt.element.decode_exact(int(c)) * fmt.scale.decode_exact(int(s))
                        for c in block
                    ]
                    for s, block in zip(scales, codes, strict=True)
                ]
            )
        psum, exact = np.float32(0), Fraction(0)
        for weights, activations in zip(*values, strict=True):
            block = sum((w * a for w, a in zip(weights, activations, strict=True)), Fraction(0))
            assert Fraction(float(block)) == block
            psum, exact = psum + np.float32(float(block)), exact + block
        assert_same_codes(run_pass(config, row, *streams), np.array([psum], dtype=np.float32))
        rounded_sums += Fraction(float(psum)) != exact
    assert rounded_sums > 0


def _stream(kind: PEType, scales: NDArray[np.int64], codes: NDArray[np.int64]) -> list[int]:
    """Return blocks of elements, each followed by the words of its scale."""
    bits, stream = kind.weight.bits, []
    for scale, block in zip(scales.tolist(), codes.tolist(), strict=True):
        stream += block
        stream += [scale >> bits * i & ((1 << bits) - 1) for i in range(_scaling(kind).words)]
    return stream


@each_kind
def test_more_channels_than_a_block_are_refused(kind: PEType) -> None:
    words = _scaling(kind).words
    row = RowPass(filters=1, channels=33, taps=1, positions=1, scale_words=words)
    with pytest.raises(ConfigError, match="channels q = 33 must be at most the block = 32"):
        row.check(PEConfig(pe_type=kind.name, ifmap_spad=40))


@each_kind
def test_whole_blocks_in_hardware(kind: PEType) -> None:
    column = 32 + _scaling(kind).words
    config = PEConfig(
        pe_type=kind.name, ifmap_spad=column, filter_spad=4 * column, psum_spad=4, pipeline_depth=3
    )
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=5, BENCH_PASSES=10)
