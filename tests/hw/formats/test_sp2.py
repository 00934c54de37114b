from __future__ import annotations

import numpy as np
import pytest

from hw.formats import SP2


def test_magnitudes_of_4_bits() -> None:
    values = SP2(4).decode(np.arange(16))
    assert sorted(set(np.abs(values).tolist())) == [0, 1 / 8, 1 / 4, 1 / 2, 5 / 8, 3 / 4, 1]


def test_half_has_two_codes_and_one_of_them_is_canonical() -> None:
    fmt = SP2(4)
    assert fmt.decode([0b0001, 0b0010]).tolist() == [0.5, 0.5]
    assert fmt.encode([0.5, -0.5, 0.0, -0.0]).tolist() == [1, 9, 0, 0]
    assert fmt.fields(0b1101) == (1, 2, 1)


@pytest.mark.parametrize("bits", [3, 4, 5, 6, 7, 8])
def test_fields_fill_the_code_and_the_fraction_holds_every_value(bits: int) -> None:
    fmt = SP2(bits)
    assert sum(fmt.widths) == bits - 1
    scaled = fmt.decode(np.arange(1 << bits)) * 2.0**fmt.fraction
    assert np.array_equal(scaled, np.rint(scaled))
    assert (scaled % 2 == 1).any()
