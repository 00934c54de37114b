"""SP2, the sum of two powers of two of MSP (2009.07460) and Mix-and-Match (HPCA 2021).

A code of m bits is a sign, m1 bits f1 and m2 bits f2, m1 + m2 = m - 1 and m1 = m2 or m2 + 1; the
value is +-(q1 + q2), q = 0 for f = 0 and 2**-f otherwise.  Zero has two codes and so have the
values that f1 and f2 can make alike (a half in `sp2_4`: codes 1 and 2); the canonical one is the
smallest: +0, and f2 for the half.  The scale alpha is applied outside the PE.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import check_code, check_codes, check_parameter
from .rounding import TableFormat

__all__ = ["SP2"]


def _power(field: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(field > 0, np.exp2(-field.astype(np.float64)), 0.0)


@dataclass(frozen=True, slots=True)
class SP2(TableFormat):
    """Signed sum of two powers of two, either of which may be missing; `bits` from 3 to 8."""

    bits: int = 4

    def __post_init__(self) -> None:
        check_parameter("bits", self.bits, 3, 8)

    def __str__(self) -> str:
        return f"sp2_{self.bits}"

    @property
    def widths(self) -> tuple[int, int]:
        """Bits of the two fields, m1 and m2."""
        return self.bits // 2, (self.bits - 1) // 2

    @property
    def fraction(self) -> int:
        """Fraction bits that hold every value exactly."""
        return (1 << self.widths[0]) - 1

    def fields(self, code: int) -> tuple[int, int, int]:
        """Return the sign (1 is negative), f1 and f2."""
        checked = check_code(code, self.bits, str(self))
        m1, m2 = self.widths
        return checked >> (m1 + m2), checked >> m2 & ((1 << m1) - 1), checked & ((1 << m2) - 1)

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        sign, *fields = self.fields(code)
        magnitude = sum((Fraction(1, 1 << f) for f in fields if f), Fraction(0))
        return -magnitude if sign else magnitude

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        array = check_codes(codes, self.bits, str(self))
        m1, m2 = self.widths
        magnitude = _power(array >> m2 & ((1 << m1) - 1)) + _power(array & ((1 << m2) - 1))
        return np.where((array >> (m1 + m2) > 0) & (magnitude > 0), -magnitude, magnitude)
