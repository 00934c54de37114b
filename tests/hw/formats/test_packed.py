from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import Binary, FixedPoint, NumberFormat
from hw.formats.packed import Packed

WORD = Packed(Binary(), 16)
NIBBLES = Packed(FixedPoint(4), 3)


def test_lane_zero_is_in_the_lowest_bits() -> None:
    assert NIBBLES.split(0x7F8) == (8, 15, 7)
    assert NIBBLES.decode_lanes(0x7F8) == (Fraction(-8), Fraction(-1), Fraction(7))
    assert NIBBLES.decode([[0x7F8]]).tolist() == [[[-8.0, -1.0, 7.0]]]
    assert WORD.decode(1).tolist() == [1.0] + [-1.0] * 15


@pytest.mark.parametrize("fmt", [WORD, NIBBLES])
def test_words_round_trip(fmt: Packed) -> None:
    words = np.random.default_rng(1).integers(0, 1 << fmt.bits, (3, 50))
    values = fmt.decode(words)
    assert values.shape == (3, 50, fmt.lanes)
    assert np.array_equal(fmt.encode(values), words)
    assert np.array_equal(fmt.quantize(values), values)
    exact = [[float(v) for v in fmt.decode_lanes(int(w))] for w in words[0]]
    assert np.array_equal(values[0], exact)


def test_a_word_is_a_format_of_its_own() -> None:
    assert isinstance(WORD, NumberFormat)
    assert (str(WORD), WORD.bits, WORD.storage_bits) == ("binaryx16", 16, 16)
    assert Packed(Binary(), 16) == WORD


def test_what_is_no_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="lanes must be an integer from 2 to 62, not 63"):
        Packed(Binary(), 63)
    with pytest.raises(ConfigError, match="must be an integer from 0 to 65535, not 65536"):
        WORD.split(1 << 16)
    with pytest.raises(ConfigError, match="holds 16 values, not one; decode_lanes gives them"):
        WORD.decode_exact(0)
    with pytest.raises(ConfigError, match=r"a last axis of 16 lanes, not the shape \(3,\)"):
        WORD.encode([1.0, 1.0, 1.0])
