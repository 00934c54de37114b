from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.golden import run_pass
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass


@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_products_are_the_products_of_the_formats(pe_type: str) -> None:
    kind = PE_TYPES[pe_type]
    dice = np.random.default_rng(1)
    for _ in range(500):
        weight = int(dice.integers(1 << kind.weight.bits))
        activation = int(dice.integers(1 << kind.activation.bits))
        exact = kind.weight.decode_exact(weight) * kind.activation.decode_exact(activation)
        product = kind.product(weight, activation)
        assert Fraction(product, 1 << kind.fraction_bits) == exact
        limit = 1 << (kind.product_bits - 1)
        assert -limit <= product < limit


def test_a_pass_is_a_convolution() -> None:
    """The order of the streams, checked against a plain convolution over all indices."""
    row = RowPass(filters=3, channels=2, taps=4, stride=2, positions=5)
    dice = np.random.default_rng(2)
    weights = dice.integers(-100, 100, (row.filters, row.channels, row.taps))
    pixels = dice.integers(-100, 100, (row.channels, (row.positions - 1) * row.stride + row.taps))
    wanted = [
        sum(
            int(weights[f, c, s] * pixels[c, x * row.stride + s])
            for c in range(row.channels)
            for s in range(row.taps)
        )
        for x in range(row.positions)
        for f in range(row.filters)
    ]
    filters = [int(v) & 0xFF for v in weights.transpose(2, 1, 0).ravel()]
    ifmap = [int(v) & 0xFF for v in pixels.T.ravel()]
    assert run_pass(PEConfig(pe_type="int8"), row, filters, ifmap) == wanted


def test_psums_saturate_and_stay_exact_as_declared() -> None:
    row = RowPass(filters=1, channels=1, taps=12, positions=1)
    largest = [0x80] * 12
    config = PEConfig(pe_type="int8")
    assert run_pass(config, row, largest, largest) == [12 * 128 * 128]
    narrow = PEConfig(pe_type="int8", psum_bits=16)
    assert run_pass(narrow, row, largest, largest) == [(1 << 15) - 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 4}, r"q\*S words of the window = 16 must be at most ifmap_spad = 12"),
        ({"filters": 25}, "must be at most filter_spad|must be at most psum_spad = 24"),
        ({"stride": 5}, "stride U = 5 must be at most the filter's columns S = 4"),
        ({"positions": 0}, "positions must be at least 1, not 0"),
    ],
)
def test_passes_that_do_not_fit_name_the_rule(change: dict[str, int], message: str) -> None:
    fields = {"filters": 2, "channels": 2, "taps": 4, "positions": 3} | change
    with pytest.raises(ConfigError, match=message):
        RowPass(**fields).check(PEConfig(pe_type="int8"))


def test_a_wrong_number_of_words_is_refused() -> None:
    row = RowPass(filters=1, channels=1, taps=2, positions=2)
    with pytest.raises(ConfigError, match="ifmap must hold 3 words, not 2"):
        run_pass(PEConfig(pe_type="int8"), row, [1, 2], [1, 2])
