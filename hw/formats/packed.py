"""Several codes of one format side by side in a word, lane 0 in the lowest bits."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import NumberFormat, check_code, check_codes, check_parameter

__all__ = ["Packed"]


@dataclass(frozen=True, slots=True)
class Packed:
    """`lanes` codes of `element`, at most 62 bits in all; arrays of values have one more axis."""

    element: NumberFormat
    lanes: int

    def __post_init__(self) -> None:
        check_parameter("lanes", self.lanes, 2, 62 // self.element.bits)

    def __str__(self) -> str:
        return f"{self.element}x{self.lanes}"

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return self.element.bits * self.lanes

    @property
    def storage_bits(self) -> int:
        """Bits a word occupies in memory."""
        return self.bits

    def split(self, word: int) -> tuple[int, ...]:
        """Return the codes of the lanes, lane 0 first."""
        checked, width = check_code(word, self.bits, str(self)), self.element.bits
        return tuple(checked >> i * width & ((1 << width) - 1) for i in range(self.lanes))

    def decode_lanes(self, word: int) -> tuple[Fraction, ...]:
        """Return the exact values of the lanes, lane 0 first."""
        return tuple(self.element.decode_exact(code) for code in self.split(word))

    def decode_exact(self, word: int) -> Fraction:
        """Raise `ConfigError`: a word is several numbers, which `decode_lanes` returns."""
        raise ConfigError(
            f"a word of {self} holds {self.lanes} values, not one; decode_lanes gives them"
        )

    def decode(self, words: ArrayLike) -> NDArray[np.float64]:
        """Return the values of words as float64, shape (..., lanes)."""
        array = check_codes(words, self.bits, str(self))
        width = self.element.bits
        codes = array[..., np.newaxis] >> width * np.arange(self.lanes) & ((1 << width) - 1)
        return self.element.decode(codes)

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the words of the nearest codes of values of shape (..., lanes), shape (...)."""
        codes = self.element.encode(self._checked(values))
        placed = codes << self.element.bits * np.arange(self.lanes)
        return np.asarray(placed.sum(axis=-1), dtype=np.int64)

    def quantize(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the representable values nearest to values of shape (..., lanes), same shape."""
        return self.element.quantize(self._checked(values))

    def _checked(self, values: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 0 or array.shape[-1] != self.lanes:
            raise ConfigError(
                f"values of {self} must have a last axis of {self.lanes} lanes, not the shape "
                f"{array.shape}"
            )
        return array
