from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from hw.config import PEConfig
from hw.errors import ConfigError
from hw.formats import NumberFormat
from hw.formats.packed import Packed
from hw.pe.golden import run_pass, to_signed
from hw.pe.pe_type import PEType
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

Coded = tuple[int, tuple[Fraction, ...]]


ROUNDED = [name for name, kind in PE_TYPES.items() if kind.accumulator and not kind.scaling]
"""PE types whose products are codes of their accumulator, and may be infinite or NaN."""
INTEGERS = [name for name in PE_TYPES if name not in ROUNDED]


def test_every_type_is_covered() -> None:
    assert len(ROUNDED) + len(INTEGERS) == len(PE_TYPES) >= 20


@pytest.mark.parametrize("pe_type", ROUNDED)
def test_rounded_products_are_those_of_numpy(pe_type: str) -> None:
    """All pairs of codes up to 16 bits, else seeded ones, against numpy's float32."""
    kind = PE_TYPES[pe_type]
    dice = np.random.default_rng(1)
    both = kind.weight.bits + kind.activation.bits
    pairs = np.arange(1 << both) if both <= 16 else dice.integers(0, 1 << both, 20_000, np.uint64)
    weights = (pairs >> kind.activation.bits).astype(np.int64)
    activations = (pairs & ((1 << kind.activation.bits) - 1)).astype(np.int64)
    with np.errstate(invalid="ignore", over="ignore"):
        # two significands of 24 bits make an exact float64
        values = (kind.weight.decode(weights) * kind.activation.decode(activations)).astype("f4")
    got = [kind.product(int(w), int(a)) for w, a in zip(weights, activations, strict=True)]
    numbers = ~np.isnan(values)
    assert (values.view(np.uint32) == np.array(got))[numbers].all()
    assert (np.array(got)[~numbers] == 0x7FC00000).all()
    assert numbers.sum() > len(pairs) / 2


@pytest.mark.parametrize("pe_type", INTEGERS)
def test_products_are_the_products_of_the_formats(pe_type: str) -> None:
    """All pairs of codes up to 16 bits, else seeded ones; a code without a value makes zero."""
    kind = PE_TYPES[pe_type]
    weights, activations = (_codes(fmt, kind) for fmt in (kind.weight, kind.activation))
    unit = Fraction(2) ** kind.fraction_bits
    limit = 1 << (kind.product_bits - 1)
    relative = absolute = Fraction(0)
    if kind.relative_error:
        # decode() of an irrational value is within 2**-53 of it
        relative = Fraction(kind.relative_error) + Fraction(1, 1 << 50)
        absolute = Fraction(kind.absolute_error)
    compared = 0
    for (weight, w), (activation, a) in _pairs(weights, activations):
        assert (len(w), len(a)) == (kind.lanes, kind.channel_lanes)
        for lane, got in enumerate(_lane_products(kind, weight, activation)):
            assert -limit <= got < limit
            here = w if kind.filter_lanes == 1 else w[lane : lane + 1]
            exact = sum((x * y for x, y in zip(here, a, strict=True)), Fraction(0)) * unit
            error = abs(got - exact)
            assert error <= relative * abs(exact) + absolute, (weight, activation, lane, got)
        compared += 1
    assert compared >= min(2000, len(weights) * len(activations))


def _lane_products(kind: PEType, weight: int, activation: int) -> list[int]:
    """Return the product of each filter lane."""
    product, bits = kind.product(weight, activation), kind.product_bits
    if kind.filter_lanes == 1:
        return [product]
    assert 0 <= product < 1 << bits * kind.filter_lanes
    lanes = (product >> bits * lane & ((1 << bits) - 1) for lane in range(kind.filter_lanes))
    return [to_signed(lane, bits) for lane in lanes]


def _codes(fmt: NumberFormat, kind: PEType) -> list[Coded]:
    """Return codes of a format with the values of their lanes, zero for what is no number."""
    if fmt.bits <= 12:
        codes = list(range(1 << fmt.bits))
    else:
        dice = random.Random(1)
        ends = [0, 1, (1 << fmt.bits) - 1, 1 << (fmt.bits - 1), (1 << (fmt.bits - 1)) - 1]
        codes = ends + [dice.getrandbits(fmt.bits) for _ in range(1000)]
    if isinstance(fmt, Packed):
        values = {c: _value(fmt.element, c, kind) for c in range(1 << fmt.element.bits)}
        return [(code, tuple(values[lane] for lane in fmt.split(code))) for code in codes]
    return [(code, (_value(fmt, code, kind),)) for code in codes]


def _value(fmt: NumberFormat, code: int, kind: PEType) -> Fraction:
    if code in (*getattr(fmt, "reserved", ()), getattr(fmt, "nar_code", None)):
        with pytest.raises(ConfigError):
            fmt.decode_exact(code)
        return Fraction(0)
    return Fraction(float(fmt.decode(code))) if kind.relative_error else fmt.decode_exact(code)


def _pairs(weights: list[Coded], activations: list[Coded]) -> Iterator[tuple[Coded, Coded]]:
    """Return all pairs up to 2**16, else every code once and seeded pairs."""
    if len(weights) * len(activations) <= 1 << 16:
        yield from product(weights, activations)
        return
    yield from zip(weights, activations, strict=False)
    dice = random.Random(2)
    for _ in range(2000):
        yield dice.choice(weights), dice.choice(activations)


@pytest.mark.parametrize("pe_type", INTEGERS)
def test_products_fill_their_width_and_psums_fit(pe_type: str) -> None:
    """No product bit is wasted on every input, and a default psum has at most 64 bits."""
    kind = PE_TYPES[pe_type]
    weights, activations = (_codes(fmt, kind) for fmt in (kind.weight, kind.activation))
    largest = max(
        abs(product)
        for (weight, _), (activation, _) in _pairs(weights, activations)
        for product in _lane_products(kind, weight, activation)
    )
    assert largest >= 1 << (kind.product_bits - 2)
    assert PEConfig(pe_type=pe_type).lane_width <= 64


def test_a_pass_is_a_convolution() -> None:
    """The order of the streams, checked against a plain convolution over all indices."""
    row = RowPass(filters=3, channels=2, taps=4, stride=2, positions=5)
    dice = np.random.default_rng(2)
    weights = dice.integers(-100, 100, (row.filters, row.channels, row.taps))
    pixels = dice.integers(-100, 100, (row.channels, (row.positions - 1) * row.stride + row.taps))
    wanted = [
        sum(
            int(weights[f, c, s] * pixels[c, x * row.stride + s])
            for c in range(row.channels)
            for s in range(row.taps)
        )
        for x in range(row.positions)
        for f in range(row.filters)
    ]
    filters = [int(v) & 0xFF for v in weights.transpose(2, 1, 0).ravel()]
    ifmap = [int(v) & 0xFF for v in pixels.T.ravel()]
    assert run_pass(PEConfig(pe_type="int8"), row, filters, ifmap) == wanted


def test_psums_saturate_and_stay_exact_as_declared() -> None:
    row = RowPass(filters=1, channels=1, taps=12, positions=1)
    largest = [0x80] * 12
    config = PEConfig(pe_type="int8")
    assert run_pass(config, row, largest, largest) == [12 * 128 * 128]
    narrow = PEConfig(pe_type="int8", psum_bits=16)
    assert run_pass(narrow, row, largest, largest) == [(1 << 15) - 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 4}, r"q\*S words of the window = 16 must be at most ifmap_spad = 12"),
        ({"filters": 25}, "must be at most filter_spad|must be at most psum_spad = 24"),
        ({"stride": 5}, "stride U = 5 must be at most the filter's columns S = 4"),
        ({"positions": 0}, "positions must be at least 1, not 0"),
    ],
)
def test_passes_that_do_not_fit_name_the_rule(change: dict[str, int], message: str) -> None:
    fields = {"filters": 2, "channels": 2, "taps": 4, "positions": 3} | change
    with pytest.raises(ConfigError, match=message):
        RowPass(**fields).check(PEConfig(pe_type="int8"))


def test_a_wrong_number_of_words_is_refused() -> None:
    row = RowPass(filters=1, channels=1, taps=2, positions=2)
    with pytest.raises(ConfigError, match="ifmap must hold 3 words, not 2"):
        run_pass(PEConfig(pe_type="int8"), row, [1, 2], [1, 2])
