"""Power of two with a zero: a sign and an exponent.

Code of `pot4`: sign bit, then 3 bits m.  m = 0 is zero; m = 1...7 is 2**(m - 7), so magnitudes
are 0, 2**-6 ... 1.  The published texts leave the zero code open; m = 0 is chosen because then a
cleared word is zero and larger m is a larger magnitude.  -0 (sign set, m = 0) is a second code of
zero; the canonical one is +0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import check_code, check_codes, check_parameter
from .rounding import TableFormat

__all__ = ["PowerOfTwo"]


@dataclass(frozen=True, slots=True)
class PowerOfTwo(TableFormat):
    """Zero and the powers of two from 1 downwards, with a sign; `bits` from 2 to 6."""

    bits: int = 4

    def __post_init__(self) -> None:
        check_parameter("bits", self.bits, 2, 6)

    def __str__(self) -> str:
        return f"pot{self.bits}"

    @property
    def fraction(self) -> int:
        """Fraction bits that hold every value exactly."""
        return (1 << (self.bits - 1)) - 2

    def fields(self, code: int) -> tuple[int, int]:
        """Return the sign (1 is negative) and m."""
        checked = check_code(code, self.bits, str(self))
        return checked >> (self.bits - 1), checked & ((1 << (self.bits - 1)) - 1)

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        sign, m = self.fields(code)
        magnitude = Fraction(1 << m >> 1, 1 << self.fraction)
        return -magnitude if sign else magnitude

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        array = check_codes(codes, self.bits, str(self))
        m = array & ((1 << (self.bits - 1)) - 1)
        magnitude = np.where(m > 0, np.exp2((m - 1 - self.fraction).astype(np.float64)), 0.0)
        return np.where((array >> (self.bits - 1) > 0) & (m > 0), -magnitude, magnitude)
