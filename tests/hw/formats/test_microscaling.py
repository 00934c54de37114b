from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import Float, Microscaling

NAMES = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8")


def _blocks() -> np.ndarray:
    rng = np.random.default_rng(13)
    blocks = rng.standard_t(3, (200, 32)) * np.exp2(rng.integers(-40, 40, (200, 1)))
    return blocks.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_as_the_specification_and_ml_dtypes_make_them(name: str) -> None:
    fmt = Microscaling(name)
    blocks = _blocks()
    scales, codes = fmt.encode(blocks)
    shared = np.floor(np.log2(np.abs(blocks).max(axis=1))) - fmt.largest_exponent
    assert np.array_equal(fmt.scale.decode(scales), np.exp2(shared))
    scaled = blocks / np.exp2(shared)[:, None]
    if isinstance(fmt.element, Float):
        limited = np.clip(scaled, -fmt.element.largest, fmt.element.largest).astype(np.float32)
        elements = limited.astype(getattr(ml_dtypes, str(fmt.element))).astype(np.float64)
    else:
        elements = np.clip(np.rint(scaled * 64), -128, 127) / 64
    assert np.array_equal(fmt.decode(scales, codes), elements * np.exp2(shared)[:, None])


@pytest.mark.parametrize(
    ("name", "exponent", "bits"),
    list(zip(NAMES, (8, 15, 4, 2, 2, 0), (264, 264, 200, 200, 136, 264), strict=True)),
)
def test_sizes(name: str, exponent: int, bits: int) -> None:
    fmt = Microscaling(name)
    assert (fmt.largest_exponent, fmt.block, fmt.block_bits) == (exponent, 32, bits)


@pytest.mark.parametrize("name", NAMES)
def test_quantized_blocks_stay_as_they_are(name: str) -> None:
    fmt = Microscaling(name)
    once = fmt.quantize(_blocks())
    assert np.array_equal(fmt.quantize(once), once)


def test_zeros_extremes_and_nan_scale() -> None:
    fmt = Microscaling("mxfp4")
    scales, codes = fmt.encode(np.zeros((2, 3, 32)))
    assert (scales.shape, codes.shape) == ((2, 3), (2, 3, 32))
    assert not scales.any()
    assert not codes.any()
    assert fmt.encode(np.full(32, 1e300))[0] == 254
    assert fmt.quantize(np.full(32, 1e300))[0] == 6 * 2.0**127
    assert fmt.encode(np.full(32, 1e-300))[0] == 0
    assert np.isnan(fmt.decode(255, codes[0, 0])).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda fmt: fmt.encode(np.zeros(31)),
            "values of mxfp4 must have shape (..., 32), not (31,)",
        ),
        (
            lambda fmt: fmt.encode(np.full(32, np.nan)),
            "values of mxfp4 must be finite, not NaN or infinity",
        ),
        (
            lambda fmt: fmt.decode([0, 0], np.zeros((3, 32), dtype=int)),
            "scales of mxfp4 must have shape (3,), not (2,)",
        ),
        (
            lambda fmt: fmt.decode([0], np.zeros((1, 16), dtype=int)),
            "codes of mxfp4 must have shape (..., 32), not (1, 16)",
        ),
        (
            lambda fmt: fmt.decode([256], np.zeros((1, 32), dtype=int)),
            "codes of float8_e8m0fnu must be integers from 0 to 255, not [256]",
        ),
    ],
)
def test_errors_say_what_would_be_right(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        call(Microscaling("mxfp4"))
