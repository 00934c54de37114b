"""Pareto fronts of two objectives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["pareto_front"]


def pareto_front(maximize: NDArray[np.float64], minimize: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the points that no other point beats in both objectives.

    Parameters
    ----------
    maximize, minimize
        One value a point, shape (n,); a point with a value that is not finite is left out.

    Returns
    -------
    Indices by falling `maximize`.  Of equal points only the first is kept.
    """
    usable = np.flatnonzero(np.isfinite(maximize) & np.isfinite(minimize))
    order = usable[np.lexsort((minimize[usable], -maximize[usable]))]
    best = np.minimum.accumulate(minimize[order])
    keep = np.ones(len(order), dtype=bool)
    keep[1:] = minimize[order][1:] < best[:-1]
    return order[keep]
