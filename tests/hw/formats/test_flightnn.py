from __future__ import annotations

import re

import numpy as np
import pytest

from hw.errors import ConfigError
from hw.formats import FLightNN, LightNN, residual_terms


def test_terms_have_signs_of_their_own() -> None:
    fmt = FLightNN(2)
    assert fmt.terms(0b0001_1011) == (1, 11)
    assert float(fmt.decode_exact(0b0001_1011)) == 0.5 - 0.125
    assert fmt.decode([0b0011_1011])[0] == 0
    assert (FLightNN(0).bits, FLightNN(1).bits, fmt.bits) == (0, 4, 8)
    assert FLightNN(0).quantize([0.7, -3.0]).tolist() == [0, 0]


def test_values_contain_those_of_lightnn() -> None:
    two = set(FLightNN(2).decode(np.arange(256)).tolist())
    assert set(LightNN(2).decode(np.arange(128)).tolist()) < two
    one = FLightNN(1).decode(np.arange(16))
    assert np.array_equal(one, LightNN(1).decode(np.arange(16)))


def test_residuals_follow_the_norms_of_each_filter() -> None:
    weights = np.array([[0.01, -0.02, 0.01], [0.5, -0.25, 1.0], [0.75, -0.3, 0.1]])
    none, one, two = residual_terms(weights, (0.1, 0.05))
    assert none.shape == (3, 0)
    assert one.shape == (3, 1)  # exact after one term, so its residual is zero
    assert two.shape == (3, 2)
    assert LightNN(1).decode(one[:, 0]).tolist() == [0.5, -0.25, 1.0]
    values = FLightNN(2).decode(FLightNN(2).pack(two))
    # 0.75 lies halfway between 0.5 and 1; the tie goes to the even code, m = 0
    assert LightNN(1).decode(two).tolist() == [[1, -0.25], [-0.25, -0.0625], [0.125, -0.03125]]
    assert values.tolist() == [0.75, -0.3125, 0.09375]


def test_a_second_term_alone_is_one_term() -> None:
    (terms,) = residual_terms([[0.5, 0.5]], (1.0, 0.1))
    assert terms.tolist() == [[1], [1]]


def test_a_zero_residual_in_a_filter_that_has_the_term_becomes_the_smallest_power() -> None:
    (terms,) = residual_terms([[1.0, 0.7]], (0.0, 0.01))
    assert LightNN(1).decode(terms[0]).tolist() == [1, 2.0**-7]


def test_residuals_shrink_and_stochastic_rounding_is_reproducible() -> None:
    rng = np.random.default_rng(7)
    weights = rng.uniform(-1, 1, (20, 30))
    uniform = rng.random((2, 20, 30))
    for keywords in ({}, {"rounding": "stochastic", "uniform": uniform}):
        terms = residual_terms(weights, (0.0, 0.0), **keywords)  # type: ignore[arg-type]
        one = np.stack([LightNN(1).decode(t[:, 0]) for t in terms])
        both = np.stack([LightNN(1).decode(t).sum(axis=-1) for t in terms])
        assert np.linalg.norm(weights - both) < 0.6 * np.linalg.norm(weights - one)
        again = residual_terms(weights, (0.0, 0.0), **keywords)  # type: ignore[arg-type]
        assert all(np.array_equal(a, b) for a, b in zip(terms, again, strict=True))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: FLightNN(3), "k must be an integer from 0 to 2, not 3"),
        (
            lambda: residual_terms([0.5], (0.1,)),
            "weights must have shape (filters, weights of one filter), not (1,)",
        ),
        (
            lambda: residual_terms([[0.5]], (0.1, -1)),
            "thresholds must be one or two numbers from 0, not (0.1, -1)",
        ),
        (
            lambda: residual_terms([[0.5]], (0.1, 0.2), rounding="stochastic", uniform=[[[0.5]]]),
            "uniform must hold one array for each of 2 terms, not 1",
        ),
        (
            lambda: FLightNN(2).pack([[1, 2, 3]]),
            "terms of flightnn2 must have shape (..., 2), not (1, 3)",
        ),
        (
            lambda: FLightNN(1).pack([[16]]),
            "codes of a term of flightnn1 must be integers from 0 to 15, not array([[16]])",
        ),
        (
            lambda: FLightNN(0).decode([1]),
            "codes of flightnn0 must be integers from 0 to 0, not [1]",
        ),
    ],
)
def test_errors_say_what_would_be_right(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        call()
