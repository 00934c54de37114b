from __future__ import annotations

from hw.pe.posit import POSIT8


def test_the_quire_holds_the_ends_of_the_range_exactly() -> None:
    smallest, largest, one = 0x01, 0x7F, 0x40
    assert POSIT8.product(smallest, smallest) == 1
    assert POSIT8.product(one, one) == 1 << 24
    assert POSIT8.product(largest, largest) == 1 << 48
    assert POSIT8.product(0x81, largest) == -(1 << 48)


def test_nar_counts_as_zero() -> None:
    assert {POSIT8.product(0x80, code) for code in range(256)} == {0}
