"""Joint distributions: a signal at two moments, and what a truth table makes of several of them.

The joint distribution of a signal is an array of four probabilities, for the pairs of values 00,
01, 10 and 11 at an earlier and a later moment.  Which two moments is the caller's matter.  The
joint distribution of an output follows exactly from those of its inputs, if these are independent
of each other: every pair of input vectors leads to one pair of output values.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import FlowError
from .functions import Function

__all__ = ["MAX_CELL_INPUTS", "Statistic", "evaluate", "pair_vectors", "pair_weights"]

FloatArray = NDArray[np.float64]

MAX_CELL_INPUTS = 8
"""Inputs of one cell; a pair of its input vectors then has 65,536 values."""
_CHUNK = 1 << 21  # weights held at a time


@dataclass(frozen=True, slots=True)
class Statistic:
    """What is known of one signal: probability of 1 and toggles per cycle."""

    p1: float
    """Probability of the value 1, 0 to 1."""
    toggle: float
    """Toggles per cycle, 0 to 2 min(p1, 1 - p1): a signal that is rarely 1 cannot toggle often."""

    def __post_init__(self) -> None:
        if not 0 <= self.p1 <= 1:
            raise FlowError(f"p1 must be a probability from 0 to 1, not {self.p1!r}")
        limit = 2 * min(self.p1, 1 - self.p1)
        if not 0 <= self.toggle <= limit + 1e-9:
            raise FlowError(
                f"toggle must be from 0 to 2 min(p1, 1 - p1) = {limit:g}, not {self.toggle!r}"
            )

    @property
    def joint(self) -> FloatArray:
        """The joint distribution of (previous, this) value, shape (4,): 00, 01, 10, 11."""
        change = self.toggle / 2
        return np.array([1 - self.p1 - change, change, change, self.p1 - change])

    @classmethod
    def random(cls, p1: float = 0.5) -> Statistic:
        """Return the statistic of a signal whose values in successive cycles are independent."""
        return cls(p1, 2 * p1 * (1 - p1))


def evaluate(
    functions: tuple[Function, ...], inputs: tuple[str, ...], joints: Sequence[FloatArray]
) -> FloatArray:
    """Return the joint distributions of functions of independent inputs.

    Parameters
    ----------
    functions : f functions over `inputs`
    joints : for each input a float64 array, shape (n, 4)

    Returns
    -------
    float64 array, shape (f, n, 4)

    Raises
    ------
    FlowError
        If there are more than `MAX_CELL_INPUTS` inputs.
    """
    if len(inputs) > MAX_CELL_INPUTS:
        raise FlowError(
            f"a function must have at most {MAX_CELL_INPUTS} inputs, not {len(inputs)} "
            f"({', '.join(inputs)})"
        )
    matrix = _transitions(functions, inputs)
    n = joints[0].shape[0] if joints else 1
    result = np.empty((n, len(functions) * 4))
    chunk = max(1, _CHUNK // matrix.shape[0])
    for start in range(0, n, chunk):
        rows = slice(start, min(start + chunk, n))
        result[rows] = pair_weights([j[rows] for j in joints], rows.stop - start) @ matrix
    return result.reshape(n, len(functions), 4).transpose(1, 0, 2)


def pair_weights(joints: Sequence[FloatArray], n: int) -> FloatArray:
    """Return the probability of every pair of vectors of k independent signals.

    Parameters
    ----------
    joints : for each signal a float64 array, shape (n, 4)

    Returns
    -------
    float64 array, shape (n, 4**k); column r has the digits 2 before + after of the signals in
    base 4, the first signal leading
    """
    weight = np.ones((n, 1))
    for joint in joints:
        weight = (weight[:, :, np.newaxis] * joint[:, np.newaxis, :]).reshape(n, -1)
    return weight


def pair_vectors(k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the vector before and the vector after of every column of `pair_weights`.

    Bit i of a vector is the value of signal i, arrays of shape (4**k,).
    """
    pairs = np.arange(4**k)
    before, after = np.zeros(4**k, dtype=np.int64), np.zeros(4**k, dtype=np.int64)
    for i in range(k):
        digit = pairs >> 2 * (k - 1 - i) & 3
        before |= (digit >> 1) << i
        after |= (digit & 1) << i
    return before, after


@functools.cache
def _transitions(functions: tuple[Function, ...], inputs: tuple[str, ...]) -> FloatArray:
    """Return which output transition every pair of input vectors causes.

    The entry [r, 4 k + 2 x + y] is 1 where pair r takes output k from x to y.
    """
    before, after = pair_vectors(len(inputs))
    matrix = np.zeros((before.size, len(functions), 4))
    for index, function in enumerate(functions):
        table = function.over(inputs).table.astype(np.int64)
        matrix[np.arange(before.size), index, 2 * table[before] + table[after]] = 1.0
    return matrix.reshape(before.size, 4 * len(functions))
