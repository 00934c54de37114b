"""Flint, the adaptive type of ANT (MICRO 2022, 2208.14286): an integer shifted left.

A code is a sign (when `signed`) and B magnitude bits.  Magnitude with leading bit 0: the integer of
the rest, shift 0.  Leading bit 1: z leading zeros in the rest, integer = rest * 2, shift = 2z; a
rest of zero is integer 1, shift 2(B - 1).  Values are these integers; the scale of a tensor is
applied outside the PE.  -0 is a second code of zero; the canonical one is +0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes, check_parameter
from .rounding import TableFormat

__all__ = ["Flint"]


@dataclass(frozen=True, slots=True)
class Flint(TableFormat):
    """Small integers finely, large ones coarsely; 2 to 8 magnitude bits."""

    bits: int = 4
    signed: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.signed, bool):
            raise ConfigError(f"signed must be True or False, not {self.signed!r}")
        check_parameter("bits", self.bits, 2 + self.signed, 8 + self.signed)

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}flint{self.bits}"

    @property
    def magnitude_bits(self) -> int:
        """Bits of a code without its sign."""
        return self.bits - self.signed

    def fields(self, code: int) -> tuple[int, int, int]:
        """Return the sign (1 is negative), the integer and its left shift."""
        checked = check_code(code, self.bits, str(self))
        width = self.magnitude_bits - 1
        sign, leading = checked >> self.magnitude_bits, checked >> width & 1
        rest = checked & ((1 << width) - 1)
        if not leading:
            return sign, rest, 0
        if not rest:
            return sign, 1, 2 * width
        return sign, rest << 1, 2 * (width - rest.bit_length())

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        sign, integer, shift = self.fields(code)
        return Fraction(-(integer << shift) if sign else integer << shift)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        array = check_codes(codes, self.bits, str(self))
        width = self.magnitude_bits - 1
        rest = array & ((1 << width) - 1)
        zeros = width - np.frexp(rest.astype(np.float64))[1]  # width when rest is 0
        large = np.where(rest > 0, rest << (1 + 2 * zeros), 1 << (2 * width))
        magnitude = np.where(array >> width & 1, large, rest)
        negative = (array >> self.magnitude_bits) > 0
        return np.where(negative, -magnitude, magnitude).astype(np.float64)
