"""OCP Microscaling: blocks of 32 elements that share one power-of-two scale.

A block is 32 element codes and one E8M0 scale code; the value of an element is that of its code
times 2**(scale code - 127).  Scale code 255 is NaN: the whole block is.  Encoding follows the
OCP specification 1.0: the scale's exponent is floor(log2(largest magnitude)) minus the exponent of
the element format's largest number, clamped to E8M0; elements are rounded and saturate.  A block of
zeros has scale code 0.  NaN and infinities are refused: not every element format can hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import NumberFormat, check_code, check_codes
from .fixed import FixedPoint
from .floating import FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2
from .rounding import TableFormat, encode_table
from .rounding import encode as encode_any

__all__ = ["E8M0", "Microscaling"]

_ELEMENTS: dict[str, NumberFormat] = {
    "mxfp8_e4m3": FP8_E4M3,
    "mxfp8_e5m2": FP8_E5M2,
    "mxfp6_e3m2": FP6_E3M2,
    "mxfp6_e2m3": FP6_E2M3,
    "mxfp4": FP4_E2M1,
    "mxint8": FixedPoint(8, 6),
}


@dataclass(frozen=True, slots=True)
class E8M0(TableFormat):
    """The scale: 2**(code - 127), 255 is NaN; no sign and no zero."""

    def __str__(self) -> str:
        return "float8_e8m0fnu"

    @property
    def bits(self) -> int:
        """Bits of a code that carry information."""
        return 8

    @property
    def nan_code(self) -> int:
        """Code of NaN."""
        return 255

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` for NaN."""
        if check_code(code, 8, str(self)) == self.nan_code:
            raise ConfigError(f"code {code} of {self} is NaN, which has no value")
        return Fraction(2) ** (code - 127)

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64; 255 as NaN."""
        array = check_codes(codes, 8, str(self))
        return np.where(array == self.nan_code, np.nan, np.exp2(array - 127.0))

    def encode(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        overflow: str = "saturate",
        uniform: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """Return the codes of `values`, 255 for NaN and 0 for all up to 2**-127, same shape."""
        return encode_table(self, values, rounding, overflow, uniform, nan_code=self.nan_code)


@dataclass(frozen=True, slots=True)
class Microscaling:
    """A block format by its name: mxfp8_e4m3, mxfp8_e5m2, mxfp6_e3m2, mxfp6_e2m3, mxfp4, mxint8."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in _ELEMENTS:
            raise ConfigError(
                f"name of a block format must be one of {', '.join(_ELEMENTS)}, not {self.name!r}"
            )

    def __str__(self) -> str:
        return self.name

    @property
    def element(self) -> NumberFormat:
        """Format of an element."""
        return _ELEMENTS[self.name]

    @property
    def scale(self) -> E8M0:
        """Format of the shared scale."""
        return E8M0()

    @property
    def block(self) -> int:
        """Elements that share a scale."""
        return 32

    @property
    def block_bits(self) -> int:
        """Bits of a block: its elements and its scale."""
        return self.block * self.element.bits + self.scale.bits

    @property
    def largest_exponent(self) -> int:
        """Exponent of the largest number of the element format."""
        largest = self.element.decode(np.arange(1 << self.element.bits))
        return int(np.frexp(largest[np.isfinite(largest)].max())[1]) - 1

    def encode(
        self, values: ArrayLike, *, rounding: str = "nearest", uniform: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the scale codes, shape (...), and the element codes, shape (..., 32).

        Parameters
        ----------
        values
            float array of finite numbers, shape (..., 32).
        rounding, uniform
            Of the elements, as in `hw.formats.rounding`; elements always saturate.
        """
        wanted = np.asarray(values, dtype=np.float64)
        self._check_shape("values", wanted.shape)
        if not np.isfinite(wanted).all():
            raise ConfigError(f"values of {self} must be finite, not NaN or infinity")
        largest = np.abs(wanted).max(axis=-1)
        exponent = np.frexp(largest)[1].astype(np.int64) - 1 - self.largest_exponent
        scales = np.where(largest > 0, np.clip(exponent + 127, 0, 254), 0)
        scaled = np.ldexp(wanted, (127 - scales)[..., None])
        codes = encode_any(self.element, scaled, rounding=rounding, uniform=uniform)
        return scales, codes

    def decode(self, scales: ArrayLike, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of blocks, shape (..., 32), as float64.

        Parameters
        ----------
        scales
            E8M0 codes, int array, shape (...).
        codes
            Element codes, int array, shape (..., 32).
        """
        elements = self.element.decode(codes)
        factors = self.scale.decode(scales)
        self._check_shape("codes", elements.shape)
        if factors.shape != elements.shape[:-1]:
            raise ConfigError(
                f"scales of {self} must have shape {elements.shape[:-1]}, not {factors.shape}"
            )
        return elements * factors[..., None]

    def quantize(
        self, values: ArrayLike, *, rounding: str = "nearest", uniform: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the values that blocks of shape (..., 32) become."""
        return self.decode(*self.encode(values, rounding=rounding, uniform=uniform))

    def _check_shape(self, what: str, shape: tuple[int, ...]) -> None:
        if not shape or shape[-1] != self.block:
            raise ConfigError(f"{what} of {self} must have shape (..., {self.block}), not {shape}")
