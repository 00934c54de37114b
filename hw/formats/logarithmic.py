"""Logarithmic numbers (LNS-Madam, IEEE TC 2022, 2106.13914) and their conversion to linear.

x = s * 2**(p / gamma): a sign bit and an unsigned integer p of bits - 1 bits; the base factor gamma
is a power of two.  The source has no zero and neither has this format: with a scale per tensor that
maps the largest magnitude to the largest code, zero becomes the smallest one, 2**-15.875 of the
largest in `lns8g8`; its sign is that of the value, + for 0.

Values are irrational unless gamma divides p: `log2_exact` is exact for all codes, `decode` is the
nearest float64.  Rounding `nearest` is to the nearest value; rounding `logarithmic` is to the
nearest logarithm, which is how the source quantizes.

A product adds the p's.  The sum p is then a shift p // gamma and a remainder p % gamma, whose power
of two `Antilog` approximates: a table of 2**(i / table) indexed by the remainder's top bits, times
1 + x (Mitchell) with x the rest of the remainder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes, check_parameter
from .rounding import Midpoints, TableFormat, canonical_codes

__all__ = ["LNS", "Antilog", "conversion_error", "geometric_borders"]


def _check_power_of_two(name: str, value: object, high: int) -> None:
    check_parameter(name, value, 1, high)
    if isinstance(value, int) and value & (value - 1):
        raise ConfigError(f"{name} must be a power of two from 1 to {high}, not {value!r}")


def geometric_borders(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the geometric mean of neighbours; beside zero and across it, half of their sum."""
    low, high = values[:-1], values[1:]
    product = low * high
    return np.where(
        product > 0, np.copysign(np.sqrt(np.maximum(product, 0)), low), low + (high - low) / 2
    )


@dataclass(frozen=True, slots=True)
class LNS(TableFormat):
    """`bits` from 2 to 16, `gamma` a power of two; the largest value below 2**512."""

    bits: int
    gamma: int

    def __post_init__(self) -> None:
        check_parameter("bits", self.bits, 2, 16)
        _check_power_of_two("gamma", self.gamma, 1 << 14)
        if ((1 << (self.bits - 1)) - 1) // self.gamma >= 512:
            raise ConfigError(
                f"gamma must be at least {1 << (self.bits - 10)} with {self.bits} bits, so that "
                f"values stay below 2**512, not {self.gamma}"
            )

    def __str__(self) -> str:
        return f"lns{self.bits}g{self.gamma}"

    def log2_exact(self, code: int) -> tuple[int, Fraction]:
        """Return the sign (1 is negative) and the logarithm to base 2 of one code's magnitude."""
        checked = check_code(code, self.bits, str(self))
        sign, p = divmod(checked, 1 << (self.bits - 1))
        return sign, Fraction(p, self.gamma)

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` where it is irrational."""
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
        """Return for codes: whether the value is not zero, its sign (1 is negative), and p."""
        array = check_codes(codes, self.bits, str(self))
        sign = array >> (self.bits - 1)
        return np.ones(array.shape, dtype=np.bool_), sign, array & ((1 << (self.bits - 1)) - 1)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        _, sign, p = self.logs(codes)
        magnitude = np.exp2(p / self.gamma)
        return np.where(sign > 0, -magnitude, magnitude)

    def midpoints(self) -> Midpoints:
        """Return the rule `logarithmic`: borders at the geometric means of neighbours."""
        return "logarithmic", lambda: geometric_borders(self.decode(canonical_codes(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Antilog:
    """2**(p / gamma) as an integer mantissa and a shift, as the hardware makes it.

    Parameters
    ----------
    gamma
        Units of p per factor of two; a power of two.
    table
        Entries of the table, a power of two from 1 (Mitchell only) to gamma (table only).
    fraction
        Fraction bits of an entry, from 0 to 30; entries are rounded to nearest.
    """

    gamma: int
    table: int
    fraction: int

    def __post_init__(self) -> None:
        _check_power_of_two("gamma", self.gamma, 1 << 14)
        _check_power_of_two("table", self.table, self.gamma)
        check_parameter("fraction", self.fraction, 0, 30)

    @property
    def entries(self) -> tuple[int, ...]:
        """2**(i / table) with `fraction` fraction bits, i from 0 to table - 1, without rounding
        errors of floats."""
        found = []
        for i in range(self.table):
            # the table-th root of 2**(i + table * (fraction + 1)), by repeated square roots
            root = 1 << (i + self.table * (self.fraction + 1))
            for _ in range(self.table.bit_length() - 1):
                root = math.isqrt(root)
            found.append((root + 1) >> 1)
        return tuple(found)

    @property
    def mantissa_fraction(self) -> int:
        """Fraction bits of a mantissa: those of an entry, and of x where there is an x."""
        return self.fraction + (self.gamma.bit_length() - 1 if self.table < self.gamma else 0)

    @property
    def mantissa_bits(self) -> int:
        """Bits of the largest mantissa; with a table and a Mitchell part it may exceed 2."""
        return int(self.mantissa(np.arange(self.gamma)).max()).bit_length()

    def mantissa(self, remainders: ArrayLike) -> NDArray[np.int64]:
        """Return the integers that stand for 2**(remainder / gamma), exact products, same shape."""
        array = check_codes(remainders, self.gamma.bit_length() - 1, "a remainder")
        step = self.gamma // self.table
        entry = np.array(self.entries, dtype=np.int64)[array // step]
        return entry if step == 1 else entry * (self.gamma + array % step)

    def convert(self, logs: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return mantissa and left shift of 2**(p / gamma) for integers p of either sign.

        The value is mantissa * 2**(shift - mantissa_fraction).
        """
        array = np.asarray(logs, dtype=np.int64)
        return self.mantissa(array % self.gamma), array // self.gamma

    def largest_error(self) -> float:
        """Return the largest relative error over all remainders, the table's rounding included."""
        remainders = np.arange(self.gamma)
        exact = np.exp2(remainders / self.gamma)
        approximate = np.ldexp(self.mantissa(remainders).astype(float), -self.mantissa_fraction)
        return float(np.abs(approximate / exact - 1).max())


def conversion_error(gamma: int, table: int) -> float:
    """Return the largest relative error of the conversion with table entries of unlimited width."""
    _check_power_of_two("gamma", gamma, 1 << 14)
    _check_power_of_two("table", table, gamma)
    rest = np.arange(gamma // table) / gamma
    return float(((1 + rest) / np.exp2(rest) - 1).max())
