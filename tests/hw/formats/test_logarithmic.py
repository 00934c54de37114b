from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import LNS, Antilog, conversion_error

PUBLISHED_PERCENT = {
    (2, 1): 6.07,
    (2, 2): 0,
    (4, 1): 6.07,
    (4, 2): 5.11,
    (4, 4): 0,
    (8, 1): 6.07,
    (8, 2): 6.03,
    (8, 4): 3.16,
    (8, 8): 0,
    (16, 8): 1.75,
    (16, 16): 0,
    (32, 8): 2.49,
    (32, 16): 0.92,
    (32, 32): 0,
}


@pytest.mark.parametrize(("gamma", "table"), PUBLISHED_PERCENT)
def test_conversion_error_is_the_published_one(gamma: int, table: int) -> None:
    published = PUBLISHED_PERCENT[gamma, table]
    assert round(100 * conversion_error(gamma, table), 2) == published
    rounded = Antilog(gamma=gamma, table=table, fraction=24).largest_error()
    assert round(100 * rounded, 2) == published


def test_range_of_lns8() -> None:
    fmt = LNS(8, 8)
    values = fmt.decode(np.arange(256))
    assert (values[0], values[128]) == (1, -1)
    assert values.max() == 2.0 ** (127 / 8)
    assert (np.abs(values) >= 1).all()
    assert fmt.log2_exact(0b1_0001_011) == (1, Fraction(11, 8))
    assert fmt.encode([0.0, -0.0, 1e-9, -1e-9]).tolist() == [0, 0, 0, 128]


@pytest.mark.parametrize(("bits", "gamma"), [(8, 8), (8, 1), (6, 4), (12, 64)])
def test_logarithmic_rounding_is_to_the_nearest_logarithm(bits: int, gamma: int) -> None:
    fmt = LNS(bits, gamma)
    last = (1 << (bits - 1)) - 1
    values = np.exp2(np.random.default_rng(4).uniform(0, last / gamma, 3_000))
    expected = np.rint(np.log2(values) * gamma).astype(int)
    assert np.array_equal(fmt.encode(values, rounding="logarithmic"), expected)
    assert np.array_equal(fmt.encode(-values, rounding="logarithmic"), expected + last + 1)


@pytest.mark.parametrize("fraction", [0, 3, 12, 30])
def test_table_entries_are_nearest(fraction: int) -> None:
    entries = Antilog(gamma=16, table=16, fraction=fraction).entries
    for i, entry in enumerate(entries):
        # (entry +- 1/2)**16 on both sides of 2**(i + 16 fraction), in integers
        assert (2 * entry - 1) ** 16 < 1 << (i + 16 * (fraction + 1)) < (2 * entry + 1) ** 16


@pytest.mark.parametrize(("gamma", "table"), [(1, 1), (8, 1), (8, 2), (8, 8), (32, 4)])
def test_conversion_is_mantissa_and_shift(gamma: int, table: int) -> None:
    antilog = Antilog(gamma=gamma, table=table, fraction=10)
    logs = np.arange(-3 * gamma, 4 * gamma)
    mantissa, shift = antilog.convert(logs)
    values = mantissa * np.exp2(shift - antilog.mantissa_fraction)
    error = np.abs(values / np.exp2(logs / gamma) - 1)
    assert error.max() == pytest.approx(antilog.largest_error(), abs=1e-12)
    assert antilog.largest_error() <= conversion_error(gamma, table) + 2.0**-10
    assert 0 < mantissa.max() >> (antilog.mantissa_bits - 1) < 2
    # 1 + x beside a table overshoots: the mantissa below the next power of two may exceed 2
    assert mantissa.max() < 2.25 * (1 << antilog.mantissa_fraction)
    assert mantissa.min() == 1 << antilog.mantissa_fraction


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: LNS(8, 8).decode_exact(139),
            "code 139 of lns8g8 is the irrational -2**(11/8); log2_exact gives its logarithm",
        ),
        (
            lambda: Antilog(gamma=8, table=16, fraction=4),
            "table must be an integer from 1 to 8, not 16",
        ),
        (
            lambda: Antilog(gamma=8, table=3, fraction=4),
            "table must be a power of two from 1 to 8, not 3",
        ),
        (
            lambda: Antilog(gamma=8, table=4, fraction=31),
            "fraction must be an integer from 0 to 30, not 31",
        ),
        (lambda: conversion_error(0, 1), "gamma must be an integer from 1 to 16384, not 0"),
    ],
)
def test_errors_say_what_would_be_right(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        call()
