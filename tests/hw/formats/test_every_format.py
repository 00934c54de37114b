"""What holds for every format alike: a new one is tested by one more name in the list."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import (
    LNS,
    Float,
    LogPosit,
    Microscaling,
    NumberFormat,
    canonical_codes,
    encode,
    parse,
    quantize,
)
from hw.formats.reference import encode_exact

RATIONAL = [
    "int4",
    "int8",
    "uint4",
    "int8q6",
    "int16",
    "binary16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float6_e3m2fn",
    "float6_e2m3fn",
    "float4_e2m1fn",
    "float_e4m3",
    "float_e3m4n",
    "float_e2m5f",
    "float8_e8m0fnu",
    "lightnn1",
    "lightnn2",
    "flightnn0",
    "flightnn1",
    "flightnn2",
    "binary",
    "ternary",
    "pot2",
    "pot4",
    "pot6",
    "flint3",
    "flint4",
    "flint9",
    "uflint2",
    "uflint4",
    "uflint8",
    "sp2_3",
    "sp2_4",
    "sp2_8",
    "posit2_0",
    "posit5_4",
    "posit8_0",
    "posit8_1",
    "posit8_2",
    "posit16_1",
]
IRRATIONAL = [
    "lns2g1",
    "lns8g1",
    "lns8g8",
    "lns4g4",
    "lns16g128",
    "lp2_0_1",
    "lp2_3_7",
    "lp4_0_3",
    "lp4_1_1",
    "lp5_4_2",
    "lp8_1_3",
    "lp8_2_2",
    "lp8_0_15_-5/4",
    "lp16_2_6_3",
]
SMALL = [name for name in RATIONAL if parse(name).bits <= 10]  # type: ignore[union-attr]


def _format(name: str) -> NumberFormat:
    fmt = parse(name)
    assert not isinstance(fmt, Microscaling)
    return fmt


def _probes(fmt: NumberFormat) -> np.ndarray:
    """Return values between, at, halfway between and beyond the numbers of a format."""
    table = np.sort(fmt.decode(canonical_codes(fmt)))
    rng = np.random.default_rng(20)
    if len(table) > 300:
        table = np.unique(np.concatenate([table[rng.integers(0, len(table), 200)], table[[0, -1]]]))
    between = table[:-1] + np.diff(table) * rng.integers(1, 1 << 20, len(table) - 1) * 2.0**-20
    half = table[:-1] + np.diff(table) / 2
    tiny = np.abs(table[table != 0]).min() / 1024 if (table != 0).any() else 1.0
    ends = [2 * table[-1] + 1, min(2 * table[0], 0) - 1, np.inf, -np.inf, 0.0, tiny, -tiny, 1e-30]
    return np.concatenate([table, between, half, ends, [-1e-30]])


@pytest.mark.parametrize("name", [*RATIONAL, *IRRATIONAL, "binary32", "mxfp4", "mxint8"])
def test_name_is_the_specification(name: str) -> None:
    fmt = parse(name)
    assert str(fmt) == name
    assert parse(str(fmt)) == fmt
    assert hash(parse(name)) == hash(fmt)


@pytest.mark.parametrize("name", [*RATIONAL, *IRRATIONAL])
def test_canonical_codes_round_trip_in_the_order_of_their_values(name: str) -> None:
    fmt = _format(name)
    codes = canonical_codes(fmt)
    values = fmt.decode(codes)
    assert (np.diff(values) > 0).all()
    assert np.array_equal(fmt.encode(values), codes)
    assert np.array_equal(encode(fmt, values), codes)
    assert np.array_equal(quantize(fmt, values), values)
    for rounding in ("zero", "stochastic"):
        uniform = np.zeros(len(codes)) if rounding == "stochastic" else None
        assert np.array_equal(encode(fmt, values, rounding=rounding, uniform=uniform), codes)


@pytest.mark.parametrize("name", RATIONAL)
def test_scalar_and_vectorised_decoding_agree_on_every_code(name: str) -> None:
    fmt = _format(name)
    exact: dict[int, Fraction] = {}
    for code in range(1 << fmt.bits):
        try:
            exact[code] = fmt.decode_exact(code)
        except ConfigError:
            continue
    assert set(canonical_codes(fmt).tolist()) <= exact.keys()
    values = fmt.decode(np.array(list(exact), dtype=np.int64)).tolist()
    assert [Fraction(value) for value in values] == list(exact.values())
    reserved = getattr(fmt, "reserved", frozenset())
    without = sorted(set(range(1 << fmt.bits)) - exact.keys() - reserved)
    assert not np.isfinite(fmt.decode(np.array(without, dtype=np.int64))).any()


@pytest.mark.parametrize("name", IRRATIONAL)
def test_logarithms_are_exact_and_values_their_nearest_floats(name: str) -> None:
    fmt = _format(name)
    assert isinstance(fmt, LNS | LogPosit)
    codes = canonical_codes(fmt)
    codes = codes[fmt.decode(codes) != 0]
    values = fmt.decode(codes)
    nonzero, signs, logs = fmt.logs(codes)
    assert nonzero.all()
    assert np.array_equal(values < 0, signs > 0)
    unit, offset = (fmt.gamma, 0) if isinstance(fmt, LNS) else (1 << fmt.log_fraction, fmt.sf)
    assert [fmt.log2_exact(int(code)) for code in codes] == [
        (sign, Fraction(log, unit) - offset)
        for sign, log in zip(signs.tolist(), logs.tolist(), strict=True)
    ]
    assert np.log2(np.abs(values)) == pytest.approx(logs / unit - float(offset), abs=1e-12)
    whole = 0
    for code, value in zip(codes.tolist(), values.tolist(), strict=True):
        sign, log2 = fmt.log2_exact(code)
        if log2.denominator == 1:
            whole += 1
            assert Fraction(value) == fmt.decode_exact(code) == (-1) ** sign * Fraction(2) ** log2
        elif code % 97 == 0 or len(codes) < 300:
            with pytest.raises(ConfigError, match="is the irrational"):
                fmt.decode_exact(code)
    assert whole >= 2 or offset.denominator > 1


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("rounding", ["nearest", "zero", "stochastic"])
def test_encoding_equals_the_scalar_reference(name: str, rounding: str) -> None:
    fmt = _format(name)
    wanted = _probes(fmt)
    draws = np.random.default_rng(21).integers(0, 1 << 12, len(wanted)) / (1 << 12)
    uniform = draws if rounding == "stochastic" else None
    codes = encode(fmt, wanted, rounding=rounding, uniform=uniform)
    for value, draw, code in zip(wanted.tolist(), draws.tolist(), codes.tolist(), strict=True):
        finite = min(max(value, -1e300), 1e300)
        draw_or_none = draw if rounding == "stochastic" else None
        expected = encode_exact(fmt, finite, rounding=rounding, uniform=draw_or_none)
        if isinstance(fmt, Float) and fmt.decode_exact(code) == 0:
            expected |= int(np.signbit(value)) << (fmt.bits - 1)  # floats keep the sign of zero
        assert code == expected, (value, draw)


@pytest.mark.parametrize("name", [*RATIONAL, *IRRATIONAL])
def test_nearest_is_nearest(name: str) -> None:
    fmt = _format(name)
    table = np.sort(fmt.decode(canonical_codes(fmt)))
    wanted = np.clip(_probes(fmt), table[0], table[-1])
    index = np.searchsorted(table, wanted).clip(1 if len(table) > 1 else 0, len(table) - 1)
    best = np.minimum(np.abs(wanted - table[index]), np.abs(wanted - table[index - 1]))
    error = np.abs(quantize(fmt, wanted) - wanted)
    assert np.allclose(error, best, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", [*RATIONAL, *IRRATIONAL])
def test_shapes_are_kept_and_what_is_no_code_is_refused(name: str) -> None:
    fmt = _format(name)
    assert fmt.encode(0.5).shape == ()
    assert fmt.quantize(np.zeros((2, 0, 3))).shape == (2, 0, 3)
    assert fmt.storage_bits >= fmt.bits
    last = (1 << fmt.bits) - 1
    for bad in (-1, last + 1):
        with pytest.raises(ConfigError) as refused:
            fmt.decode([bad])
        assert (
            str(refused.value) == f"codes of {name} must be integers from 0 to {last}, not [{bad}]"
        )
        with pytest.raises(ConfigError, match=f"a code of {name} must be .*from 0 to {last}, not"):
            fmt.decode_exact(bad)
    with pytest.raises(ConfigError, match="must be integers"):
        fmt.decode([0.5])
