from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import LogPosit, Posit, Ternary


def _positive(fmt: LogPosit) -> np.ndarray:
    return fmt.decode(np.arange(1, 1 << (fmt.bits - 1)))


def test_positive_values_of_4_bits() -> None:
    expected = [0.25, 0.5, 0.5**0.5, 1, 2**0.5, 2, 4]
    assert _positive(LogPosit(4, 0, 3)) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("fmt", "smallest", "largest"),
    [(LogPosit(8, 2, 2), 4.26e-3, 234.8), (LogPosit(8, 1, 3), 1.70e-2, 58.7)],
    ids=str,
)
def test_ranges_of_8_bits(fmt: LogPosit, smallest: float, largest: float) -> None:
    values = _positive(fmt)
    assert len(set(values.tolist())) == 127
    assert float(f"{values.min():.3g}") == smallest
    assert float(f"{values.max():.4g}" if largest > 100 else f"{values.max():.3g}") == largest


@pytest.mark.parametrize(("es", "rs"), [(0, 1), (1, 3), (4, 15)])
def test_2_bits_are_ternary(es: int, rs: int) -> None:
    codes = [3, 0, 1]
    assert np.array_equal(LogPosit(2, es, rs).decode(codes), Ternary().decode(codes))


def test_scale_factor_divides() -> None:
    plain, scaled = LogPosit(8, 1, 3), LogPosit(8, 1, 3, Fraction(5))
    codes = np.arange(1, 128)
    assert np.array_equal(scaled.decode(codes) * 32, plain.decode(codes))
    assert scaled.log2_exact(64) == (0, Fraction(-5))


@pytest.mark.parametrize(("bits", "es"), [(8, 0), (8, 1), (8, 2), (5, 3)])
def test_without_a_limit_of_the_run_it_is_a_posit_with_a_logarithmic_fraction(
    bits: int, es: int
) -> None:
    for code in range(1, 1 << (bits - 1)):
        sign, exponent, fraction, fraction_bits = Posit(bits, es).fields(code)
        expected = exponent + Fraction(fraction, 1 << fraction_bits)
        assert LogPosit(bits, es, 15).log2_exact(code) == (sign, expected)


@pytest.mark.parametrize(
    "fmt", [LogPosit(8, 1, 3), LogPosit(8, 3, 1), LogPosit(4, 0, 3), LogPosit(16, 4, 15)], ids=str
)
def test_codes_as_twos_complement_are_in_order(fmt: LogPosit) -> None:
    ordered = np.arange(-(1 << (fmt.bits - 1)) + 1, 1 << (fmt.bits - 1))
    values = fmt.decode(ordered % (1 << fmt.bits))
    assert (np.diff(values) > 0).all()
    assert np.array_equal(values, -values[::-1])


def test_logarithmic_rounding() -> None:
    fmt = LogPosit(8, 1, 3)
    values = np.exp2(np.random.default_rng(6).uniform(-5.8, 5.8, 2_000))
    logs = np.array([float(fmt.log2_exact(code)[1]) for code in range(1, 128)])
    nearest = 1 + np.abs(np.log2(values)[:, None] - logs).argmin(axis=1)
    assert np.array_equal(fmt.encode(values, rounding="logarithmic"), nearest)
    assert np.array_equal(fmt.encode(-values, rounding="logarithmic"), 256 - nearest)
    linear = fmt.encode(values)
    assert 0 < (linear != nearest).sum() < 200


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: LogPosit(4, 0, 3).decode_exact(0b1101),
            "code 13 of lp4_0_3 is the irrational -2**(-1/2); log2_exact gives its logarithm",
        ),
        (lambda: LogPosit(4, 0, 3).decode_exact(8), "code 8 of lp4_0_3 is NaR, which has no value"),
        (lambda: LogPosit(4, 0, 3).logs([1, 8]), "code 8 of lp4_0_3 is NaR, which has no value"),
        (
            lambda: LogPosit(4, 0, 3).log2_exact(0),
            "a code of lp4_0_3 must stand for a number other than zero to have a logarithm; "
            "0 is zero",
        ),
        (
            lambda: LogPosit(8, 1, 3, float("nan")),  # type: ignore[arg-type]
            "sf must be a number from -128 to 128 in steps of 2**-20, not nan",
        ),
        (
            lambda: LogPosit(8, 1, 3, True),  # type: ignore[arg-type]
            "sf must be a number from -128 to 128 in steps of 2**-20, not True",
        ),
        (lambda: LogPosit(8, 1, 0), "rs must be an integer from 1 to 15, not 0"),
    ],
)
def test_errors_say_what_would_be_right(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        call()


def test_nan_is_nar() -> None:
    fmt = LogPosit(8, 1, 3)
    assert fmt.encode([np.nan, 0.0]).tolist() == [128, 0]
    assert np.isnan(fmt.decode([128])[0])
