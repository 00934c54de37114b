"""Truth tables as bitwise operations on packed words: 64 independent simulations in one number.

A signal is an array of unsigned 64-bit words; bit `i` of word `w` belongs to lane `64 w + i`.  A
`Function` becomes a short tree of and, or, exclusive or and not over such arrays, found by Shannon
expansion on the variable that makes the tree smallest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FlowError
from .functions import Function

__all__ = [
    "LANES_PER_WORD",
    "ONES",
    "Words",
    "compile_words",
    "evaluate_words",
    "pack_codes",
    "unpack_codes",
]

Words = NDArray[np.uint64]
Tree = Any
"""The number of an operand, or a ufunc and its branches."""

LANES_PER_WORD = 64
ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ZEROS, FULL = "zeros", "ones"
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
    return compile_words(function)(operands)


@functools.cache
def compile_words(function: Function) -> Callable[[Sequence[Words]], Words]:
    """Return what `evaluate_words` does for one function, without looking for its tree again."""
    _, tree = _smallest(function.bits, tuple(range(len(function.names))))
    if tree in (ZEROS, FULL):
        return functools.partial(_constant, int(tree == FULL))
    return functools.partial(_value, tree)


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


def _value(tree: Tree, operands: Sequence[Words]) -> Words:
    if tree.__class__ is int:
        return operands[tree]
    if len(tree) == 2:
        return np.invert(_value(tree[1], operands))
    found: Words = tree[0](_value(tree[1], operands), _value(tree[2], operands))
    return found


def _constant(bit: int, operands: Sequence[Words]) -> Words:
    return np.full(operands[0].shape if operands else (), bit * ONES, dtype=np.uint64)


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
        return (0, one) if high == full else _joined(np.bitwise_and, one, _smallest(high, rest))
    if high == full:
        return _joined(np.bitwise_or, one, _smallest(low, rest))
    if low == full or high == 0:  # not (x and ...), not (x or ...)
        count, tree = _expanded(bits ^ ones, inputs, place, ones)
        return count + 1, (np.invert, tree)
    if low == high ^ full:
        return _joined(np.bitwise_xor, one, _smallest(low, rest))
    count, changes = _joined(np.bitwise_and, one, _smallest(low ^ high, rest))
    more, tree = _joined(np.bitwise_xor, changes, _smallest(low, rest))
    return count + more, tree


def _joined(operation: np.ufunc, left: Tree, right: tuple[int, Tree]) -> tuple[int, Tree]:
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
