"""Fits of figures that are sums of terms: non-negative least squares of relative errors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import ModelError
from .term_model import Counts, Floats, Term, UnseenError, predicted

__all__ = ["Bools", "each_from_the_others", "fit_terms", "shared_library", "unseen_error"]

Bools = NDArray[np.bool_]


def shared_library(table: pd.DataFrame, what: str) -> None:
    """Raise `ModelError` where rows are of several libraries or methods."""
    for column in ("library", "library_digest", "method"):
        if len(values := sorted(map(str, table[column].unique()))) > 1:
            raise ModelError(f"{what} must share one {column}, not {', '.join(values)}")


def fit_terms(
    terms: Mapping[str, Term], counts: Counts, actual: Floats, rows: Bools
) -> dict[str, float]:
    """Return the non-negative coefficients of least relative error on some rows."""
    from scipy.optimize import lsq_linear

    if not rows.any():
        return dict.fromkeys(terms, 0.0)
    matrix = np.stack([np.asarray(term(counts))[rows] for term in terms.values()], axis=1)
    matrix = matrix / actual[rows, None]
    scale = np.maximum(matrix.max(axis=0), 1e-12)
    bounds = (0.0, np.inf)
    found = lsq_linear(matrix / scale, np.ones(len(matrix)), bounds, method="bvls", tol=1e-14).x
    return dict(zip(terms, (np.maximum(found, 0.0) / scale).tolist(), strict=True))


def unseen_error(actual: Floats, made: Floats, rows: Bools) -> UnseenError:
    """Return the relative errors of what was predicted of some rows."""
    if not rows.any():
        return UnseenError(arrays=0, mean=0.0, max=0.0)
    errors = np.abs(made[rows] - actual[rows]) / actual[rows]
    return UnseenError(arrays=int(rows.sum()), mean=float(errors.mean()), max=float(errors.max()))


def each_from_the_others(
    terms: Mapping[str, Term], counts: Counts, actual: Floats, there: Bools
) -> Floats:
    """Return what the other rows say about each row that is there, NaN for those that are not."""
    made = np.full(len(actual), np.nan)
    for row in np.flatnonzero(there):
        others = there.copy()
        others[row] = False
        made[row] = np.asarray(predicted(terms, counts, fit_terms(terms, counts, actual, others)))[
            row
        ]
    return made
