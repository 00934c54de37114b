"""Adaptive sampling: the PE points of the default space that the fits are least certain about.

Points are taken one after the other, each from where the standard deviation of a fit in proportion
to the figure is largest (`models.group_fits`), and each counts as measured from then on, so they
are spread apart; what was measured is never taken.  The estimated error is the cross-validated
one; no point is held out for it.  Method: MacKay, "Information-Based Objective Functions for Active
Data Selection" (1992).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from characterize.plan import SIZES as SPACE
from hw.config import PSUM_DEPTH, PEConfig
from hw.errors import ConfigError, nearest
from hw.pe.registry import PE_TYPES

from .errors import ModelError
from .group_fits import KINDS, GroupFits
from .targets import FEATURES, SIZES
from .training import MIN_TRAINING, usable_datapoints

__all__ = ["AdaptivePlan", "adaptive_plan", "fit_groups", "least_certain"]

Floats = NDArray[np.float64]

_WORD = ("psum_width", "saturating")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptivePlan:
    """What to measure next, and how good the fits are before."""

    pe_type: str
    points: tuple[PEConfig, ...]
    """The most uncertain one first; empty where the target is reached or nothing is left."""
    uncertainties: tuple[float, ...]
    """Relative standard deviation at each point when it was taken."""
    errors: Mapping[tuple[str, str], float]
    """Estimated mean relative error by group and figure."""
    measured: int
    """PE points that the fits rest on."""

    @property
    def error(self) -> float:
        """The largest of the estimated errors."""
        return max(self.errors.values())


def fit_groups(frame: pd.DataFrame, pe_type: str, *, seed: int = 0) -> list[GroupFits]:
    """Fit every group of a PE type that has enough datapoints.

    Raises
    ------
    ConfigError
        No such PE type.
    ModelError
        No group has enough, with the command that measures them.
    """
    if pe_type not in PE_TYPES:
        raise ConfigError(f"PE type must be {nearest(pe_type, PE_TYPES)}, not {pe_type!r}")
    rows = frame[frame["pe_type"] == pe_type]
    rows = usable_datapoints(rows) if len(rows) else rows
    groups = [group for _, group in rows.groupby([*KINDS, "pipeline_depth"], sort=True)]
    enough = [group for group in groups if len(group) > MIN_TRAINING]
    if not enough:
        most = max(map(len, groups), default=0)
        raise ModelError(
            f"PE type {pe_type!r} must have at least {MIN_TRAINING + 1} datapoints of one "
            f"scratchpad kind and pipeline depth before points can be chosen, not {most}; measure "
            f"some: `make characterize PE={pe_type} PLAN=quick`"
        )
    return [GroupFits(group, seed=seed) for group in enough]


def adaptive_plan(
    frame: pd.DataFrame,
    pe_type: str,
    *,
    count: int,
    target: float | None = None,
    seed: int = 0,
    allowed: Callable[[PEConfig], bool] = lambda _: True,
) -> AdaptivePlan:
    """Choose the points to measure next.

    Parameters
    ----------
    frame
        Datapoints of one library.
    count
        Points at most.
    target
        Estimated error at which no more points are needed; None is never.
    seed
        Of the folds of cross-validation.
    allowed
        Says which points of the default space may be chosen.
    """
    groups = fit_groups(frame, pe_type, seed=seed)
    errors = {(g.name, figure): e for g in groups for figure, e in g.errors().items()}
    done = target is not None and max(errors.values()) <= target
    chosen = least_certain(groups, pe_type, 0 if done else count, allowed)
    return AdaptivePlan(
        pe_type=pe_type,
        points=tuple(point for point, _ in chosen),
        uncertainties=tuple(uncertainty for _, uncertainty in chosen),
        errors=errors,
        measured=sum(len(group.rows) for group in groups),
    )


def least_certain(
    groups: Sequence[GroupFits],
    pe_type: str,
    count: int,
    allowed: Callable[[PEConfig], bool] = lambda _: True,
) -> list[tuple[PEConfig, float]]:
    """Return at most `count` points, each with its standard deviation when it was taken."""
    chosen: list[tuple[PEConfig, float]] = []
    pools = [_Pool(group, pe_type, allowed) for group in groups] if count else []
    for _ in range(count):
        pool = max(pools, key=lambda pool: pool.largest()[0])
        deviation, index = pool.largest()
        if index is None:
            break  # nothing is left
        chosen.append((pool.take(index), deviation))
    return chosen


class _Pool:
    """The points that a group lacks."""

    def __init__(self, group: GroupFits, pe_type: str, allowed: Callable[[PEConfig], bool]) -> None:
        self._configs = [config for config in _space(group, pe_type) if allowed(config)]
        self._left = np.ones(len(self._configs), dtype=np.bool_)
        self._parts = group.posterior(_features(self._configs)) if self._configs else []

    def largest(self) -> tuple[float, int | None]:
        """Return the largest relative standard deviation, and at which point it is."""
        if not self._left.any():
            return -1.0, None
        by_figure = {part.figure: np.zeros(len(self._left)) for part in self._parts}
        for part in self._parts:
            by_figure[part.figure] += part.variance()
        variance = np.where(self._left, np.max(list(by_figure.values()), axis=0), -1.0)
        index = int(np.argmax(variance))
        return float(np.sqrt(variance[index])), index

    def take(self, index: int) -> PEConfig:
        """Return a point, which counts as measured from now on."""
        self._left[index] = False
        for part in self._parts:
            part.tell(index)
        return self._configs[index]


def _space(group: GroupFits, pe_type: str) -> Iterator[PEConfig]:
    """Yield the points of the default space that a group lacks, with each of its psum words."""
    rows = group.rows
    measured = set(map(tuple, rows[[*SIZES, *_WORD]].astype(int).to_numpy().tolist()))
    words = rows.loc[rows["psum_depth"] == PSUM_DEPTH, list(_WORD)].drop_duplicates()
    kind = PE_TYPES[pe_type]
    for width, saturating in words.astype(int).to_numpy().tolist():
        fixed: dict[str, Any] = dict(zip(KINDS, group.kinds, strict=True))
        if saturating:
            fixed["psum_bits"] = width // kind.filter_lanes
        if group.depth != kind.pipeline_depth:
            fixed["pipeline_depth"] = group.depth
        for sizes in itertools.product(*(SPACE[name] for name in SIZES)):
            if (*sizes, width, saturating) not in measured:
                fixed |= zip(SIZES, sizes, strict=True)
                yield PEConfig(pe_type=pe_type, **fixed)


def _features(configs: list[PEConfig]) -> pd.DataFrame:
    return pd.DataFrame({name: [float(getattr(c, name)) for c in configs] for name in FEATURES})
