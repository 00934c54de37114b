from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import Posit


def _standard_code(value: Fraction, bits: int, es: int) -> int:
    """Round as the posit standard says: on the bit string, without the decoder."""
    if value == 0:
        return 0
    magnitude, exponent = abs(value), 0
    while magnitude >= 2:
        magnitude, exponent = magnitude / 2, exponent + 1
    while magnitude < 1:
        magnitude, exponent = magnitude * 2, exponent - 1
    k, e = divmod(exponent, 1 << es)
    text = "1" * (k + 1) + "0" if k >= 0 else "0" * -k + "1"
    text += f"{e:0{es}b}" if es else ""
    rest = magnitude - 1
    for _ in range(60):
        rest *= 2
        text += str(int(rest >= 1))
        rest -= int(rest >= 1)
    kept, guard, sticky = text[: bits - 1], text[bits - 1], text[bits:] + str(int(rest > 0))
    code = int(kept, 2)
    code += guard == "1" and ("1" in sticky or code % 2 == 1)
    code = min(max(code, 1), (1 << (bits - 1)) - 1)
    return code if value > 0 else (1 << bits) - code


@pytest.mark.parametrize(("bits", "es"), [(8, 0), (8, 1), (8, 2), (6, 3), (16, 1), (16, 2), (3, 0)])
def test_standard_rounding_is_the_rounding_of_the_bit_string(bits: int, es: int) -> None:
    fmt = Posit(bits, es)
    rng = np.random.default_rng(3)
    codes = rng.integers(1, 1 << (bits - 1), 150)
    codes = codes[codes < (1 << (bits - 1)) - 1]
    low, high = fmt.decode(codes), fmt.decode(codes + 1)
    values = np.concatenate(
        [
            low + (high - low) / 2,
            low + (high - low) * rng.random(len(low)),
            np.sqrt(low * high),
            [1e-30, 0.0, fmt.decode([1])[0] * 0.3, fmt.decode([(1 << (bits - 1)) - 1])[0] * 9],
        ]
    )
    values = np.concatenate([values, -values])
    ours = fmt.encode(values, rounding="standard").tolist()
    assert ours == [_standard_code(Fraction(v), bits, es) for v in values.tolist()]


def test_known_codes() -> None:
    fmt = Posit(8, 2)
    assert fmt.encode([1.0, -1.0, 2.0**24, 2.0**-24, np.pi]).tolist() == [64, 192, 127, 1, 0x4D]
    assert fmt.fields(0x4D) == (0, 1, 5, 3)
    assert Posit(8, 0).decode([127])[0] == 64
    assert Posit(16, 1).decode([32767])[0] == 2.0**28


@pytest.mark.parametrize(("bits", "es"), [(2, 0), (5, 4), (8, 1), (16, 2)])
def test_codes_as_twos_complement_are_in_order_and_negation_is_exact(bits: int, es: int) -> None:
    fmt = Posit(bits, es)
    ordered = np.arange(-(1 << (bits - 1)) + 1, 1 << (bits - 1))
    values = fmt.decode(ordered % (1 << bits))
    assert (np.diff(values) > 0).all()
    assert np.array_equal(values, -values[::-1])


def test_nar() -> None:
    fmt = Posit(8, 1)
    assert np.isnan(fmt.decode([128])[0])
    assert fmt.encode([np.nan, 1.0]).tolist() == [128, 64]
    with pytest.raises(ConfigError, match=r"^code 128 of posit8_1 is NaR, which has no value$"):
        fmt.decode_exact(128)
    for code, what in ((0, "zero"), (128, "NaR")):
        text = (
            f"a code of posit8_1 must stand for a number other than zero to have fields; "
            f"{code} is {what}"
        )
        with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
            fmt.fields(code)


def test_nearest_may_become_zero_and_standard_may_not() -> None:
    fmt = Posit(8, 1)
    tiny = fmt.decode([1])[0] / 4
    assert fmt.encode([tiny, -tiny]).tolist() == [0, 0]
    assert fmt.encode([tiny, -tiny], rounding="standard").tolist() == [1, 255]
