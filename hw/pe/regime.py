"""Runs of equal bits at the head of a word, in hardware: one decoder for flint, posit and LP.

`split_regime` is the twin of `hw.formats.regime.split_regime`; `leading_zeros` is what a flint code
needs of it.  Both look for the end of the run and shift the rest of the word to the left in one
chain of multiplexers, the cheapest form at 2 to 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Value

__all__ = ["leading_zeros", "split_regime"]


def leading_zeros(word: Value) -> tuple[Value, Value]:
    """Return the number of leading zeros and the bits behind the first one.

    The bits behind are left aligned in one bit less than the word has, zeros follow them.
    """
    n = len(word)
    marks = [word[n - 1 - i] for i in range(n)]
    count = _at_first(marks, [Const(i, n.bit_length()) for i in range(n)], Const(n, n.bit_length()))
    behind = [_behind(word, i + 1, n - 1) for i in range(n - 1)]
    return count, _at_first(marks[:-1], behind, Const(0, n - 1))


def split_regime(word: Value, limit: int) -> tuple[Value, Value]:
    """Split a regime of at most `limit` bits from a word: return k and the bits behind it.

    k is signed.  The bits behind are left aligned, zeros follow them: two bits less than the word
    has, as the shortest regime is a bit and its end (one less where `limit` is 1).
    """
    n = len(word)
    longest = min(limit, n)
    width = n - 1 if longest == 1 else n - 2
    first = word[n - 1]
    ends = [word[n - 1 - run] ^ first for run in range(1, longest)]
    bits = (longest - 1).bit_length()
    zeros_before = [Const(i, bits) for i in range(longest)]
    tails = [_behind(word, run + 1, width) for run in range(1, longest)]
    extra = _at_first(ends, zeros_before[:-1], zeros_before[-1])  # the run less one
    rest = _at_first(ends, tails, _behind(word, longest, width))
    # A run of m ones is m - 1, of m zeros -m: the complement of m - 1.
    return Cat(extra ^ (~first).replicate(bits), ~first).as_signed(), rest


def _behind(word: Value, skipped: int, width: int) -> Value:
    """Return the bits of a word after the first `skipped` ones, left aligned in `width` bits."""
    kept = max(len(word) - skipped, 0)
    return Cat(Const(0, width - kept), word[:kept])


def _at_first(marks: Sequence[Value], results: Sequence[Value], otherwise: Value) -> Value:
    """Return the result that belongs to the first mark that is set."""
    for mark, result in reversed(list(zip(marks, results, strict=True))):
        otherwise = Mux(mark, result, otherwise)
    return otherwise
