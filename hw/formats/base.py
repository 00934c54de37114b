"""What every number format offers, derived from its exact `decode_exact`.

A format has at most 16 bits here unless it overrides `encode`: the general encoder looks the
nearest value up in the sorted table of all canonical codes.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError

__all__ = ["NumberFormat", "check_code", "check_codes", "check_parameter", "encode_nearest"]


@runtime_checkable
class NumberFormat(Protocol):
    """Bits to value and back."""

    def __hash__(self) -> int: ...

    @property
    def bits(self) -> int:
        """Bits of a code that carry information."""

    @property
    def storage_bits(self) -> int:
        """Bits a code occupies in a memory word."""

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` for what is no code."""

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the codes nearest to `values` (ties to the even code), saturating, same shape."""

    def quantize(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return `decode(encode(values))`."""


def check_codes(codes: ArrayLike, bits: int, name: str) -> NDArray[np.int64]:
    """Return codes as int64; `ConfigError` where one is no integer from 0 to 2**bits - 1."""
    array = np.asarray(codes)
    if array.dtype.kind not in "iu" or (
        array.size and not 0 <= array.min() <= array.max() < 1 << bits
    ):
        raise ConfigError(
            f"codes of {name} must be integers from 0 to {(1 << bits) - 1}, not {codes!r}"
        )
    return array.astype(np.int64)


@functools.cache
def _canonical_table(fmt: NumberFormat) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sorted distinct values of a format and the smallest code of each."""
    codes = np.arange(1 << fmt.bits, dtype=np.int64)
    values, first = np.unique(fmt.decode(codes), return_index=True)
    return values, codes[first]


def encode_nearest(fmt: NumberFormat, values: ArrayLike) -> NDArray[np.int64]:
    """Encode by nearest value over all codes; a tie goes to the value with the even code."""
    wanted = np.asarray(values, dtype=np.float64)
    if np.isnan(wanted).any():
        raise ConfigError(f"{fmt} has no code for NaN")
    table, codes = _canonical_table(fmt)
    upper = np.clip(np.searchsorted(table, wanted), 1, len(table) - 1)
    # Not the two distances: a tiny value vanishes in them and looks like a tie.
    middle = table[upper - 1] + (table[upper] - table[upper - 1]) / 2
    take_lower = (wanted < middle) | ((wanted == middle) & (codes[upper - 1] % 2 == 0))
    return codes[np.where(take_lower, upper - 1, upper)]


def check_code(code: object, bits: int, name: str) -> int:
    """Return one code as int; `ConfigError` where it is no integer from 0 to 2**bits - 1."""
    if (
        isinstance(code, bool)
        or not isinstance(code, int | np.integer)
        or not 0 <= code < 1 << bits
    ):
        raise ConfigError(
            f"a code of {name} must be an integer from 0 to {(1 << bits) - 1}, not {code!r}"
        )
    return int(code)


def check_parameter(name: str, value: object, low: int, high: int) -> None:
    """Raise `ConfigError` unless a format's parameter is an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} must be an integer from {low} to {high}, not {value!r}")
