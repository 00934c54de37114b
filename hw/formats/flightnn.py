"""FLightNN weights (DAC 2019, 1904.02835): per filter zero, one or two powers of two.

Residual form: r_0 = w; term j is R(r_j), each weight's nearest power of two, if the filter's
||r_j||_2 > t_j, else nothing; r_(j+1) = r_j - term j.  A term is a LightNN code of k = 1 (sign, 3
bits m; 4 bits), each term with its own sign, so a weight of k terms takes 4k bits and k cycles.

As in LightNN a term has no zero: a residual of exactly zero becomes +2**-7.  The source leaves that
open.  The scale of the filter is applied outside the PE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .base import check_code, check_codes, check_parameter
from .lightnn import LightNN
from .rounding import TableFormat, encode

__all__ = ["FLightNN", "residual_terms"]

_TERM = LightNN(1)


@dataclass(frozen=True, slots=True)
class FLightNN(TableFormat):
    """Weights of a filter with `k` terms (0, 1 or 2), the first term in the high bits.

    Two terms make 256 codes and fewer values; the canonical code of a value is its smallest.
    """

    k: int

    def __post_init__(self) -> None:
        check_parameter("k", self.k, 0, 2)

    def __str__(self) -> str:
        return f"flightnn{self.k}"

    @property
    def bits(self) -> int:
        """Bits of a code: 4 for each term."""
        return 4 * self.k

    @property
    def fraction(self) -> int:
        """Fraction bits that hold every value exactly."""
        return _TERM.fraction

    def terms(self, code: int) -> tuple[int, ...]:
        """Return the LightNN codes of the terms, first term first."""
        checked = check_code(code, self.bits, str(self))
        return tuple(checked >> 4 * j & 15 for j in reversed(range(self.k)))

    def pack(self, terms: ArrayLike) -> NDArray[np.int64]:
        """Return the codes of terms, LightNN codes of shape (..., k); shape (...)."""
        array = np.asarray(terms, dtype=np.int64)
        if array.ndim == 0 or array.shape[-1] != self.k:
            raise ConfigError(f"terms of {self} must have shape (..., {self.k}), not {array.shape}")
        check_codes(array, 4, f"a term of {self}")
        packed = np.zeros(array.shape[:-1], dtype=np.int64)
        for j in range(self.k):
            packed = packed << 4 | array[..., j]
        return packed

    def decode_exact(self, code: int) -> Fraction:
        """Return the exact value of one code."""
        return sum((_TERM.decode_exact(term) for term in self.terms(code)), Fraction(0))

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of codes, same shape, as float64."""
        array = check_codes(codes, self.bits, str(self))
        values = np.zeros(array.shape)
        for j in range(self.k):
            values = values + _TERM.decode(array >> 4 * j & 15)
        return values


def residual_terms(
    weights: ArrayLike,
    thresholds: Sequence[float],
    *,
    rounding: str = "nearest",
    uniform: ArrayLike | None = None,
) -> list[NDArray[np.int64]]:
    """Quantize filters by residuals.

    Parameters
    ----------
    weights
        float array, shape (filters, weights of one filter); scaled so that |w| is about 1 at most.
    thresholds
        t_0 and t_1: what the norm of a filter's residual must exceed for a term to be spent on it.
    rounding, uniform
        As in `hw.formats.rounding`; `uniform` of shape (terms, filters, weights of one filter).

    Returns
    -------
    list of int64 arrays
        For each filter its terms, LightNN codes of shape (weights of one filter, k), k from 0 to
        the number of thresholds; `FLightNN(k).pack` makes words of them.
    """
    residual = np.array(weights, dtype=np.float64)
    if residual.ndim != 2:
        raise ConfigError(
            f"weights must have shape (filters, weights of one filter), not {residual.shape}"
        )
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.ndim != 1 or not 1 <= limits.size <= 2 or not (limits >= 0).all():
        raise ConfigError(f"thresholds must be one or two numbers from 0, not {thresholds!r}")
    draws = [None] * limits.size if uniform is None else list(np.asarray(uniform))
    if len(draws) != limits.size:
        raise ConfigError(
            f"uniform must hold one array for each of {limits.size} terms, not {len(draws)}"
        )
    found: list[list[NDArray[np.int64]]] = [[] for _ in residual]
    for limit, draw in zip(limits, draws, strict=True):
        codes = encode(_TERM, residual, rounding=rounding, uniform=draw)
        spent = np.linalg.norm(residual, axis=1) > limit
        residual = np.where(spent[:, None], residual - _TERM.decode(codes), residual)
        for index in np.flatnonzero(spent):
            found[index].append(codes[index])
    empty = np.empty((residual.shape[1], 0), dtype=np.int64)
    return [np.stack(terms, axis=-1) if terms else empty for terms in found]
