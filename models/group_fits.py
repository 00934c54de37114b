"""The fits of one group of datapoints, and how certain they are.

A group is one PE type, kinds of scratchpad and pipeline depth, as in `models.training`.  Each of
its figures gets the polynomial that a fit on all its points would choose.  How uncertain one is at
a point follows from Bayesian linear regression on its terms: the variance of its cross-validated
residuals times the leverage of the point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .polynomial import Folds, TargetFit, fit_target, relative_errors
from .targets import FEATURES, TOTALS, VARIABLES, variable

__all__ = ["HEADLINE", "KINDS", "GroupFits", "PartPosterior"]

Floats = NDArray[np.float64]

HEADLINE = ("area_um2", "leakage_uw", "critical_path_ns", "product_pj")
"""The figures whose error counts."""
KINDS = ("ifmap_spad_kind", "filter_spad_kind", "psum_spad_kind")
"""Columns that tell groups apart, besides the pipeline depth."""
_FOLDS = 5
_LEAVE_ONE_OUT_BELOW = 13


class GroupFits:
    """The fits of one group: one PE type, kinds of scratchpad and pipeline depth.

    Parameters
    ----------
    rows
        Its datapoints.
    seed
        Of the folds of cross-validation.
    """

    def __init__(self, rows: pd.DataFrame, *, seed: int = 0) -> None:
        first = rows.iloc[0]
        self.rows = rows
        self.kinds = tuple(str(first[kind]) for kind in KINDS)
        self.depth = int(first["pipeline_depth"])
        self.name = f"{'/'.join(self.kinds)} depth {self.depth}"
        columns = _columns(rows)
        self._varying = {n: c for n, c in columns.items() if c.min() < c.max()}
        folds = _folds(len(rows), seed)
        self._fits = {
            part: fit_target(part, self._varying, rows[part].to_numpy(dtype=np.float64), folds)
            for figure in HEADLINE
            for part in TOTALS.get(figure, (figure,))
        }

    def predict(self, features: pd.DataFrame) -> dict[str, Floats]:
        """Return the headline figures of PE points, given their features."""
        columns = _columns(features)
        return {
            figure: np.asarray(sum(_value(fit, columns) for fit in self._of(figure).values()))
            for figure in HEADLINE
        }

    def errors(self) -> dict[str, float]:
        """Return the cross-validated mean relative error of each headline figure."""
        found = {}
        for figure in HEADLINE:
            actual = self.rows[figure].to_numpy(dtype=np.float64)
            out_of_fold = np.sum([fit.out_of_fold for fit in self._of(figure).values()], axis=0)
            found[figure] = float(np.mean(relative_errors(actual, out_of_fold, actual)))
        return found

    def _of(self, figure: str) -> dict[str, TargetFit]:
        return {part: self._fits[part] for part in TOTALS.get(figure, (figure,))}

    def posterior(self, candidates: pd.DataFrame) -> list[PartPosterior]:
        """Return what each polynomial knows of candidates."""
        known, columns = _columns(self.rows), _columns(candidates)
        size = self.predict(candidates)
        parts = []
        for figure in HEADLINE:
            for part, fit in self._of(figure).items():
                if fit.estimator is None:  # constant zero
                    continue
                actual = self.rows[part].to_numpy(dtype=np.float64)
                missed = relative_errors(actual, fit.out_of_fold, actual)
                parts.append(
                    PartPosterior(
                        figure=figure,
                        terms=_terms(fit, columns),
                        covariance=_covariance(fit, known),
                        noise=_value(fit, columns) ** 2,
                        scale=float(np.mean(missed**2)) / size[figure] ** 2,
                    )
                )
        return parts


@dataclass(slots=True, kw_only=True, eq=False)
class PartPosterior:
    """A polynomial at the candidates."""

    figure: str
    terms: Floats
    """Shape (candidates, terms)."""
    covariance: Floats
    """Of the coefficients, in units of the residuals' relative variance."""
    noise: Floats
    """Variance of a measurement in those units, shape (candidates,)."""
    scale: Floats
    """Relative variance of the residuals over the square of the figure, shape (candidates,)."""

    def variance(self) -> Floats:
        """Return its share of the figure's relative variance, shape (candidates,)."""
        leverage = np.einsum("ij,jk,ik->i", self.terms, self.covariance, self.terms)
        return np.asarray(np.maximum(leverage, 0.0) * self.scale)

    def tell(self, index: int) -> None:
        """Count a candidate as measured."""
        term = self.terms[index]
        along = self.covariance @ term
        self.covariance -= np.outer(along, along) / (self.noise[index] + term @ along)


def _columns(frame: pd.DataFrame) -> dict[str, Floats]:
    features = {name: frame[name].to_numpy(dtype=np.float64) for name in FEATURES}
    return {name: variable(name, features) for name in VARIABLES}


def _folds(points: int, seed: int) -> Folds:
    from sklearn.model_selection import KFold

    splits = points if points < _LEAVE_ONE_OUT_BELOW else _FOLDS
    return list(KFold(splits, shuffle=True, random_state=seed).split(np.zeros(points)))


def _terms(fit: TargetFit, columns: Mapping[str, Floats]) -> Floats:
    """Return the terms of a polynomial with the constant first, shape (n, terms)."""
    ones = np.ones((len(next(iter(columns.values()))), 1))
    if fit.degree == 0:
        return ones
    inputs = np.stack([columns[name] for name in fit.variables], axis=1)
    return np.hstack([ones, fit.estimator[:-1].transform(inputs)])


def _value(fit: TargetFit, columns: Mapping[str, Floats]) -> Floats:
    coefficients = np.array([fit.intercept, *fit.coefficients])
    if fit.estimator is None:
        return np.zeros(len(next(iter(columns.values()))))
    value: Floats = np.maximum(_terms(fit, columns) @ coefficients, fit.floor)
    return value


def _covariance(fit: TargetFit, columns: Mapping[str, Floats]) -> Floats:
    """Return the covariance of the coefficients of a ridge fit with weights 1/y^2."""
    terms = _terms(fit, columns)
    weights = 1 / np.maximum(_value(fit, columns), 1e-12) ** 2
    penalty = fit.penalty * float(weights.mean()) * np.eye(terms.shape[1])
    penalty[0, 0] = 0.0
    return np.asarray(np.linalg.pinv(terms.T @ (weights[:, np.newaxis] * terms) + penalty))
