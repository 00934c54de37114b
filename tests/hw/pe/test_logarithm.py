"""The logarithmic datapath at other base factors, tables and widths than the registry's."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import LogPosit
from hw.pe.lns import LNS8, lns_type
from hw.pe.lp import LP8, lp_type
from hw.pe.pe_type import PEType

from .multiply_bench import products

VARIANTS = {
    "pure shift": lns_type("lns", 1, fraction=0, bits=24),
    "small table": lns_type("lns", 4, fraction=4, bits=16),
    "mitchell": lns_type("lns", 8, table=1, fraction=0, bits=20),
    "table and mitchell": lns_type("lns", 8, table=4, fraction=5, bits=24),
    "exact placement": lns_type("lns", 16, fraction=6, bits=23),
    "one regime bit": lp_type("lp", LogPosit(8, 2, 1), LogPosit(8, 2, 1)),
    "long regime": lp_type("lp", LogPosit(8, 1, 3), LogPosit(8, 1, 3), bits=20),
    "unlimited regime": lp_type("lp", LogPosit(8, 0, 7), LogPosit(8, 0, 7), fraction=5),
    "four bits": lp_type("lp", LogPosit(4, 0, 3), LogPosit(4, 0, 3), fraction=4, bits=16),
}


def _pairs(kind: PEType, count: int) -> Iterable[tuple[int, int]]:
    size = 1 << kind.weight.bits
    corners = [0, 1, size // 2 - 1, size // 2, size // 2 + 1, size - 1]
    yield from product(corners, corners)
    dice = random.Random(3)
    for _ in range(count):
        yield dice.randrange(size), dice.randrange(size)


@pytest.mark.parametrize("name", VARIANTS)
def test_hardware_is_the_golden_product(name: str) -> None:
    kind = VARIANTS[name]
    pairs = list(_pairs(kind, 3000))
    assert products(kind, pairs) == [kind.product(*pair) for pair in pairs]


@pytest.mark.parametrize("name", [*VARIANTS, "lns8", "lp8"])
def test_the_declared_error_holds_and_is_no_larger_than_needed(name: str) -> None:
    kind = {**VARIANTS, "lns8": LNS8, "lp8": LP8}[name]
    nar = getattr(kind.weight, "nar_code", None)
    codes = [code for code in range(1 << kind.weight.bits) if code != nar]
    values = kind.weight.decode(codes)
    exact = np.multiply.outer(values, values) * 2.0**kind.fraction_bits
    got = np.array([[kind.product(w, a) for a in codes] for w in codes])
    error = np.abs(got - exact)
    bound = kind.relative_error * np.abs(exact) + kind.absolute_error
    assert (error <= bound * (1 + 1e-12)).all()
    # Where a product is so large that its last place counts little, the error is the table's.
    table = np.abs(exact) * kind.relative_error >= 2 * kind.absolute_error
    if kind.relative_error > 0:
        assert (error[table] / np.abs(exact[table])).max() >= kind.relative_error / 2
    assert 2.0 ** (kind.product_bits - 2) <= np.abs(exact).max() < 2.0 ** (kind.product_bits - 1)


def test_mitchell_has_the_published_error() -> None:
    assert VARIANTS["mitchell"].relative_error == pytest.approx(0.0607, abs=5e-5)
    assert LNS8.relative_error < 0.0015
    assert LP8.relative_error == LNS8.relative_error


@pytest.mark.parametrize("bits", [1, 42])
def test_a_width_that_makes_no_sense_is_refused(bits: int) -> None:
    with pytest.raises(ConfigError, match=f"must be from 2 to 41, which is exact, not {bits}"):
        lns_type("lns", 8, bits=bits)
