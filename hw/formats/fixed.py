"""Fixed point: two's complement integers of any width with a binary point.

`FixedPoint(8)` is `int8`; `FixedPoint(16, fraction=8)` is `int16q8`; unsigned ones begin with `u`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_codes

__all__ = ["FixedPoint"]


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """`bits` bits, the lowest `fraction` of them behind the binary point."""

    bits: int
    fraction: int = 0
    signed: bool = True

    def __post_init__(self) -> None:
        if (
            isinstance(self.bits, bool)
            or not isinstance(self.bits, int)
            or not 1 <= self.bits <= 52
        ):
            raise ConfigError(f"bits must be an integer from 1 to 52, not {self.bits!r}")
        if (
            isinstance(self.fraction, bool)
            or not isinstance(self.fraction, int)
            or not 0 <= self.fraction <= 52
        ):
            raise ConfigError(f"fraction must be an integer from 0 to 52, not {self.fraction!r}")

    def __str__(self) -> str:
        point = f"q{self.fraction}" if self.fraction else ""
        return f"{'' if self.signed else 'u'}int{self.bits}{point}"

    @property
    def storage_bits(self) -> int:
        """Bits a code occupies in a memory word."""
        return self.bits

    @property
    def min_int(self) -> int:
        """Smallest integer, before the binary point is applied."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max_int(self) -> int:
        """Largest integer, before the binary point is applied."""
        return (1 << (self.bits - self.signed)) - 1

    def to_int(self, code: int) -> int:
        """Return the integer a code stands for, before the binary point is applied."""
        if not 0 <= code < 1 << self.bits:
            raise ConfigError(
                f"a code of {self} must be from 0 to {(1 << self.bits) - 1}, not {code!r}"
            )
        return code - (1 << self.bits) if self.signed and code >> (self.bits - 1) else code

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        return Fraction(self.to_int(code), 1 << self.fraction)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        array = check_codes(codes, self.bits, str(self))
        if self.signed:
            array = array - ((array >> (self.bits - 1)) << self.bits)
        return array / float(1 << self.fraction)

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest codes (ties to even), saturating at both ends, same shape."""
        scaled = np.rint(np.asarray(values, dtype=np.float64) * float(1 << self.fraction))
        if np.isnan(scaled).any():
            raise ConfigError(f"{self} has no code for NaN")
        clipped = np.clip(scaled, self.min_int, self.max_int).astype(np.int64)
        return clipped & ((1 << self.bits) - 1)

    def quantize(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the representable values nearest to `values`."""
        return self.decode(self.encode(values))
