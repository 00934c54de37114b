"""From values to codes: rounding rules and overflow, for every format whose values fit a table.

`TableFormat` gives a format of at most 16 bits its `encode` and `quantize`: all values that have a
code are sorted once, and a value is placed between its two neighbours.  Midpoints of neighbours are
exact in float64 for every format with rational values here, so "nearest" is exact.  `encode` and
`quantize` of this module take any format, those with arithmetic of their own included.

Rounding rules: `nearest` (a tie goes to the even code; where both are even or both odd, to the
smaller code), `zero` (the neighbour of smaller magnitude), `stochastic` (the upper neighbour with
probability (value - lower) / (upper - lower), decided by `uniform`, numbers in [0, 1)).
Overflow: `saturate` (beyond the largest value is the largest value, infinities too), `special`
(infinity, or else NaN, in the formats that have one), `error` (refused with `ConfigError`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import NumberFormat
from .fixed import FixedPoint

__all__ = [
    "Midpoints",
    "Overflow",
    "Rounding",
    "TableFormat",
    "canonical_codes",
    "check_rounding",
    "encode",
    "encode_table",
    "quantize",
]

Rounding = Literal["nearest", "zero", "stochastic"]
Overflow = Literal["saturate", "special", "error"]
_ROUNDINGS = ("nearest", "zero", "stochastic")
_OVERFLOWS = ("saturate", "special", "error")


def check_rounding(
    name: str,
    shape: tuple[int, ...],
    rounding: str,
    overflow: str,
    uniform: ArrayLike | None,
    *,
    more: tuple[str, ...] = (),
    special: bool = False,
) -> NDArray[np.float64]:
    """Return `uniform` as an array of `shape` (zeros without one) after checking the rules.

    Parameters
    ----------
    name
        Of the format, for error texts.
    shape
        Of the values to encode.
    more
        Rounding rules that this format has beside the three of every format.
    special
        Whether the format has an infinity or a NaN to overflow to.
    """
    if rounding not in (*_ROUNDINGS, *more):
        known = ", ".join((*_ROUNDINGS, *more))
        raise ConfigError(f"rounding of {name} must be one of {known}, not {rounding!r}")
    overflows = _OVERFLOWS if special else ("saturate", "error")
    if overflow not in overflows:
        raise ConfigError(
            f"overflow of {name} must be one of {', '.join(overflows)}, not {overflow!r}"
        )
    if rounding != "stochastic":
        if uniform is not None:
            raise ConfigError(f"uniform numbers are for stochastic rounding, not for {rounding!r}")
        return np.zeros(shape)
    if uniform is None:
        raise ConfigError("stochastic rounding must be given uniform numbers in [0, 1)")
    numbers = np.asarray(uniform, dtype=np.float64)
    if numbers.shape != shape or not ((numbers >= 0) & (numbers < 1)).all():
        raise ConfigError(
            f"uniform must hold numbers in [0, 1) in the shape {shape} of the values, "
            f"not {numbers.min() if numbers.size else 'none'} to "
            f"{numbers.max() if numbers.size else 'none'} in the shape {numbers.shape}"
        )
    return numbers


def refuse_overflow(name: str, values: NDArray[np.float64], low: float, high: float) -> None:
    """Raise `ConfigError` where a value lies outside `low` to `high`."""
    outside = (values < low) | (values > high)
    if outside.any():
        raise ConfigError(
            f"values of {name} must be from {low} to {high}, not {values[outside].flat[0]}"
        )


@functools.cache
def _table(fmt: NumberFormat) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sorted distinct values of a format and the smallest code of each."""
    if fmt.bits > 16:
        raise ConfigError(f"{fmt} has {fmt.bits} bits; a table of values is for at most 16")
    reserved: frozenset[int] = getattr(fmt, "reserved", frozenset())
    codes = np.array([c for c in range(1 << fmt.bits) if c not in reserved], dtype=np.int64)
    values, first = np.unique(fmt.decode(codes), return_index=True)
    number = np.isfinite(values)
    return values[number], codes[first[number]]


def canonical_codes(fmt: NumberFormat) -> NDArray[np.int64]:
    """Return the code of each number that `encode` gives, in the order of the values.

    Codes of NaN and infinity are not among them.  Of several codes for one value the canonical one
    is the smallest, so zero is +0.
    """
    return _table(fmt)[1].copy()


Midpoints = tuple[str, Callable[[], NDArray[np.float64]]]
"""A rounding rule of one format: its name and what makes the borders between neighbours."""


def encode_table(
    fmt: NumberFormat,
    values: ArrayLike,
    rounding: str = "nearest",
    overflow: str = "saturate",
    uniform: ArrayLike | None = None,
    *,
    ties_up: bool = False,
    midpoints: Midpoints | None = None,
    nan_code: int | None = None,
) -> NDArray[np.int64]:
    """Encode through the sorted table of a format's values.

    Parameters
    ----------
    ties_up
        A tie goes to the larger value instead of the even code.
    midpoints
        A further rounding rule of the format: its name and what makes the borders between
        neighbours, float64 array, one element less than the format has values.
    nan_code
        Code for NaN; without one, NaN is refused.
    """
    wanted = np.asarray(values, dtype=np.float64)
    more = (midpoints[0],) if midpoints else ()
    numbers = check_rounding(str(fmt), wanted.shape, rounding, overflow, uniform, more=more)
    missing = np.isnan(wanted)
    if missing.any() and nan_code is None:
        raise ConfigError(f"{fmt} has no code for NaN")
    wanted = np.where(missing, 0.0, wanted)
    table, codes = _table(fmt)
    if overflow == "error":
        refuse_overflow(str(fmt), wanted, float(table[0]), float(table[-1]))
    wanted = np.clip(wanted, table[0], table[-1])
    if len(table) == 1:
        return np.full(wanted.shape, codes[0])
    upper = np.clip(np.searchsorted(table, wanted), 1, len(table) - 1)
    low, high = table[upper - 1], table[upper]
    if rounding == "zero":
        # between two values of opposite sign (no zero in the format): the one of the value's sign
        take_lower = np.where(
            low >= 0, wanted < high, (wanted <= low) | ((wanted < 0) & (high > 0))
        )
    elif rounding == "stochastic":
        take_lower = ~(numbers < (wanted - low) / (high - low))
    else:
        if midpoints is not None and rounding == midpoints[0]:
            borders = midpoints[1]()
        else:
            borders = table[:-1] + np.diff(table) / 2
        border = borders[upper - 1]
        odd, odd_up = codes[upper - 1] % 2, codes[upper] % 2
        to_lower = np.where(odd == odd_up, codes[upper - 1] < codes[upper], odd < odd_up)
        take_lower = (wanted < border) | ((wanted == border) & to_lower & (not ties_up))
    chosen = codes[np.where(take_lower, upper - 1, upper)]
    return chosen if nan_code is None else np.where(missing, nan_code, chosen)


class TableFormat:
    """Base of the formats of at most 16 bits: `encode` and `quantize` from `bits` and `decode`."""

    __slots__ = ()

    if TYPE_CHECKING:  # at run time a property would be taken for the default of a field

        @property
        def bits(self) -> int:
            """Bits of a code that carry information."""

    ties_up: ClassVar[bool] = False
    reserved: ClassVar[frozenset[int]] = frozenset()
    """Codes that stand for nothing."""

    @property
    def storage_bits(self) -> int:
        """Bits a code occupies in a memory word."""
        return self.bits

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code; `ConfigError` for what stands for no number."""
        raise NotImplementedError

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        raise NotImplementedError

    def encode(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        overflow: str = "saturate",
        uniform: ArrayLike | None = None,
    ) -> NDArray[np.int64]:
        """Return the codes of `values` by the rules of `hw.formats.rounding`, same shape."""
        return encode_table(
            self,
            values,
            rounding,
            overflow,
            uniform,
            ties_up=self.ties_up,
            midpoints=self.midpoints(),
            nan_code=getattr(self, "nar_code", None),
        )

    def midpoints(self) -> Midpoints | None:
        """Return a rounding rule that only this format has, if any."""
        return None

    def quantize(
        self,
        values: ArrayLike,
        *,
        rounding: str = "nearest",
        overflow: str = "saturate",
        uniform: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        """Return `decode(encode(values))`, same shape."""
        codes = self.encode(values, rounding=rounding, overflow=overflow, uniform=uniform)
        return self.decode(codes)


def _encode_fixed(
    fmt: FixedPoint, values: ArrayLike, rounding: str, overflow: str, uniform: ArrayLike | None
) -> NDArray[np.int64]:
    wanted = np.asarray(values, dtype=np.float64)
    numbers = check_rounding(str(fmt), wanted.shape, rounding, overflow, uniform)
    if np.isnan(wanted).any():
        raise ConfigError(f"{fmt} has no code for NaN")
    scale = float(1 << fmt.fraction)
    if overflow == "error":
        refuse_overflow(str(fmt), wanted, fmt.min_int / scale, fmt.max_int / scale)
    scaled = np.clip(wanted * scale, fmt.min_int, fmt.max_int)
    if rounding == "zero":
        whole = np.trunc(scaled)
    elif rounding == "stochastic":
        whole = np.floor(scaled)
        whole = whole + (numbers < scaled - whole)
    else:
        whole = np.rint(scaled)
    return whole.astype(np.int64) & ((1 << fmt.bits) - 1)


def encode(
    fmt: NumberFormat,
    values: ArrayLike,
    *,
    rounding: str = "nearest",
    overflow: str = "saturate",
    uniform: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Return the codes of `values` in any format, same shape, by the rules of this module.

    `fmt.encode(values)` is the same with the defaults.
    """
    if isinstance(fmt, FixedPoint):
        return _encode_fixed(fmt, values, rounding, overflow, uniform)
    if isinstance(fmt, TableFormat):
        own: TableFormat = fmt
        return own.encode(values, rounding=rounding, overflow=overflow, uniform=uniform)
    return encode_table(fmt, values, rounding, overflow, uniform)


def quantize(
    fmt: NumberFormat,
    values: ArrayLike,
    *,
    rounding: str = "nearest",
    overflow: str = "saturate",
    uniform: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return the values that `values` become in any format, by the rules of this module."""
    codes = encode(fmt, values, rounding=rounding, overflow=overflow, uniform=uniform)
    return fmt.decode(codes)
