"""The PPA model of one library: power, performance and area of PE points, vectorised.

Predictions are sums over polynomial terms evaluated for all targets at once.  Outside the training
range (`in_range` is False) a polynomial is continued linearly from the nearest point of the range,
so that it stays sane; its stated error does not hold there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ModelError
from .model_file import GroupModel, ModelFile, find_model_file, load_model_file
from .targets import FEATURES, TOTALS, variable

__all__ = ["PPAModel", "Prediction"]

Floats = NDArray[np.float64]
_CHUNK = 8192
_STEP = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Predictions for n PE points of one group."""

    values: dict[str, Floats]
    """Per target (names carry units), shape (n,)."""
    in_range: NDArray[np.bool_]
    """Whether every feature lies in the range of the training points, shape (n,)."""
    interval_95: dict[str, float]
    """Relative half width of the 95 % interval of each target."""

    def __getitem__(self, target: str) -> Floats:
        return self.values[target]

    def bounds(self, target: str) -> tuple[Floats, Floats]:
        """Return the lower and the upper end of the 95 % interval."""
        half = self.interval_95[target] * np.abs(self.values[target])
        return self.values[target] - half, self.values[target] + half


class Group:
    """One group's polynomials, compiled for evaluation of all targets in one product."""

    def __init__(self, model: GroupModel) -> None:
        self.model = model
        self._names = list(model.targets)
        width = len(model.variables)
        # All products of lower degree are kept, so that each term is one factor times another.
        needed = {(0,) * width}
        for target in model.targets.values():
            for term in target.terms:
                while term not in needed:
                    needed.add(term)
                    term = _lowered(term)[0]
        terms = sorted(needed, key=lambda term: (sum(term), term))
        index = {term: row for row, term in enumerate(terms)}
        self._steps = [(index[_lowered(term)[0]], _lowered(term)[1]) for term in terms[1:]]
        self._coefficients = np.zeros((len(self._names), len(terms)))
        for row, name in enumerate(self._names):
            target = model.targets[name]
            self._coefficients[row, 0] = target.intercept
            for term, coefficient in zip(target.terms, target.coefficients, strict=True):
                self._coefficients[row, index[term]] += coefficient
        self._floors = np.array([[model.targets[name].floor] for name in self._names])

    @cached_property
    def interval_95(self) -> dict[str, float]:
        """Relative half width of every target's interval."""
        targets = {name: entry.interval_95 for name, entry in self.model.targets.items()}
        return targets | {name: entry.interval_95 for name, entry in self.model.totals.items()}

    def predict(self, features: Mapping[str, ArrayLike]) -> Prediction:
        """Return the prediction for features that broadcast to one dimension."""
        columns = _columns(features)
        model = self.model
        count = len(columns[FEATURES[0]])
        in_range = np.ones(count, dtype=bool)
        for name, column in columns.items():
            in_range &= (column >= model.low[name]) & (column <= model.high[name])
        result = np.empty((len(self._names), count))
        for start in range(0, count, _CHUNK):  # small enough for the cache
            part = slice(start, start + _CHUNK)
            scaled = self._scaled({name: column[part] for name, column in columns.items()})
            if np.abs(scaled).max(initial=0.0) > 1 + 1e-9:
                result[:, part] = self._continued(scaled)
            else:
                result[:, part] = self._coefficients @ self._monomials(scaled)
            np.maximum(result[:, part], self._floors, out=result[:, part])
        values = dict(zip(self._names, result, strict=True))
        for total, (first, *parts) in TOTALS.items():
            values[total] = values[first].copy()
            for name in parts:
                values[total] += values[name]
        return Prediction(values=values, in_range=in_range, interval_95=self.interval_95)

    def _scaled(self, columns: Mapping[str, Floats]) -> Floats:
        model = self.model
        scaled = np.empty((len(model.variables), len(columns[FEATURES[0]])))
        for row, name in enumerate(model.variables):
            scaled[row] = (variable(name, columns) - model.centre[row]) / model.half[row]
        return scaled

    def _monomials(self, scaled: NDArray[np.inexact]) -> NDArray[np.inexact]:
        terms = np.empty((len(self._steps) + 1, scaled.shape[1]), dtype=scaled.dtype)
        terms[0] = 1
        for row, (parent, factor) in enumerate(self._steps, start=1):
            np.multiply(terms[parent], scaled[factor], out=terms[row])
        return terms

    def _continued(self, scaled: Floats) -> Floats:
        """Continue linearly from the nearest point in range; one complex step is the slope."""
        nearest = np.clip(scaled, -1, 1)
        values = self._coefficients @ self._monomials(nearest + 1j * _STEP * (scaled - nearest))
        continued: Floats = values.real + values.imag / _STEP
        return continued


def _lowered(term: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Return a term of one degree less and the variable that leads back."""
    variable = max(index for index, exponent in enumerate(term) if exponent)
    return (*term[:variable], term[variable] - 1, *term[variable + 1 :]), variable


def _columns(features: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    if set(features) != set(FEATURES):
        raise ModelError(f"features must be {', '.join(FEATURES)}, not {', '.join(features)}")
    arrays = [np.atleast_1d(np.asarray(features[name], dtype=np.float64)) for name in FEATURES]
    try:
        arrays = list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(FEATURES, arrays, strict=True))
        raise ModelError(f"features must have one common shape (n,), not {shapes}") from None
    if arrays[0].ndim != 1:
        raise ModelError(f"features must have one common shape (n,), not {arrays[0].shape}")
    columns = dict(zip(FEATURES, arrays, strict=True))
    for name, column in columns.items():
        valid = column >= 0 if name == "saturating" else column > 0
        if not valid.all():
            raise ModelError(f"{name} must be positive, not {column[~valid][0]}")
    return columns


class PPAModel:
    """Fitted models of one library: every PE type, scratchpad kind triple and pipeline depth."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self._groups = {group.key: Group(group) for group in file.groups}

    @classmethod
    def load(cls, source: str | Path) -> PPAModel:
        """Load by library name (own fits before shipped ones) or from a path.

        A `Path`, or a text with a separator or the ending `.json`, is a path.
        """
        text = str(source)
        is_path = isinstance(source, Path) or "/" in text or text.endswith(".json")
        return cls(load_model_file(source if is_path else find_model_file(text)))

    @property
    def library(self) -> str:
        """Name of the cell library."""
        return self.file.library

    @property
    def pe_types(self) -> tuple[str, ...]:
        """PE types with at least one fitted group."""
        return tuple(sorted({key[0] for key in self._groups}))

    def groups(self, pe_type: str) -> tuple[GroupModel, ...]:
        """Return the fitted groups of a PE type."""
        return tuple(group.model for key, group in self._groups.items() if key[0] == pe_type)

    def group(self, pe_type: str, kinds: tuple[str, str, str], pipeline_depth: int) -> Group:
        """Return one group; `ModelError` names what is fitted where it does not exist."""
        key = (pe_type, tuple(kinds), pipeline_depth)
        if key in self._groups:
            return self._groups[key]
        if pe_type not in self.pe_types:
            have = f"fitted PE types: {', '.join(self.pe_types)}"
        else:
            have = "fitted for this PE type: " + "; ".join(
                f"{'/'.join(g.kinds)} at pipeline depth {g.pipeline_depth}"
                for g in self.groups(pe_type)
            )
        raise ModelError(
            f"library {self.library!r} has no model of {pe_type!r} with "
            f"{'/'.join(map(str, kinds))} scratchpads at pipeline depth {pipeline_depth} ({have})"
        )

    def predict(
        self,
        pe_type: str,
        *,
        kinds: tuple[str, str, str],
        pipeline_depth: int,
        features: Mapping[str, ArrayLike],
    ) -> Prediction:
        """Predict n PE points of one group.

        Parameters
        ----------
        kinds
            Kinds of the ifmap, filter and psum scratchpad.
        features
            `ifmap_spad`, `filter_spad`, `psum_spad` [words], `psum_width` [bits] and
            `saturating` (0 or 1): scalars or arrays of shape (n,).
        """
        return self.group(pe_type, kinds, pipeline_depth).predict(features)
