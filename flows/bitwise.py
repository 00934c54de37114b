"""Truth tables as bitwise operations on packed words: 64 independent simulations in one number.

A signal is an array of unsigned 64-bit words; bit `i` of word `w` belongs to lane `64 w + i`.  A
`Function` becomes a short tree of and, or, exclusive or and not, found by Shannon expansion on the
variable that makes the tree smallest; the trees of many functions become one `Program`, a list of
operations on the rows of an array of signals, which compiled code runs through (`run_steps`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .errors import FlowError
from .functions import Function

__all__ = [
    "LANES_PER_WORD",
    "ONES",
    "Program",
    "Steps",
    "Words",
    "evaluate_words",
    "pack_codes",
    "run_some_steps",
    "run_steps",
    "unpack_codes",
]

Words = NDArray[np.uint64]
Steps = NDArray[np.int64]
"""Operations in order, shape (steps, 4): operation, row of each operand, row of the result."""
Tree = Any
"""The number of an operand, a constant, or an operation and its branches."""

LANES_PER_WORD = 64
ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
AND, OR, XOR, NOT, SAME, CLEAR, SET = range(7)
"""Operations of a step; the last two have no operands."""
ZEROS, FULL = (CLEAR,), (SET,)
_SEARCHED_INPUTS = 6
"""Up to so many inputs every order of expansion is tried."""


def evaluate_words(function: Function, operands: Sequence[Words]) -> Words:
    """Return a function of packed signals.

    Parameters
    ----------
    operands : one array for each of `function.names`, all of one shape

    Returns
    -------
    uint64 array of that shape; of shape () if the function has no inputs
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    size = int(np.prod(shape))
    program = Program(len(operands) + 1)
    program.add(function, range(len(operands)), len(operands))
    rows = np.zeros((program.rows, size), dtype=np.uint64)
    for row, operand in zip(rows, operands, strict=False):
        row[:] = np.broadcast_to(operand, shape).ravel()
    run_steps(program.steps(), rows)
    found: Words = rows[len(operands)].reshape(shape)
    return found


class Program:
    """Functions of signals, one after the other, as operations on the rows of an array.

    Parameters
    ----------
    rows : signals of the array; rows for results in between come behind them
    """

    def __init__(self, rows: int) -> None:
        self._first = self.rows = rows
        self._steps: list[tuple[int, int, int, int]] = []

    def add(self, function: Function, sources: Sequence[int], target: int) -> None:
        """Let a row become a function of other rows, one for each of `function.names`."""
        _, tree = _smallest(function.bits, tuple(range(len(function.names))))
        if tree.__class__ is int:
            self._steps.append((SAME, sources[tree], 0, target))
        else:
            self._emit(tree, sources, target, self._first)

    def _emit(self, tree: Tree, sources: Sequence[int], target: int, spare: int) -> None:
        operation, *branches = tree
        operands = [0, 0]
        for place, branch in enumerate(branches):
            if branch.__class__ is int:
                operands[place] = sources[branch]
                continue
            self._emit(branch, sources, spare, spare)
            operands[place] = spare
            spare += 1
            self.rows = max(self.rows, spare)
        self._steps.append((operation, *operands, target))

    def steps(self) -> Steps:
        """Return the operations."""
        return np.array(self._steps, dtype=np.int64).reshape(-1, 4)


def run_steps(steps: Steps, values: Words) -> None:
    """Run through the steps of a program; `values` has the shape (rows, words)."""
    run_some_steps(steps, 0, len(steps), values)


@compiled
def run_some_steps(steps: Steps, first: int, end: int, values: Words) -> None:
    """Run through the steps from `first` to the one before `end`; also for compiled code."""
    words = values.shape[1]
    for index in range(first, end):
        operation, a, b, to = steps[index, 0], steps[index, 1], steps[index, 2], steps[index, 3]
        if operation == AND:
            for w in range(words):
                values[to, w] = values[a, w] & values[b, w]
        elif operation == OR:
            for w in range(words):
                values[to, w] = values[a, w] | values[b, w]
        elif operation == XOR:
            for w in range(words):
                values[to, w] = values[a, w] ^ values[b, w]
        elif operation == NOT:
            for w in range(words):
                values[to, w] = ~values[a, w]
        elif operation == SAME:
            for w in range(words):
                values[to, w] = values[a, w]
        else:
            for w in range(words):
                values[to, w] = ONES if operation == SET else np.uint64(0)


def pack_codes(codes: Any, bits: int) -> Words:
    """Pack unsigned codes of all lanes into words.

    Parameters
    ----------
    codes : integers below 2**bits of any size, shape (..., lanes), lanes a multiple of 64

    Returns
    -------
    uint64 array, shape (..., bits, lanes / 64)
    """
    numbers = np.asarray(codes)
    if numbers.ndim == 0 or numbers.shape[-1] % LANES_PER_WORD:
        raise FlowError(f"lanes must be a multiple of {LANES_PER_WORD}, not {numbers.shape[-1:]}")
    chunks = []
    for start in range(0, bits, 32):  # codes wider than a machine word are Python integers
        part = ((numbers >> start) & 0xFFFF_FFFF).astype(np.uint64)
        places = np.arange(min(32, bits - start), dtype=np.uint64)
        one_bit = (part[..., np.newaxis, :] >> places[:, np.newaxis]) & np.uint64(1)
        chunks.append(np.packbits(one_bit.astype(np.uint8), axis=-1, bitorder="little"))
    return np.concatenate(chunks, axis=-2).view(np.uint64)


def unpack_codes(words: Words) -> NDArray[Any]:
    """Return the codes of all lanes, Python integers, shape (lanes,), of words (bits, words)."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
    codes = np.zeros(bits.shape[-1], dtype=object)
    for place, row in enumerate(bits):
        codes += row.astype(object) << place
    return codes


@functools.cache
def _smallest(bits: int, inputs: tuple[int, ...]) -> tuple[int, Tree]:
    """Return the operations and the tree of a truth table over some of the operands."""
    ones = (1 << (1 << len(inputs))) - 1
    if bits in (0, ones):
        return 0, FULL if bits else ZEROS
    tried = range(len(inputs)) if len(inputs) <= _SEARCHED_INPUTS else [len(inputs) - 1]
    return min(
        (_expanded(bits, inputs, place, ones) for place in tried), key=lambda found: found[0]
    )


def _expanded(bits: int, inputs: tuple[int, ...], place: int, ones: int) -> tuple[int, Tree]:
    """Expand a truth table on one input."""
    low, high = _cofactors(bits, len(inputs), place)
    rest = inputs[:place] + inputs[place + 1 :]
    full = (1 << (1 << len(rest))) - 1
    one: Tree = inputs[place]
    if low == high:
        return _smallest(low, rest)
    if low == 0:
        return (0, one) if high == full else _joined(AND, one, _smallest(high, rest))
    if high == full:
        return _joined(OR, one, _smallest(low, rest))
    if low == full or high == 0:  # not (x and ...), not (x or ...)
        count, tree = _expanded(bits ^ ones, inputs, place, ones)
        return count + 1, (NOT, tree)
    if low == high ^ full:
        return _joined(XOR, one, _smallest(low, rest))
    count, changes = _joined(AND, one, _smallest(low ^ high, rest))
    more, tree = _joined(XOR, changes, _smallest(low, rest))
    return count + more, tree


def _joined(operation: int, left: Tree, right: tuple[int, Tree]) -> tuple[int, Tree]:
    return right[0] + 1, (operation, left, right[1])


def _cofactors(bits: int, count: int, place: int) -> tuple[int, int]:
    """Return the truth tables with one input at 0 and at 1."""
    low = high = 0
    run = 1 << place
    mask = (1 << run) - 1
    for index in range(1 << (count - place - 1)):
        low |= (bits >> (2 * index * run) & mask) << index * run
        high |= (bits >> ((2 * index + 1) * run) & mask) << index * run
    return low, high
