"""Binary and ternary: one bit for -1 and +1, two bits for -1, 0 and +1 (hls4ml, 2003.06308).

Binary: code 0 is -1, code 1 is +1; zero is encoded as +1, the sign function of binary networks.
Ternary: two's complement, codes 0, 1 and 3; code 2 would be -2, is reserved and refused.
The factor of a layer or filter is applied outside the PE.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes
from .rounding import TableFormat

__all__ = ["Binary", "Ternary"]


@dataclass(frozen=True, slots=True)
class Binary(TableFormat):
    """-1 and +1."""

    ties_up: ClassVar[bool] = True

    def __str__(self) -> str:
        return "binary"

    @property
    def bits(self) -> int:
        """Bits of a code that carry information."""
        return 1

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        return Fraction(1 if check_code(code, self.bits, str(self)) else -1)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        return np.where(check_codes(codes, self.bits, str(self)) > 0, 1.0, -1.0)


@dataclass(frozen=True, slots=True)
class Ternary(TableFormat):
    """-1, 0 and +1."""

    reserved: ClassVar[frozenset[int]] = frozenset({2})

    def __str__(self) -> str:
        return "ternary"

    @property
    def bits(self) -> int:
        """Bits of a code that carry information."""
        return 2

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` for the reserved code 2."""
        self._refuse_reserved(check_code(code, self.bits, str(self)) == 2)
        return Fraction((0, 1, -2, -1)[code])

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64; `ConfigError` for code 2."""
        array = check_codes(codes, self.bits, str(self))
        self._refuse_reserved(bool((array == 2).any()))
        return (array - ((array >> 1) << 2)).astype(np.float64)

    def _refuse_reserved(self, found: bool) -> None:
        if found:
            raise ConfigError("a code of ternary must be 0, 1 or 3, not 2, which is reserved")
