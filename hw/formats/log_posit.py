"""Logarithmic posits (LP, DAC 2024, 2403.05465): a posit whose whole tail is a logarithm.

LP<n, es, rs, sf>: log2|x| = 2**es * k - sf + t, where k is the regime and t, from 0 up to 2**es,
is the rest of the word read as fixed point with es integer bits; a product adds logarithms.  The
regime's run has at most rs bits.  sf is a real scale.

What the source leaves open and is chosen here: a run that reaches rs has no terminating bit; signs
are two's complement of the word as in posits, so that one regime decoder serves both; code 0 is
zero and code 100...0 is NaR (decoded as NaN), so that <2, es, rs> is -1, 0, 1.  All other codes are
canonical, and codes read as two's complement are in the order of the values.

Values are irrational unless the logarithm is whole: `log2_exact` is exact for all, `decode` is the
nearest float64.  Rounding `nearest` is to the nearest value, `logarithmic` to the nearest logarithm
(between zero and the smallest magnitude both decide at half of it).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes, check_parameter
from .logarithmic import geometric_borders
from .regime import split_regime, split_regimes
from .rounding import Midpoints, TableFormat, canonical_codes

__all__ = ["LogPosit"]


@dataclass(frozen=True, slots=True)
class LogPosit(TableFormat):
    """`bits` 2 to 16, `es` 0 to 4, `rs` 1 to 15, `sf` -128 to 128 in steps of 2**-20."""

    bits: int
    es: int
    rs: int
    sf: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        check_parameter("bits", self.bits, 2, 16)
        check_parameter("es", self.es, 0, 4)
        check_parameter("rs", self.rs, 1, 15)
        if (
            type(self.sf) not in (int, float, Fraction)
            or not -128 <= self.sf <= 128  # false for NaN
            or (1 << 20) % Fraction(self.sf).denominator
        ):
            raise ConfigError(
                f"sf must be a number from -128 to 128 in steps of 2**-20, not {self.sf!r}"
            )
        object.__setattr__(self, "sf", Fraction(self.sf))

    def __str__(self) -> str:
        scale = f"_{self.sf}" if self.sf else ""
        return f"lp{self.bits}_{self.es}_{self.rs}{scale}"

    @property
    def nar_code(self) -> int:
        """Code of NaR."""
        return 1 << (self.bits - 1)

    @property
    def log_fraction(self) -> int:
        """Fraction bits that hold every logarithm exactly, `sf` left out."""
        regime = 1 if self.rs == 1 else 2
        return max(self.bits - 1 - regime - self.es, 0)

    def log2_exact(self, code: int) -> tuple[int, Fraction]:
        """Return the sign (1 is negative) and the logarithm to base 2 of one code's magnitude.

        `ConfigError` for zero and NaR, which have none.
        """
        checked = check_code(code, self.bits, str(self))
        if checked in (0, self.nar_code):
            raise ConfigError(
                f"a code of {self} must stand for a number other than zero to have a logarithm; "
                f"{checked} is {'NaR' if checked else 'zero'}"
            )
        sign = checked >> (self.bits - 1)
        body = (1 << self.bits) - checked if sign else checked
        k, rest, rest_bits = split_regime(body, self.bits - 1, self.rs)
        return sign, (k << self.es) - self.sf + Fraction(rest << self.es, 1 << rest_bits)

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` where it is irrational or NaR."""
        if check_code(code, self.bits, str(self)) == 0:
            return Fraction(0)
        if code == self.nar_code:
            raise ConfigError(f"code {code} of {self} is NaR, which has no value")
        sign, log2 = self.log2_exact(code)
        if log2.denominator != 1:
            raise ConfigError(
                f"code {code} of {self} is the irrational {'-' if sign else ''}2**({log2}); "
                f"log2_exact gives its logarithm"
            )
        return Fraction(-1 if sign else 1) * Fraction(2) ** log2.numerator

    def logs(
        self, codes: ArrayLike
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Return for codes: whether the value is not zero, its sign (1 is negative), its logarithm.

        The logarithm is an integer with `log_fraction` fraction bits, without `sf`, and 0 for zero;
        `ConfigError` for NaR.
        """
        array = check_codes(codes, self.bits, str(self))
        if (array == self.nar_code).any():
            raise ConfigError(f"code {self.nar_code} of {self} is NaR, which has no value")
        sign = array >> (self.bits - 1)
        body = np.where(sign > 0, (1 << self.bits) - array, array)
        k, rest, rest_bits = split_regimes(body, self.bits - 1, self.rs)
        unit = self.es + self.log_fraction
        log = (k << unit) + ((rest << unit) >> rest_bits)
        return array != 0, sign, np.where(array != 0, log, 0)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64; NaR as NaN."""
        array = check_codes(codes, self.bits, str(self))
        missing = array == self.nar_code
        nonzero, sign, log = self.logs(np.where(missing, 0, array))
        magnitude = np.exp2(log / (1 << self.log_fraction) - float(self.sf))
        values = np.where(nonzero, np.where(sign > 0, -magnitude, magnitude), 0.0)
        return np.where(missing, np.nan, values)

    def midpoints(self) -> Midpoints:
        """Return the rule `logarithmic`: borders at the geometric means of neighbours."""
        return "logarithmic", lambda: geometric_borders(self.decode(canonical_codes(self)))
