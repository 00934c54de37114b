"""LightNN weights: one or two powers of two (Ding et al., GLSVLSI 2017).

k = 1: w = +-2**-m, m = 0...7, 4 bits: sign, m.
k = 2: w = +-(2**-m1 + 2**-m2), one shared sign, 7 bits stored in 8: sign, m1, m2; the stored word's
top bit is not part of the code.

Neither code has a zero.  The published text does not say what a pruned weight becomes; here it is
encoded as the nearest code (+-2**-7 or +-2**-6), and padding is done with zero *activations*, which
are exact.  The per-layer or per-filter scale is applied outside the PE.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_codes, encode_nearest

__all__ = ["LightNN"]


@dataclass(frozen=True, slots=True)
class LightNN:
    """Signed sum of `k` powers of two with exponents from 0 down to -7."""

    k: int

    def __post_init__(self) -> None:
        if self.k not in (1, 2) or isinstance(self.k, bool):
            raise ConfigError(f"k must be 1 or 2, not {self.k!r}")

    def __str__(self) -> str:
        return f"lightnn{self.k}"

    @property
    def bits(self) -> int:
        """Bits of a code: a sign and k exponents of 3 bits."""
        return 1 + 3 * self.k

    @property
    def storage_bits(self) -> int:
        """Bits a code occupies in a memory word: 4 or 8."""
        return 4 * self.k

    fraction = 7
    """Fraction bits that hold every value exactly."""

    def fields(self, code: int) -> tuple[int, tuple[int, ...]]:
        """Return the sign (1 is negative) and the exponents' magnitudes m, m1 first."""
        if not 0 <= code < 1 << self.bits:
            raise ConfigError(
                f"a code of {self} must be from 0 to {(1 << self.bits) - 1}, not {code!r}"
            )
        exponents = tuple((code >> shift) & 7 for shift in range(3 * (self.k - 1), -1, -3))
        return code >> (3 * self.k), exponents

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        sign, exponents = self.fields(code)
        magnitude = sum((Fraction(1, 1 << m) for m in exponents), Fraction(0))
        return -magnitude if sign else magnitude

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        array = check_codes(codes, self.bits, str(self))
        magnitude = sum(
            np.exp2(-((array >> shift) & 7).astype(np.float64)) for shift in range(0, 3 * self.k, 3)
        )
        return np.where(array >> (3 * self.k), -magnitude, magnitude)

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the codes nearest to `values`, saturating; of equal codes the smallest."""
        return encode_nearest(self, values)

    def quantize(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the representable values nearest to `values`."""
        return self.decode(self.encode(values))
