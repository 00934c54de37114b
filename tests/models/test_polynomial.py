"""The regression of one target: laws it must find, and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from models.polynomial import conformal_half_width, fit_target, relative_errors


def _folds(points: int, count: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    parts = np.array_split(np.random.default_rng(0).permutation(points), count)
    return [(np.setdiff1d(np.arange(points), part), part) for part in parts]


def test_a_linear_law_gets_degree_one_and_its_coefficients() -> None:
    words = np.linspace(64, 512, 30)
    fit = fit_target("area_filter_spad_um2", {"filter_spad": words}, 40 + 6.5 * words, _folds(30))
    assert fit.degree == 1 and fit.variables == ("filter_spad",)
    assert fit.coefficients == pytest.approx([6.5 * 224], rel=1e-4)
    assert fit.cv_mape < 1e-4


def test_a_quadratic_law_gets_degree_two() -> None:
    rng = np.random.default_rng(1)
    words, width = rng.uniform(8, 64, 40), rng.uniform(16, 45, 40)
    columns = {"psum_spad": words, "psum_width": width}
    fit = fit_target("area_psum_spad_um2", columns, words * width, _folds(40))
    assert fit.degree == 2 and fit.cv_mape < 1e-3
    assert set(fit.cv_scores) == {"0", "1", "2", "3"}
    assert fit.cv_scores["2"] < fit.cv_scores["1"] < fit.cv_scores["0"]


def test_a_logarithmic_delay_is_found_and_never_gets_degree_three() -> None:
    words = np.random.default_rng(2).uniform(64, 512, 40)
    columns = {"filter_spad": words, "log2_filter_spad": np.log2(words)}
    fit = fit_target("critical_path_ns", columns, 1 + 0.3 * np.log2(words), _folds(40))
    assert (fit.degree, fit.set_name) == (1, "log")
    assert set(fit.cv_scores) == {"0", "1", "2"}


def test_pure_noise_stays_constant() -> None:
    rng = np.random.default_rng(3)
    words = rng.uniform(64, 512, 40)
    actual = 2 + 0.1 * rng.standard_normal(40)
    fit = fit_target("critical_path_ns", {"filter_spad": words}, actual, _folds(40))
    assert fit.degree == 0 and len(fit.terms) == 0
    assert fit.intercept == pytest.approx(2, abs=0.1)


def test_constant_zero_needs_no_polynomial() -> None:
    words = np.linspace(64, 512, 30)
    fit = fit_target("area_filter_spad_um2", {"filter_spad": words}, np.zeros(30), _folds(30))
    assert (fit.degree, fit.intercept, fit.floor, fit.cv_mape) == (0, 0.0, 0.0, 0.0)


def test_relative_errors_stay_finite_near_zero() -> None:
    actual, predicted = np.array([0.0, 100.0, 0.0]), np.array([1.0, 110.0, 0.0])
    errors = relative_errors(actual, predicted, actual)
    assert errors == pytest.approx([1 / (0.01 * 100 / 3), 0.1, 0.0])


def test_the_interval_is_the_conformal_rank_of_the_residuals() -> None:
    predicted = np.full(39, 100.0)
    actual = predicted + np.arange(1, 40)
    # ceil(0.95 * 40) = 38: the 38th smallest of 39; with 10 points the largest.
    assert conformal_half_width(actual, predicted) == pytest.approx(0.38)
    assert conformal_half_width(actual[:10], predicted[:10]) == pytest.approx(0.10)
