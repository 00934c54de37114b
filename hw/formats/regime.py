"""The regime of posits and logarithmic posits: a run of equal bits at the head of a word.

A run of m ones is k = m - 1, a run of m zeros k = -m.  A run shorter than its limit is ended by one
opposite bit; a run that reaches the limit, or the end of the word, is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["split_regime", "split_regimes"]


def split_regime(body: int, width: int, limit: int) -> tuple[int, int, int]:
    """Split one word of `width` bits: return k, the bits behind the regime and their number."""
    first = body >> (width - 1) & 1
    run = 1
    while run < min(limit, width) and body >> (width - 1 - run) & 1 == first:
        run += 1
    rest = max(width - run - (run < limit), 0)
    return (run - 1 if first else -run), body & ((1 << rest) - 1), rest


def split_regimes(
    bodies: NDArray[np.int64], width: int, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Split words of at most 52 bits: as `split_regime`, arrays of the same shape."""
    first = bodies >> (width - 1) & 1
    flipped = np.where(first > 0, bodies ^ ((1 << width) - 1), bodies)
    run = np.minimum(width - np.frexp(flipped.astype(np.float64))[1].astype(np.int64), limit)
    rest = np.maximum(width - run - (run < limit), 0)
    return np.where(first > 0, run - 1, -run), bodies & ((1 << rest) - 1), rest
