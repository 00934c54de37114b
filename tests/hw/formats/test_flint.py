from __future__ import annotations

import re

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import Flint, Posit


def test_magnitudes_of_signed_and_unsigned_4_bits() -> None:
    assert sorted(Flint(4).decode(np.arange(8)).tolist()) == [0, 1, 2, 3, 4, 6, 8, 16]
    unsigned = sorted(Flint(4, signed=False).decode(np.arange(16)).tolist())
    assert unsigned == [*range(9), 10, 12, 14, 16, 24, 32, 64]


@pytest.mark.parametrize("magnitude_bits", [3, 4, 5, 6, 7])
def test_positive_values_are_those_of_a_posit_up_to_scale(magnitude_bits: int) -> None:
    flint = np.sort(Flint(magnitude_bits, signed=False).decode(np.arange(1 << magnitude_bits)))[1:]
    posit = Posit(magnitude_bits + 1, 0).decode(np.arange(1, 1 << magnitude_bits))
    assert set((flint / posit).tolist()) == {2.0 ** (magnitude_bits - 1)}
    signed = Flint(magnitude_bits + 1).decode(np.arange(1 << (magnitude_bits + 1)))
    assert sorted({abs(v) for v in signed.tolist()} - {0}) == flint.tolist()


def test_fields_are_an_integer_and_a_shift() -> None:
    fmt = Flint(4, signed=False)
    assert [fmt.fields(code) for code in (7, 0b1111, 0b1100, 0b1010, 0b1001, 0b1000)] == [
        (0, 7, 0),
        (0, 14, 0),
        (0, 8, 0),
        (0, 4, 2),
        (0, 2, 4),
        (0, 1, 6),
    ]
    assert Flint(4).fields(0b1101) == (1, 2, 2)


def test_signed_must_be_a_truth_value() -> None:
    with pytest.raises(ConfigError, match=re.escape("signed must be True or False, not 1")):
        Flint(4, signed=1)  # type: ignore[arg-type]
