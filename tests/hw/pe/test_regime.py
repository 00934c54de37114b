from __future__ import annotations

import pytest

from hw.formats.regime import split_regime as split_golden
from hw.pe.regime import leading_zeros, split_regime

from .multiply_bench import evaluate


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 9])
@pytest.mark.parametrize("width", [3, 7])
def test_every_word_is_split_like_the_format_does(width: int, limit: int) -> None:
    words = [(word,) for word in range(1 << width)]
    found = evaluate(lambda _, word: split_regime(word, limit), [width], words)
    aligned = width - (1 if limit == 1 else 2)
    for (word,), (k, rest) in zip(words, found, strict=True):
        want_k, want_rest, bits = split_golden(word, width, limit)
        assert (k, rest) == (want_k, want_rest << (aligned - bits)), f"{word:0{width}b}"


@pytest.mark.parametrize("width", [2, 3, 6])
def test_leading_zeros_of_every_word(width: int) -> None:
    words = [(word,) for word in range(1 << width)]
    found = evaluate(lambda _, word: leading_zeros(word), [width], words)
    for (word,), (count, behind) in zip(words, found, strict=True):
        zeros = width - word.bit_length()
        shifted = word << (zeros + 1) & ((1 << width) - 1)
        assert (count, behind) == (zeros, shifted >> 1), f"{word:0{width}b}"
