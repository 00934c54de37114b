from __future__ import annotations

import re

import numpy as np
import pytest

from flows.bitwise import evaluate_words, pack_codes, unpack_codes
from flows.errors import FlowError
from flows.functions import Function


def vectors(inputs: int) -> list[np.ndarray[tuple[int], np.dtype[np.uint64]]]:
    """Return all input vectors, one per lane."""
    lanes = np.arange(max(64, 1 << inputs)) % (1 << inputs)
    return [pack_codes(lanes >> j & 1, 1)[0] for j in range(inputs)]


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_every_truth_table(inputs: int) -> None:
    names = tuple("abc"[:inputs])
    for bits in range(1 << (1 << inputs)):
        function = Function(names, bits)
        found = evaluate_words(function, vectors(inputs))
        wanted = np.resize(function.table.astype(np.int64), 64)
        assert np.array_equal(unpack_codes(found[np.newaxis]).astype(np.int64), wanted), bits


@pytest.mark.parametrize("inputs", [4, 5, 6, 8])
def test_random_truth_tables(inputs: int) -> None:
    dice = np.random.default_rng(inputs)
    names = tuple(f"i{j}" for j in range(inputs))
    for _ in range(20):
        function = Function(names, int.from_bytes(dice.bytes(max(2, (1 << inputs) // 8)), "little"))
        found = evaluate_words(function, vectors(inputs))
        wanted = np.resize(function.table.astype(np.int64), max(64, 1 << inputs))
        assert np.array_equal(unpack_codes(found[np.newaxis]).astype(np.int64), wanted)


def test_a_constant_needs_no_inputs() -> None:
    assert evaluate_words(Function((), 1), []) == np.uint64(2**64 - 1)
    assert evaluate_words(Function((), 0), []) == 0


@pytest.mark.parametrize("bits", [1, 31, 32, 33, 64, 116])
def test_codes_of_any_width_come_back(bits: int) -> None:
    dice = np.random.default_rng(bits)
    codes = [int.from_bytes(dice.bytes(16), "little") % (1 << bits) for _ in range(128)]
    words = pack_codes(np.array(codes, dtype=object), bits)
    assert words.shape == (bits, 2)
    assert unpack_codes(words).tolist() == codes


def test_lanes_fill_words() -> None:
    message = "lanes must be a multiple of 64, not (63,)"
    with pytest.raises(FlowError, match=re.escape(message)):
        pack_codes(np.zeros(63, dtype=np.int64), 4)
