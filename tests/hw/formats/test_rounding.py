from __future__ import annotations

import re

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import (
    BINARY32,
    FP8_E4M3,
    FixedPoint,
    LightNN,
    Posit,
    canonical_codes,
    encode,
    parse,
)
from hw.formats.reference import encode_exact


def _whole(text: str) -> str:
    return f"^{re.escape(text)}$"


def test_rules_of_fixed_point() -> None:
    fmt = FixedPoint(8)
    values = [0.75, -0.75, 1.5, 2.5, 200, -200]
    assert encode(fmt, values).tolist() == [1, 255, 2, 2, 127, 128]
    assert encode(fmt, values, rounding="zero").tolist() == [0, 0, 1, 2, 127, 128]
    half = np.full(6, 0.5)
    stochastic = encode(fmt, values, rounding="stochastic", uniform=half)
    assert stochastic.tolist() == [1, 255, 1, 2, 127, 128]


@pytest.mark.parametrize("name", ["int8", "float6_e2m3fn", "lightnn1", "posit8_1", "float_e5m20"])
def test_stochastic_rounding_is_unbiased(name: str) -> None:
    fmt = parse(name)
    wanted = np.repeat([0.3, -0.7, 0.111], 40_000)
    uniform = np.random.default_rng(5).random(wanted.shape)
    codes = encode(fmt, wanted, rounding="stochastic", uniform=uniform)  # type: ignore[arg-type]
    means = fmt.decode(codes).reshape(3, -1).mean(axis=1)  # type: ignore[union-attr, call-arg]
    assert means == pytest.approx([0.3, -0.7, 0.111], abs=0.012)
    assert [len(set(part.tolist())) for part in codes.reshape(3, -1)] == [2, 2, 2]


@pytest.mark.parametrize(("name", "step"), [("int8", 1), ("float8_e4m3fn", 1 / 8), ("lp8_0_7", 0)])
def test_stochastic_rounding_goes_up_below_the_probability_only(name: str, step: float) -> None:
    fmt = parse(name)
    if not step:
        step = fmt.decode([65])[0] - 1  # type: ignore[union-attr, call-arg]
    values = np.array([1 + step / 2, -1 - step / 2])
    for draw, expected in ((0.5, [1, -1 - step]), (0.5 - 2**-20, [1 + step, -1])):
        codes = encode(fmt, values, rounding="stochastic", uniform=[draw, draw])  # type: ignore[arg-type]
        assert fmt.decode(codes).tolist() == expected  # type: ignore[union-attr, call-arg]


def test_a_value_between_the_smallest_magnitudes_keeps_its_sign() -> None:
    for rounding in ("nearest", "zero"):
        codes = encode(LightNN(1), [1e-30, -1e-30], rounding=rounding)
        assert LightNN(1).decode(codes).tolist() == [2.0**-7, -(2.0**-7)]


def test_overflow_as_an_error() -> None:
    assert encode(FixedPoint(8), [127, -128], overflow="error").tolist() == [127, 128]
    for fmt, value, low, high in [
        (FixedPoint(8), 127.25, "-128.0", "127.0"),
        (LightNN(1), -1.5, "-1.0", "1.0"),
        (FP8_E4M3, 449.0, "-448.0", "448.0"),
        (Posit(8, 0), np.inf, "-64.0", "64.0"),
    ]:
        text = f"values of {fmt} must be from {low} to {high}, not {value}"
        with pytest.raises(ConfigError, match=_whole(text)):
            encode(fmt, [0.0, value], overflow="error")


@pytest.mark.parametrize("name", ["int8", "lightnn2", "flint4", "float4_e2m1fn", "lns8g8"])
def test_nan_is_refused_where_it_has_no_code(name: str) -> None:
    with pytest.raises(ConfigError, match=_whole(f"{name} has no code for NaN")):
        encode(parse(name), [0.0, float("nan")])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["int8", "flint4", "float8_e4m3fn", "lightnn1"])
def test_wrong_rules_are_refused(name: str) -> None:
    fmt = parse(name)
    for keywords, text in [
        (
            {"rounding": "up"},
            f"rounding of {name} must be one of nearest, zero, stochastic, not 'up'",
        ),
        (
            {"rounding": "stochastic"},
            "stochastic rounding must be given uniform numbers in [0, 1)",
        ),
        (
            {"uniform": [0.5, 0.5]},
            "uniform numbers are for stochastic rounding, not for 'nearest'",
        ),
        (
            {"rounding": "stochastic", "uniform": [0.5]},
            "uniform must hold numbers in [0, 1) in the shape (2,) of the values, "
            "not 0.5 to 0.5 in the shape (1,)",
        ),
        (
            {"rounding": "stochastic", "uniform": [0.5, 1.0]},
            "uniform must hold numbers in [0, 1) in the shape (2,) of the values, "
            "not 0.5 to 1.0 in the shape (2,)",
        ),
        (
            {"overflow": "wrap"},
            f"overflow of {name} must be one of saturate, "
            f"{'special, ' if 'float8' in name else ''}error, not 'wrap'",
        ),
    ]:
        with pytest.raises(ConfigError, match=_whole(text)):
            encode(fmt, [1.0, 2.0], **keywords)  # type: ignore[arg-type]


def test_own_rules_of_a_format_are_named() -> None:
    text = "rounding of posit8_1 must be one of nearest, zero, stochastic, standard, not 'even'"
    with pytest.raises(ConfigError, match=_whole(text)):
        Posit(8, 1).encode([1.0], rounding="even")
    text = (
        "rounding of lns8g8 must be one of nearest, zero, stochastic, logarithmic, not 'standard'"
    )
    with pytest.raises(ConfigError, match=_whole(text)):
        parse("lns8g8").encode([1.0], rounding="standard")  # type: ignore[call-arg]


def test_a_table_is_for_16_bits() -> None:
    text = "binary32 has 32 bits; a table of values is for at most 16"
    with pytest.raises(ConfigError, match=_whole(text)):
        canonical_codes(BINARY32)


def test_the_reference_refuses_irrational_formats() -> None:
    with pytest.raises(ConfigError, match="is the irrational"):
        encode_exact(parse("lns8g8"), 1)  # type: ignore[arg-type]
