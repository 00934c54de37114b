from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import FixedPoint, parse


@pytest.mark.parametrize(
    ("fmt", "name"),
    [
        (FixedPoint(8), "int8"),
        (FixedPoint(16, 8), "int16q8"),
        (FixedPoint(4, signed=False), "uint4"),
    ],
)
def test_name_is_the_specification(fmt: FixedPoint, name: str) -> None:
    assert str(fmt) == name
    assert parse(name) == fmt


@pytest.mark.parametrize("fmt", [FixedPoint(8), FixedPoint(5, 3), FixedPoint(6, 2, signed=False)])
def test_every_code_round_trips(fmt: FixedPoint) -> None:
    codes = np.arange(1 << fmt.bits)
    values = fmt.decode(codes)
    assert np.array_equal(fmt.encode(values), codes)
    assert [Fraction(v) for v in values.tolist()] == [fmt.decode_exact(int(c)) for c in codes]


def test_rounding_is_to_even_and_saturates() -> None:
    fmt = FixedPoint(8)
    values = [0.5, 1.5, -0.5, -1.5, 127.4, 1e30, -1e30, np.inf, -np.inf]
    assert fmt.quantize(values).tolist() == [0, 2, 0, -2, 127, 127, -128, 127, -128]


@pytest.mark.parametrize("code", [-1, 256, 0.5])
def test_what_is_no_code_is_refused(code: float) -> None:
    with pytest.raises(ConfigError, match="codes of int8 must be integers from 0 to 255"):
        FixedPoint(8).decode([code])


def test_nan_has_no_code() -> None:
    with pytest.raises(ConfigError, match="int8 has no code for NaN"):
        FixedPoint(8).encode([float("nan")])


@pytest.mark.parametrize("name", ["int0", "int", "int8q0", "lightnn3", "", "int8;ls", None, 8])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a number format must be"):
        parse(name)
