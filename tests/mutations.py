"""Mutations of small files, each from a seed: what a reader must survive.

A mutation cuts, repeats, moves and overwrites pieces of a file, and puts in words and numbers that
are likely to mean something.  The same seed makes the same file for ever.
"""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["mutated", "survives"]

_HANG_S = 60
_MOST_BYTES = 512 << 20
_NUMBERS = (
    b"0", b"-1", b"1", b"2", b"1e999", b"-1e308", b"nan", b"inf", b"1e-320", b"9" * 20, b"9" * 5000,
    b"0x10", b"1_0", b"1.5", b"true", b"null", b"",
)  # fmt: skip
_BYTES = (
    b"\x00",
    b"\xff",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\\\n",
    b'"',
    b"'",
    b"/*",
    b"\x1f\x8b",
)


def mutated(original: bytes, seed: int, words: Sequence[bytes]) -> bytes:
    """Return the file with one to six changes, which the seed decides."""
    chance = random.Random(seed)
    data = bytearray(original)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + int(2 ** chance.uniform(0, 9)))
        match chance.randrange(9):
            case 0:
                del data[start:end]
            case 1:
                data[start:start] = data[start:end] * chance.choice((1, 1, 2, 50))
            case 2:
                place = chance.randrange(len(data) + 1)
                data[place:place] = data[start:end]
            case 3:
                data[start : start + 1] = bytes([chance.randrange(256)])
            case 4:
                data[start:start] = chance.choice(_BYTES)
            case 5 | 6:
                _replace_word(data, start, chance.choice([*words, *_NUMBERS]))
            case 7:
                _replace_number(data, start, chance.choice(_NUMBERS))
            case 8 if chance.random() < 0.2:
                del data[start:]
    return bytes(data)


def _replace_word(data: bytearray, start: int, word: bytes) -> None:
    end = start
    while end < len(data) and chr(data[end]).isalnum():
        end += 1
    data[start:end] = word


def _replace_number(data: bytearray, start: int, number: bytes) -> None:
    while start < len(data) and not chr(data[start]).isdigit():
        start += 1
    end = start
    while end < len(data) and chr(data[end]) in "0123456789.e-":
        end += 1
    data[start:end] = number


def survives(
    read: Callable[[bytes], object],
    original: bytes,
    seeds: Iterable[int],
    words: Sequence[bytes],
    allowed: type[Exception],
) -> int:
    """Read the file of every seed; return how many were refused with the `allowed` error.

    Any other exception, a hang and memory without bounds fail the test and name the seed.
    """
    refused = 0
    before = _peak_bytes()
    for seed in seeds:
        data = mutated(original, seed, words)
        try:
            with _no_hang():
                read(data)
        except allowed as error:
            assert str(error)
            refused += 1
        except BaseException as error:
            error.add_note(f"the file of seed {seed}")
            raise
        grown = _peak_bytes() - before
        assert grown < _MOST_BYTES, f"the file of seed {seed} took {grown} bytes"
    return refused


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextmanager
def _no_hang() -> Iterator[None]:
    """Raise what no reader catches when something takes a minute that takes milliseconds."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt("a reader hangs")

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)
