"""Polynomial regression of one target, its degree chosen by k-fold cross-validation.

Candidates are (variable set, degree, ridge penalty); each is a scikit-learn pipeline (scaling to
[-1, 1], `PolynomialFeatures`, `Ridge`) fitted with weights 1/y^2, because relative errors count.
The simplest candidate within 5 % of the lowest mean absolute relative error is taken.

The interval is conformal on cross-validation residuals: half width q is the
ceil(0.95 (n + 1))-th smallest of |y - prediction| / |prediction| over the n out-of-fold
predictions (the largest one where n < 19).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .targets import feature_sets

__all__ = ["Folds", "TargetFit", "conformal_half_width", "fit_target", "relative_errors"]

Floats = NDArray[np.float64]
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]

RIDGE_PENALTIES = (1e-6, 1e-3)
SIMPLER_WITHIN = 1.05
COVERAGE = 0.95
_SMALL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFit:
    """The chosen polynomial of one target over variables scaled by the caller's bounds."""

    variables: tuple[str, ...]
    set_name: str
    degree: int
    penalty: float
    terms: NDArray[np.int64]
    """Exponents, shape (terms, variables)."""
    coefficients: Floats
    """Coefficients [unit of the target], shape (terms,)."""
    intercept: float
    floor: float
    """Lowest value a prediction may take."""
    cv_mape: float
    cv_scores: dict[str, float]
    """Lowest cross-validated error per degree."""
    out_of_fold: Floats
    """Cross-validated prediction of every training point, shape (n,)."""
    estimator: Any
    """The fitted scikit-learn pipeline, and None where the target is constant zero."""


def relative_errors(actual: Floats, predicted: Floats, relative_to: Floats) -> Floats:
    """Return |actual - predicted| relative to |relative_to|, kept finite near zero.

    The denominator is at least 1 % of the mean size of `actual`; identical zeros have no error.
    """
    scale = np.maximum(np.abs(relative_to), _SMALL * np.mean(np.abs(actual)))
    difference = np.abs(actual - predicted)
    return np.divide(difference, scale, out=np.zeros_like(difference), where=difference > 0)


def conformal_half_width(actual: Floats, out_of_fold: Floats) -> float:
    """Return the relative half width of the 95 % interval (see the module's text)."""
    errors = np.sort(relative_errors(actual, out_of_fold, out_of_fold))
    rank = int(np.ceil(COVERAGE * (len(errors) + 1)))
    return float(errors[min(rank, len(errors)) - 1])


def _pipeline(degree: int, penalty: float) -> Any:
    # Imported here: scikit-learn takes a second to load, which predictions do not need.
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures

    if degree == 0:
        return Pipeline([("regression", DummyRegressor())])
    return Pipeline(
        [
            ("scaling", MinMaxScaler(feature_range=(-1, 1))),
            ("polynomial", PolynomialFeatures(degree, include_bias=False)),
            ("regression", Ridge(alpha=penalty)),
        ]
    )


def _fit(estimator: Any, x: Floats, y: Floats) -> Any:
    weights = 1 / np.maximum(np.abs(y), _SMALL * np.mean(np.abs(y))) ** 2
    return estimator.fit(x, y, regression__sample_weight=weights / weights.mean())


def _candidates(
    target: str, varying: Sequence[str], points: int
) -> list[tuple[int, str, tuple[str, ...], int, float]]:
    """Return (terms, set name, variables, degree, penalty), each combination once."""
    from math import comb

    found: list[tuple[int, str, tuple[str, ...], int, float]] = [(1, "none", (), 0, 0.0)]
    seen: set[tuple[tuple[str, ...], int]] = set()
    for name, (variables, highest) in feature_sets(target).items():
        used = tuple(variable for variable in variables if variable in varying)
        for degree in range(1, highest + 1):
            terms = comb(len(used) + degree, degree)
            if not used or (used, degree) in seen or terms > points:
                continue
            seen.add((used, degree))
            found += [(terms, name, used, degree, penalty) for penalty in RIDGE_PENALTIES]
    return sorted(found)


def fit_target(target: str, columns: dict[str, Floats], actual: Floats, folds: Folds) -> TargetFit:
    """Choose and fit the polynomial of one target.

    Parameters
    ----------
    target
        Name of the target, which decides the candidate variables (`models.targets`).
    columns
        Varying variables by name, each of shape (n,).
    actual
        Measured values, shape (n,).
    folds
        Pairs of training and test indices, the same for every target of a group.
    """
    scale = float(np.mean(np.abs(actual)))
    lowest = float(actual.min())
    floor = lowest / 2 if lowest > 0 else 2 * lowest  # differences of energies may be negative
    if scale == 0.0:
        return TargetFit(
            variables=(), set_name="none", degree=0, penalty=0.0, intercept=0.0, floor=0.0,
            terms=np.zeros((0, 0), dtype=np.int64), coefficients=np.zeros(0), cv_mape=0.0,
            cv_scores={"0": 0.0}, out_of_fold=np.zeros_like(actual), estimator=None,
        )  # fmt: skip
    y = actual / scale
    smallest_fold = min(len(train) for train, _ in folds)
    scored = []
    for terms, name, used, degree, penalty in _candidates(target, list(columns), smallest_fold):
        x = _matrix(columns, used, len(y))
        predicted = np.empty_like(y)
        for train, test in folds:
            fitted = _fit(_pipeline(degree, penalty), x[train], y[train])
            predicted[test] = np.maximum(fitted.predict(x[test]), floor / scale)
        error = float(np.mean(relative_errors(y, predicted, y)))
        scored.append((terms, error, name, used, degree, penalty, predicted))
    best = min(error for _, error, *_ in scored)
    terms, error, name, used, degree, penalty, predicted = next(
        entry for entry in scored if entry[1] <= SIMPLER_WITHIN * best + 1e-9
    )
    estimator = _fit(_pipeline(degree, penalty), _matrix(columns, used, len(y)), y)
    regression = estimator.named_steps["regression"]
    if degree == 0:
        exponents, coefficients = np.zeros((0, 0), dtype=np.int64), np.zeros(0)
        intercept = float(np.ravel(regression.constant_)[0])
    else:
        exponents = estimator.named_steps["polynomial"].powers_.astype(np.int64)
        coefficients, intercept = regression.coef_ * scale, float(regression.intercept_)
    scores: dict[str, float] = {}
    for _, candidate_error, _, _, tried, _, _ in scored:
        scores[str(tried)] = min(candidate_error, scores.get(str(tried), np.inf))
    return TargetFit(
        variables=used, set_name=name, degree=degree, penalty=penalty, terms=exponents,
        coefficients=coefficients, intercept=intercept * scale, floor=floor, cv_mape=error,
        cv_scores=scores, out_of_fold=predicted * scale, estimator=estimator,
    )  # fmt: skip


def _matrix(columns: dict[str, Floats], used: Sequence[str], points: int) -> Floats:
    return np.stack([columns[name] for name in used], axis=1) if used else np.zeros((points, 1))
