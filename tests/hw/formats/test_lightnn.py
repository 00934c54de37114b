from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import LightNN, parse


def test_k1_has_16_codes_and_no_zero() -> None:
    values = LightNN(1).decode(np.arange(16))
    assert len(set(values.tolist())) == 16
    assert np.abs(values).min() == 2.0**-7
    assert np.abs(values).max() == 1


def test_k2_has_36_magnitudes_and_72_values() -> None:
    values = LightNN(2).decode(np.arange(128))
    assert len(set(values.tolist())) == 72
    assert len(set(np.abs(values).tolist())) == 36
    assert np.abs(values).min() == 2.0**-6
    assert np.abs(values).max() == 2
    assert 2.0**-7 not in values


@pytest.mark.parametrize("k", [1, 2])
def test_vectorised_and_exact_decoding_agree(k: int) -> None:
    fmt = LightNN(k)
    values = fmt.decode(np.arange(1 << fmt.bits))
    assert [Fraction(v) for v in values.tolist()] == [
        fmt.decode_exact(code) for code in range(1 << fmt.bits)
    ]


@pytest.mark.parametrize("k", [1, 2])
def test_values_round_trip_and_encoding_is_nearest(k: int) -> None:
    fmt = LightNN(k)
    table = fmt.decode(np.arange(1 << fmt.bits))
    assert np.array_equal(fmt.quantize(table), table)
    wanted = np.random.default_rng(1).uniform(-2.5, 2.5, 2000)
    error = np.abs(fmt.quantize(wanted) - wanted)
    assert np.array_equal(error, np.abs(table[None, :] - wanted[:, None]).min(axis=1))


def test_name_and_widths() -> None:
    assert parse("lightnn2") == LightNN(2)
    assert (LightNN(1).bits, LightNN(1).storage_bits) == (4, 4)
    assert (LightNN(2).bits, LightNN(2).storage_bits) == (7, 8)
    with pytest.raises(ConfigError, match="k must be 1 or 2, not 3"):
        LightNN(3)


def test_a_tiny_value_keeps_its_sign() -> None:
    assert LightNN(1).quantize([1e-30, -1e-30]).tolist() == [2.0**-7, -(2.0**-7)]
