from __future__ import annotations

import math
import re

import ml_dtypes
import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    E8M0,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E5M2,
    FixedPoint,
    Float,
    NumberFormat,
)

ORACLES: list[tuple[NumberFormat, str]] = [
    (BFLOAT16, "bfloat16"),
    (FP8_E4M3, "float8_e4m3fn"),
    (FP8_E5M2, "float8_e5m2"),
    (Float(4, 3), "float8_e4m3"),
    (Float(3, 4), "float8_e3m4"),
    (FP6_E2M3, "float6_e2m3fn"),
    (FP6_E3M2, "float6_e3m2fn"),
    (FP4_E2M1, "float4_e2m1fn"),
    (E8M0(), "float8_e8m0fnu"),
    (FixedPoint(4), "int4"),
    (FixedPoint(4, signed=False), "uint4"),
    (FixedPoint(2), "int2"),
    (FixedPoint(2, signed=False), "uint2"),
]
FLOATS = [(fmt, name) for fmt, name in ORACLES if isinstance(fmt, Float)]


def _float32_probes(fmt: Float) -> np.ndarray:
    """Return float32 numbers around a format's range: halfway cases, subnormals, both overflows."""
    rng = np.random.default_rng(9)
    low = fmt.min_exponent - fmt.fraction_bits - 2
    high = math.frexp(fmt.largest)[1] + 1
    powers = np.exp2(rng.integers(max(low, -148), min(high, 127), 20_000).astype(float))
    scattered = powers * rng.uniform(1, 2, powers.shape)
    half = powers * (
        1 + rng.integers(0, 2 << fmt.fraction_bits, powers.shape) / (2 << fmt.fraction_bits)
    )
    beside = np.nextafter(half.astype(np.float32), np.float32(0))
    values = np.concatenate([scattered, half, beside]).astype(np.float32)
    values = values * rng.choice([-1, 1], values.shape).astype(np.float32)
    return np.concatenate([values, np.float32([0.0, -0.0, fmt.largest, -fmt.largest])])


@pytest.mark.parametrize(("fmt", "name"), ORACLES, ids=[name for _, name in ORACLES])
def test_every_code_decodes_as_in_ml_dtypes(fmt: NumberFormat, name: str) -> None:
    codes = np.arange(1 << fmt.bits)
    stored = codes.astype(np.uint16 if fmt.bits == 16 else np.uint8)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        theirs = stored.view(getattr(ml_dtypes, name)).astype(np.float64)
    ours = fmt.decode(codes)
    assert np.array_equal(ours, theirs, equal_nan=True)
    number = ~np.isnan(ours)
    assert np.array_equal(np.signbit(ours[number]), np.signbit(theirs[number]))


@pytest.mark.parametrize(("fmt", "name"), FLOATS, ids=[name for _, name in FLOATS])
def test_encoding_is_that_of_ml_dtypes(fmt: Float, name: str) -> None:
    values = _float32_probes(fmt)
    if fmt.specials == "none":  # these saturate there
        overflow = "saturate"
    else:
        values = np.concatenate([values, np.float32([np.inf, -np.inf])])
        overflow = "special"
    theirs = values.astype(getattr(ml_dtypes, name))
    unsigned = theirs.view(np.uint16 if fmt.bits == 16 else np.uint8).astype(np.int64)
    ours = fmt.encode(values, overflow=overflow)
    nan = np.isnan(theirs.astype(np.float64))
    assert np.array_equal(ours[~nan], unsigned[~nan])
    assert np.isnan(fmt.decode(ours[nan])).all()
    assert fmt.specials != "nan" or nan.any()
    if fmt.nan_code is not None:
        their_nan = np.float32([np.nan]).astype(getattr(ml_dtypes, name))
        assert fmt.encode([np.nan])[0] == fmt.nan_code
        assert (
            int(their_nan.view(np.uint16 if fmt.bits == 16 else np.uint8)[0])
            & ((1 << (fmt.bits - 1)) - 1)
            == fmt.nan_code
        )


def test_scale_encoding_is_that_of_ml_dtypes() -> None:
    rng = np.random.default_rng(10)
    values = np.exp2(rng.uniform(-126, 127, 5_000)).astype(np.float32)
    theirs = values.astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
    assert np.array_equal(E8M0().encode(values), theirs)


@pytest.mark.parametrize(
    ("fmt", "dtype", "unsigned"),
    [(BINARY16, np.float16, np.uint16), (BINARY32, np.float32, np.uint32)],
)
def test_ieee_formats_are_those_of_numpy(fmt: Float, dtype: type, unsigned: type) -> None:
    codes = np.arange(1 << 16)
    if fmt.bits == 32:
        codes = np.concatenate(
            [codes, codes << 16, np.random.default_rng(11).integers(0, 1 << 32, 100_000)]
        )
    with np.errstate(invalid="ignore"):  # signalling NaNs
        theirs = codes.astype(unsigned).view(dtype).astype(np.float64)
    ours = fmt.decode(codes)
    assert np.array_equal(ours, theirs, equal_nan=True)
    number = ~np.isnan(ours)
    assert np.array_equal(fmt.encode(ours[number], overflow="special"), codes[number])
    rng = np.random.default_rng(12)
    exponents = rng.integers(fmt.min_exponent - fmt.fraction_bits - 2, fmt.bias + 3, 100_000)
    halves = 1 + rng.integers(0, 4 << fmt.fraction_bits, 100_000) / (4 << fmt.fraction_bits)
    values = np.ldexp(halves, exponents) * rng.choice([-1, 1], 100_000)
    with np.errstate(over="ignore"):
        expected = values.astype(dtype).view(unsigned).astype(np.int64)
    assert np.array_equal(fmt.encode(values, overflow="special"), expected)


@pytest.mark.parametrize(
    ("fmt", "largest", "smallest"),
    [
        (FP8_E4M3, 448, 2.0**-9),
        (FP8_E5M2, 57344, 2.0**-16),
        (FP6_E3M2, 28, 2.0**-4),
        (FP6_E2M3, 7.5, 2.0**-3),
        (FP4_E2M1, 6, 0.5),
        (BINARY16, 65504, 2.0**-24),
        (BINARY32, float(np.finfo(np.float32).max), 2.0**-149),
    ],
    ids=str,
)
def test_ranges_and_overflow(fmt: Float, largest: float, smallest: float) -> None:
    assert fmt.largest == largest
    assert fmt.decode([1])[0] == smallest
    assert fmt.quantize([1e300, -np.inf]).tolist() == [largest, -largest]
    assert fmt.quantize([smallest / 2, smallest * 0.51]).tolist() == [0, smallest]
    assert np.signbit(fmt.quantize([-smallest / 4])[0])
    if fmt.specials != "none":
        gone = fmt.quantize([1e300, -1e300], overflow="special")
        assert np.isnan(gone).all() if fmt.specials == "nan" else gone.tolist() == [np.inf, -np.inf]
        toward_zero = fmt.quantize([1e300], overflow="special", rounding="zero")
        assert toward_zero.tolist() == [largest]


def test_the_widest_float_holds_float64_numbers_of_its_range() -> None:
    fmt = Float(10, 52)
    values = np.random.default_rng(14).standard_normal(5_000)
    codes = fmt.encode(values)
    assert np.array_equal(fmt.decode(codes), values)
    assert np.array_equal(codes & ((1 << 52) - 1), values.view(np.int64) & ((1 << 52) - 1))


def test_codes_of_special_values() -> None:
    assert FP8_E4M3.infinity_code is None
    assert (FP8_E4M3.nan_code, FP8_E4M3.largest_code) == (0x7F, 0x7E)
    assert (FP8_E5M2.infinity_code, FP8_E5M2.nan_code) == (0x7C, 0x7E)
    assert (FP4_E2M1.infinity_code, FP4_E2M1.nan_code) == (None, None)
    assert BINARY32.nan_code == 0x7FC00000
    assert BINARY32.fields(0xC0490FDB) == (1, 128, 0x490FDB)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: FP8_E4M3.decode_exact(0xFF),
            "a code of float8_e4m3fn must stand for a number to be decoded exactly; 255 is NaN",
        ),
        (
            lambda: FP8_E5M2.decode_exact(0xFC),
            "a code of float8_e5m2 must stand for a number to be decoded exactly; 252 is infinity",
        ),
        (lambda: Float(4, 3, "fn"), "specials must be ieee, nan or none, not 'fn'"),
        (lambda: Float(1, 3), "exponent_bits must be an integer from 2 to 10, not 1"),
        (lambda: Float(4, True), "fraction_bits must be an integer from 1 to 52, not True"),
        (
            lambda: FP4_E2M1.encode([1.0], overflow="special"),
            "overflow of float4_e2m1fn must be one of saturate, error, not 'special'",
        ),
        (
            lambda: E8M0().decode_exact(255),
            "code 255 of float8_e8m0fnu is NaN, which has no value",
        ),
    ],
)
def test_errors_say_what_would_be_right(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        call()
