"""Codes of floating-point formats that meet the hard cases of products and sums, seeded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.formats import Float

__all__ = ["NAN", "as_binary32", "assert_same_codes", "product_pairs", "sum_pairs"]

NAN = 0x7FC00000
Codes = NDArray[np.int64]


def _codes(fmt: Float, count: int, dice: np.random.Generator) -> Codes:
    """Return codes with many ends of the exponent range and fractions with runs of equal bits."""
    f, ones, top = fmt.fraction_bits, (1 << fmt.fraction_bits) - 1, (1 << fmt.exponent_bits) - 1
    drawn, place = dice.integers(0, 1 << f, count), dice.integers(0, f + 1, count)
    bit = 1 << np.minimum(place, f - 1)
    kinds = [drawn, drawn >> place, drawn << place & ones, ones & ~bit, ones << place & ones, bit]
    fraction = np.choose(dice.integers(0, len(kinds), count), kinds)
    near_end = dice.integers(0, 3, count)
    ends = [dice.integers(0, top + 1, count)] * 5 + [near_end, top - near_end, near_end * 0]
    exponent = np.choose(dice.integers(0, len(ends), count), ends)
    return dice.integers(0, 2, count) << (f + fmt.exponent_bits) | exponent << f | fraction


def _with_exponents(fmt: Float, codes: Codes, exponents: Codes, keep: NDArray[np.bool_]) -> Codes:
    top = (1 << fmt.exponent_bits) - 1
    moved = codes & ~(top << fmt.fraction_bits) | exponents.clip(0, top) << fmt.fraction_bits
    return np.where(keep, codes, moved)


def _exponents(fmt: Float, codes: Codes) -> Codes:
    return codes >> fmt.fraction_bits & ((1 << fmt.exponent_bits) - 1)


def product_pairs(fmt: Float, count: int, seed: int) -> list[tuple[int, int]]:
    """Return pairs of codes; three of four have products near an end of the range of `fmt`."""
    dice = np.random.default_rng(seed)
    first, second = _codes(fmt, count, dice), _codes(fmt, count, dice)
    aim = np.where(dice.integers(0, 2, count) == 0, fmt.bias, 3 * fmt.bias)
    near = aim - _exponents(fmt, first) + dice.integers(-28, 29, count)
    second = _with_exponents(fmt, second, near, dice.integers(0, 4, count) == 0)
    return list(zip(first.tolist(), second.tolist(), strict=True))


def sum_pairs(fmt: Float, count: int, seed: int) -> list[tuple[int, int]]:
    """Return pairs of codes; three of four overlap, many of those all but cancel."""
    dice = np.random.default_rng(seed)
    first, second = _codes(fmt, count, dice), _codes(fmt, count, dice)
    distance = np.where(
        dice.integers(0, 3, count) == 0, dice.integers(-2, 3, count), dice.integers(-28, 29, count)
    )
    near = _exponents(fmt, first) + distance
    second = _with_exponents(fmt, second, near, dice.integers(0, 4, count) == 0)
    ones = (1 << fmt.fraction_bits) - 1
    neighbour = second & ~ones | (first + dice.integers(-2, 3, count)) & ones
    second = np.where(dice.integers(0, 6, count) == 0, neighbour, second)
    return list(zip(first.tolist(), second.tolist(), strict=True))


def as_binary32(fmt: Float, codes: list[int]) -> NDArray[np.float32]:
    """Return the values of codes whose format binary32 contains."""
    return fmt.decode(codes).astype(np.float32)


def assert_same_codes(got: list[int], wanted: NDArray[np.float32]) -> None:
    """Compare bit by bit; every NaN stands for the canonical one."""
    codes = np.where(np.isnan(wanted), NAN, wanted.view(np.uint32))
    wrong = np.flatnonzero(codes != np.array(got, dtype=np.uint32))
    assert wrong.size == 0, [(int(i), hex(got[i]), hex(codes[i])) for i in wrong[:5]]
