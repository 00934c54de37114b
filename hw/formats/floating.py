"""Binary floating point of any width: sign, biased exponent, fraction, with subnormals.

`specials` says what the largest exponent field means: `ieee` (infinity and NaNs, as in IEEE 754:
binary32, binary16, bfloat16, FP8 E5M2), `nan` (numbers, except that all ones are NaN: OCP FP8 E4M3)
or `none` (numbers only: OCP FP6 and FP4).  The bias is 2**(exponent_bits - 1) - 1.

Rounding `nearest` is to the nearest, ties to even.  Overflow is judged after rounding as if the
exponent had no end, as IEEE 754 does; the default saturates, which is the saturating conversion of
OCP FP8 (infinities become the largest number too); `special` gives infinity, or NaN without one,
except where a number is rounded toward zero.
-0 is kept as a sign of zero; the canonical zero is +0 and the canonical NaN is positive and quiet.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes, check_parameter
from .rounding import TableFormat, check_rounding, refuse_overflow

__all__ = [
    "BFLOAT16",
    "BINARY16",
    "BINARY32",
    "FP4_E2M1",
    "FP6_E2M3",
    "FP6_E3M2",
    "FP8_E4M3",
    "FP8_E5M2",
    "NAMED_FLOATS",
    "Float",
]

_SUFFIX = {"ieee": "", "nan": "n", "none": "f"}


@dataclass(frozen=True, slots=True)
class Float(TableFormat):
    """A sign, `exponent_bits` (2 to 10) and `fraction_bits` (1 to 52)."""

    exponent_bits: int
    fraction_bits: int
    specials: str = "ieee"

    def __post_init__(self) -> None:
        check_parameter("exponent_bits", self.exponent_bits, 2, 10)
        check_parameter("fraction_bits", self.fraction_bits, 1, 52)
        if self.specials not in _SUFFIX:
            raise ConfigError(f"specials must be ieee, nan or none, not {self.specials!r}")

    def __str__(self) -> str:
        for name, fmt in NAMED_FLOATS.items():
            if fmt == self:
                return name
        return f"float_e{self.exponent_bits}m{self.fraction_bits}{_SUFFIX[self.specials]}"

    @property
    def bits(self) -> int:
        """Bits of a code that carry information."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        """What is taken off the exponent field."""
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest normal number, and of all subnormal ones."""
        return 1 - self.bias

    @property
    def largest_code(self) -> int:
        """Code of the largest number."""
        ones = (1 << (self.bits - 1)) - 1
        return ones - {"ieee": 1 << self.fraction_bits, "nan": 1, "none": 0}[self.specials]

    @property
    def infinity_code(self) -> int | None:
        """Code of positive infinity, None without one."""
        return self.largest_code + 1 if self.specials == "ieee" else None

    @property
    def nan_code(self) -> int | None:
        """Canonical code of NaN, None without one."""
        if self.specials == "none":
            return None
        quiet = 1 << (self.fraction_bits - 1) if self.specials == "ieee" else 0
        return self.largest_code + 1 + quiet

    @property
    def largest(self) -> float:
        """Largest number."""
        return float(self.decode_exact(self.largest_code))

    def fields(self, code: int) -> tuple[int, int, int]:
        """Return the sign (1 is negative), the exponent field and the fraction field."""
        checked = check_code(code, self.bits, str(self))
        sign, magnitude = divmod(checked, 1 << (self.bits - 1))
        return sign, *divmod(magnitude, 1 << self.fraction_bits)

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` for infinity and NaN."""
        sign, exponent, fraction = self.fields(code)
        if code & ((1 << (self.bits - 1)) - 1) > self.largest_code:
            raise ConfigError(
                f"a code of {self} must stand for a number to be decoded exactly; {code} is "
                f"{'infinity' if fraction == 0 and self.specials == 'ieee' else 'NaN'}"
            )
        significand = fraction + (1 << self.fraction_bits if exponent else 0)
        power = max(exponent - self.bias, self.min_exponent) - self.fraction_bits
        return Fraction(-significand if sign else significand) * Fraction(2) ** power

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64: infinities and NaNs as such."""
        array = check_codes(codes, self.bits, str(self))
        magnitude = array & ((1 << (self.bits - 1)) - 1)
        exponent = magnitude >> self.fraction_bits
        fraction = magnitude & ((1 << self.fraction_bits) - 1)
        significand = fraction + np.where(exponent > 0, 1 << self.fraction_bits, 0)
        power = np.maximum(exponent - self.bias, self.min_exponent) - self.fraction_bits
        values: NDArray[np.float64] = np.ldexp(significand.astype(np.float64), power)
        if self.specials != "none":
            values = np.where(magnitude > self.largest_code, np.nan, values)
        if self.infinity_code is not None:
            values = np.where(magnitude == self.infinity_code, np.inf, values)
        return np.where(array >> (self.bits - 1) > 0, -values, values)

    def encode(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        overflow: str = "saturate",
        uniform: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """Return the codes of `values` by the rules above, same shape."""
        wanted = np.asarray(values, dtype=np.float64)
        has_special = self.specials != "none"
        numbers = check_rounding(
            str(self), wanted.shape, rounding, overflow, uniform, special=has_special
        )
        if overflow == "error":
            refuse_overflow(str(self), wanted, -self.largest, self.largest)
        missing, endless = np.isnan(wanted), np.isinf(wanted)
        if missing.any() and self.nan_code is None:
            raise ConfigError(f"{self} has no code for NaN")
        magnitude = np.where(missing | endless, 0.0, np.abs(wanted))
        exponent = np.where(magnitude > 0, np.frexp(magnitude)[1] - 1, self.min_exponent)
        exponent = np.maximum(exponent, self.min_exponent).astype(np.int64)
        scaled = np.ldexp(magnitude, self.fraction_bits - exponent)
        whole = np.floor(scaled)
        if rounding == "nearest":
            whole = np.rint(scaled)
        elif rounding == "stochastic":
            # the upper neighbour where the number drawn lies below the distance from the lower one
            upward = np.where(wanted < 0, 1 - numbers <= scaled - whole, numbers < scaled - whole)
            whole = whole + (upward & (scaled > whole))
        # a significand that rounds up to the next power of two carries into the exponent field
        codes = ((exponent - self.min_exponent) << self.fraction_bits) + whole.astype(np.int64)
        over = self.infinity_code if self.infinity_code is not None else self.nan_code
        limit = self.largest_code if overflow != "special" or over is None else over
        if rounding == "zero":  # does not lead from a number to infinity
            codes = np.minimum(codes, self.largest_code)
        codes = np.where((codes > self.largest_code) | endless, limit, codes)
        codes = np.where(np.signbit(wanted), codes | 1 << (self.bits - 1), codes)
        return codes if self.nan_code is None else np.where(missing, self.nan_code, codes)


BINARY32 = Float(8, 23)
BINARY16 = Float(5, 10)
BFLOAT16 = Float(8, 7)
FP8_E4M3 = Float(4, 3, "nan")
FP8_E5M2 = Float(5, 2)
FP6_E3M2 = Float(3, 2, "none")
FP6_E2M3 = Float(2, 3, "none")
FP4_E2M1 = Float(2, 1, "none")
NAMED_FLOATS = {
    "binary32": BINARY32,
    "binary16": BINARY16,
    "bfloat16": BFLOAT16,
    "float8_e4m3fn": FP8_E4M3,
    "float8_e5m2": FP8_E5M2,
    "float6_e3m2fn": FP6_E3M2,
    "float6_e2m3fn": FP6_E2M3,
    "float4_e2m1fn": FP4_E2M1,
}
"""Formats with a name of their own, called as `ml_dtypes` calls them."""
