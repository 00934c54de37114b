from __future__ import annotations

import re

import pytest

from hw.errors import ConfigError
from hw.formats import BINARY32, FP4_E2M1, Float, LogPosit, parse

FORMS = (
    "[u]int<bits>[q<fraction bits>], binary32, binary16, bfloat16, float8_e4m3fn, float8_e5m2, "
    "float6_e3m2fn, float6_e2m3fn, float4_e2m1fn, float_e<exponent bits>m<fraction bits>[n or f], "
    "float8_e8m0fnu, lightnn<1 or 2>, flightnn<0, 1 or 2>, binary, ternary, pot<bits>, "
    "[u]flint<bits>, sp2_<bits>, lns<bits>g<gamma>, posit<bits>_<es>, lp<bits>_<es>_<rs>[_<sf>], "
    "mxfp8_e4m3, mxfp8_e5m2, mxfp6_e3m2, mxfp6_e2m3, mxfp4, mxint8, <format>x<lanes>"
)


def test_a_float_is_called_by_its_own_name() -> None:
    assert parse("float_e8m23") == BINARY32
    assert str(parse("float_e8m23")) == "binary32"
    assert parse("float_e2m1f") == FP4_E2M1
    assert str(Float(2, 1, "nan")) == "float_e2m1n"


def test_a_word_of_lanes_is_called_by_its_lanes() -> None:
    for name in ("binaryx16", "lp4_0_3x2"):
        assert str(parse(name)) == name
    assert parse("binaryx16").bits == 16  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["mxfp4x2", "binaryx2x2"])
def test_lanes_hold_plain_formats(name: str) -> None:
    with pytest.raises(ConfigError, match="a word must hold lanes of a plain number format"):
        parse(name)


def test_a_scale_is_a_fraction() -> None:
    assert parse("lp8_1_3_-5/4") == LogPosit(8, 1, 3, -1.25)  # type: ignore[arg-type]
    assert str(LogPosit(8, 1, 3, 2)) == "lp8_1_3_2"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "flint",
        "posit8",
        "posit08_1",
        "lp8_1",
        "lp8_1_3_0",
        "lns8",
        "pot4 ",
        "Binary",
        "float8",
        "٤",
    ],
)
def test_unknown_names_are_refused_with_every_valid_form(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(name)
    assert str(refused.value) == f"a number format must be one of {FORMS}, not {name!r}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("int53", "bits must be an integer from 1 to 52, not 53"),
        ("float_e11m4", "exponent_bits must be an integer from 2 to 10, not 11"),
        ("float_e5m53", "fraction_bits must be an integer from 1 to 52, not 53"),
        ("pot7", "bits must be an integer from 2 to 6, not 7"),
        ("flint2", "bits must be an integer from 3 to 9, not 2"),
        ("uflint9", "bits must be an integer from 2 to 8, not 9"),
        ("sp2_9", "bits must be an integer from 3 to 8, not 9"),
        ("lns17g8", "bits must be an integer from 2 to 16, not 17"),
        ("lns8g6", "gamma must be a power of two from 1 to 16384, not 6"),
        (
            "lns16g32",
            "gamma must be at least 64 with 16 bits, so that values stay below 2**512, not 32",
        ),
        ("posit17_1", "bits must be an integer from 2 to 16, not 17"),
        ("posit8_5", "es must be an integer from 0 to 4, not 5"),
        ("lp8_1_16", "rs must be an integer from 1 to 15, not 16"),
        (
            "lp8_1_3_1/3",
            "sf must be a number from -128 to 128 in steps of 2**-20, not Fraction(1, 3)",
        ),
        (
            "mxfp4_e3m0",
            "name of a block format must be one of mxfp8_e4m3, mxfp8_e5m2, mxfp6_e3m2, mxfp6_e2m3, "
            "mxfp4, mxint8, not 'mxfp4_e3m0'",
        ),
    ],
)
def test_wrong_parameters_are_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        parse(name)
