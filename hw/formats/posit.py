"""Posits: regime, exponent and fraction of varying length, codes in two's complement.

posit<n, es>: code 0 is zero, code 100...0 is NaR (not a real), a negative code is the two's
complement of its magnitude; bits of exponent or fraction that the word has no room for are zero.
value = 2**(2**es * k + e) * (1 + f).  Every code but NaR is canonical and codes read as two's
complement are in the order of the values.

Rounding `nearest`, the default as everywhere here, is to the nearest value, and what lies nearer to
zero than to the smallest posit becomes zero.  Rounding `standard` is the one of the posit standard
(2022): nearest as a bit string, ties to even, and never to zero.  Both saturate.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes, check_parameter
from .regime import split_regime, split_regimes
from .rounding import Midpoints, TableFormat, canonical_codes

__all__ = ["Posit"]


def _values(codes: NDArray[np.int64], bits: int, es: int) -> NDArray[np.float64]:
    """Return the values of codes of posit<bits, es>, NaR as NaN."""
    negative = codes >> (bits - 1) > 0
    body = np.where(negative, (1 << bits) - codes, codes)
    k, rest, rest_bits = split_regimes(body, bits - 1, bits - 1)
    tail = rest * float(1 << es) / np.exp2(rest_bits)
    exponent = np.floor(tail)
    power = ((1 << es) * k + exponent).astype(np.int64)
    magnitude = np.where(codes == 0, 0.0, np.ldexp(1 + tail - exponent, power))
    return np.where(body >> (bits - 1) > 0, np.nan, np.where(negative, -magnitude, magnitude))


@dataclass(frozen=True, slots=True)
class Posit(TableFormat):
    """posit<bits, es>; `bits` from 2 to 16, `es` from 0 to 4."""

    bits: int
    es: int

    def __post_init__(self) -> None:
        check_parameter("bits", self.bits, 2, 16)
        check_parameter("es", self.es, 0, 4)

    def __str__(self) -> str:
        return f"posit{self.bits}_{self.es}"

    @property
    def nar_code(self) -> int:
        """Code of NaR."""
        return 1 << (self.bits - 1)

    def fields(self, code: int) -> tuple[int, int, int, int]:
        """Return sign (1 is negative), exponent 2**es * k + e, fraction and its number of bits.

        `ConfigError` for zero and NaR, which have none.
        """
        checked = check_code(code, self.bits, str(self))
        if checked in (0, self.nar_code):
            raise ConfigError(
                f"a code of {self} must stand for a number other than zero to have fields; "
                f"{checked} is {'NaR' if checked else 'zero'}"
            )
        sign = checked >> (self.bits - 1)
        body = (1 << self.bits) - checked if sign else checked
        k, rest, rest_bits = split_regime(body, self.bits - 1, self.bits - 1)
        if rest_bits < self.es:
            rest, rest_bits = rest << (self.es - rest_bits), self.es
        fraction_bits = rest_bits - self.es
        exponent, fraction = divmod(rest, 1 << fraction_bits)
        return sign, (k << self.es) + exponent, fraction, fraction_bits

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` for NaR."""
        if check_code(code, self.bits, str(self)) == 0:
            return Fraction(0)
        if code == self.nar_code:
            raise ConfigError(f"code {code} of {self} is NaR, which has no value")
        sign, exponent, fraction, fraction_bits = self.fields(code)
        magnitude = (1 + Fraction(fraction, 1 << fraction_bits)) * Fraction(2) ** exponent
        return -magnitude if sign else magnitude

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64; NaR as NaN."""
        return _values(check_codes(codes, self.bits, str(self)), self.bits, self.es)

    def midpoints(self) -> Midpoints:
        """Return the rule `standard`: borders are the posits of one bit more."""
        return "standard", self._standard_borders

    def _standard_borders(self) -> NDArray[np.float64]:
        """Return the posits of one bit more that lie between neighbours; 0 beside zero."""
        lower = canonical_codes(self)[:-1]
        between = (2 * lower + 1) % (1 << (self.bits + 1))
        borders = _values(between, self.bits + 1, self.es)
        return np.where((lower == 0) | (lower == (1 << self.bits) - 1), 0.0, borders)
