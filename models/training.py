"""From datapoints to a model file: groups, held-out points, folds, and one fit per target.

Held-out points are drawn by a seed, per PE type, and no fit and no cross-validation sees them; the
coefficients stored are those whose error is stored.  A point is only held out if the training
points still span the same range of every feature, because predictions claim nothing beyond it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import ModelError
from .model_file import SCHEMA_VERSION, Error, GroupModel, ModelFile, TargetModel, TotalModel
from .polynomial import Folds, TargetFit, conformal_half_width, fit_target, relative_errors
from .ppa import Group
from .targets import (
    FEATURES,
    FITTED_TARGETS,
    MACRO_TARGET,
    TARGETS,
    TOTALS,
    VARIABLES,
    variable,
)

__all__ = ["HELD_OUT_SHARE", "MIN_HELD_OUT", "MIN_TRAINING", "fit_library", "usable_datapoints"]

Floats = NDArray[np.float64]
Held = dict[str, tuple[Floats, Floats, float]]

MIN_HELD_OUT = 8
"""Held-out points per PE type unless fewer are asked for."""
HELD_OUT_SHARE = 0.25
MIN_TRAINING = 8
"""Training points a group needs."""
_LEAVE_ONE_OUT_BELOW = 13
_FOLDS = 5
_KINDS = ("ifmap_spad_kind", "filter_spad_kind", "psum_spad_kind")
_GROUP = ("pe_type", *_KINDS, "pipeline_depth")
_NEEDED = (
    "key", "status", "library", "library_digest", "method", *_GROUP, "decoders", *FEATURES,
    "seconds",
)  # fmt: skip


def usable_datapoints(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the measured rows, checked and in a canonical order.

    Raises
    ------
    ModelError
        Where a column is missing, a figure is no number, parts do not sum up to their total, or
        libraries, library versions or methods are mixed.
    """
    missing = [name for name in (*_NEEDED, *TARGETS) if name not in frame.columns]
    if missing:
        raise ModelError(f"datapoints lack the column(s) {', '.join(missing)}")
    # A PE without its decoders is another design, and no feature of a model tells them apart.
    frame = frame[(frame["status"] == "ok") & (frame["decoders"] == "pe")]
    frame = frame.drop_duplicates("key", keep="last").copy()
    if frame.empty:
        raise ModelError("there is no datapoint with status 'ok'")
    for column in ("library", "library_digest", "method"):
        values = sorted(map(str, frame[column].unique()))
        if len(values) > 1:
            raise ModelError(f"datapoints must share one {column}, not {', '.join(values)}")
    for column in (*FEATURES, *TARGETS, "pipeline_depth", "seconds"):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        bad = ~np.isfinite(numbers.to_numpy(dtype=np.float64))
        if column == MACRO_TARGET:
            bad &= (frame[list(_KINDS)] == "macro").any(axis=1).to_numpy()
        if bad.any():
            row = frame[bad].iloc[0]
            raise ModelError(
                f"datapoint {row['key']!r}: {column} must be a number, not {str(row[column])!r}"
            )
        frame[column] = numbers
    for total, parts in TOTALS.items():
        off = (frame[list(parts)].sum(axis=1) - frame[total]).abs() > 1e-3 * frame[total].abs()
        if off.any():
            row = frame[off].iloc[0]
            raise ModelError(
                f"datapoint {row['key']!r}: the parts {', '.join(parts)} must sum up to {total} "
                f"({row[total]:.6g}), not to {row[list(parts)].sum():.6g}"
            )
    return frame.sort_values([*_GROUP, *FEATURES, "key"], ignore_index=True)


def fit_library(
    frame: pd.DataFrame,
    *,
    seed: int = 0,
    held_out: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> ModelFile:
    """Fit every PE type and group of one library's datapoints.

    Parameters
    ----------
    frame
        Datapoints, one row per PE point (columns of `characterize.schema`).
    seed
        Decides the held-out points and the folds.
    held_out
        Held-out points per PE type; a quarter, and at least 8, if not given.
    progress
        Called with one line before each group.
    """
    frame = usable_datapoints(frame)
    groups: list[GroupModel] = []
    summary: dict[str, dict[str, Error]] = {}
    left_out: list[str] = []
    used = np.zeros(len(frame), dtype=bool)
    for pe_type, of_type in frame.groupby("pe_type", sort=True):
        plan = _plan(str(pe_type), of_type, seed, held_out, left_out)
        gathered: dict[str, list[tuple[Floats, Floats, float]]] = {}
        for rows, test in plan:
            if progress is not None:
                progress(f"fitting {_group_name(rows)}: {len(rows) - len(test)} points")
            group, held = _fit_group(rows, test, seed)
            groups.append(group)
            used[rows.index] = True
            for name, entry in held.items():
                gathered.setdefault(name, []).append(entry)
        summary[str(pe_type)] = {name: _error(entries) for name, entries in gathered.items()}
    columns = sorted({*_NEEDED, *TARGETS})
    text = frame.loc[used, columns].to_csv(index=False, float_format="%.12g", lineterminator="\n")
    first = frame.iloc[0]
    return ModelFile(
        schema_version=SCHEMA_VERSION,
        library=str(first["library"]),
        library_digest=str(first["library_digest"]),
        method=str(first["method"]),
        datapoints_digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        seed=seed,
        datapoints=int(used.sum()),
        measuring_seconds=float(frame.loc[used, "seconds"].sum()),
        groups=tuple(groups),
        held_out=summary,
        left_out=tuple(left_out),
    )


def _plan(
    pe_type: str, frame: pd.DataFrame, seed: int, held_out: int | None, left_out: list[str]
) -> list[tuple[pd.DataFrame, list[int]]]:
    """Return the groups of a PE type that can be fitted, each with its held-out positions."""
    groups = []
    for _, rows in frame.groupby(list(_GROUP), sort=True):
        if len(rows) > MIN_TRAINING:
            groups.append(rows)
        else:
            left_out.append(
                f"{_group_name(rows)}: {len(rows)} datapoints, at least {MIN_TRAINING + 1} needed"
            )
    total = sum(map(len, groups))
    wanted = held_out or max(MIN_HELD_OUT, int(np.ceil(HELD_OUT_SHARE * total)))
    need = MIN_TRAINING * max(len(groups), 1) + wanted
    if total < need:
        raise ModelError(
            f"PE type {pe_type!r} has {len(frame)} datapoints, {total} of them in {len(groups)} "
            f"group(s) of one scratchpad kind and pipeline depth with more than {MIN_TRAINING}; "
            f"a fit needs at least {need} there: {MIN_TRAINING} per group and {wanted} held out. "
            "Measure more points (`make characterize PLAN=full`), or hold out fewer "
            "(`--held-out N`)"
        )
    counts = _shares([len(rows) for rows in groups], wanted)
    return [
        (rows, _draw(rows, count, seed + index))
        for index, (rows, count) in enumerate(zip(groups, counts, strict=True))
    ]


def _shares(sizes: Sequence[int], wanted: int) -> list[int]:
    """Divide the held-out points over groups in proportion, leaving each its training points."""
    counts = [0] * len(sizes)
    for _ in range(wanted):
        room = [i for i, size in enumerate(sizes) if size - counts[i] > MIN_TRAINING]
        counts[min(room, key=lambda i: ((counts[i] + 1) / sizes[i], i))] += 1
    return counts


def _draw(rows: pd.DataFrame, count: int, seed: int) -> list[int]:
    """Draw held-out positions whose absence leaves every feature's range as it is."""
    features = rows[list(FEATURES)].to_numpy(dtype=np.float64)
    low, high = features.min(axis=0), features.max(axis=0)
    _, inverse, copies = np.unique(features, axis=0, return_inverse=True, return_counts=True)
    keep = np.ones(len(rows), dtype=bool)
    drawn: list[int] = []
    for position in np.random.default_rng(seed).permutation(len(rows)).tolist():
        if len(drawn) == count:
            break
        keep[position] = False
        rest = features[keep]
        spans = (rest.min(axis=0) == low).all() and (rest.max(axis=0) == high).all()
        if spans and copies[inverse[position]] == 1:
            drawn.append(position)
        else:
            keep[position] = True
    if len(drawn) < count:
        raise ModelError(
            f"{_group_name(rows)}: only {len(drawn)} of {len(rows)} datapoints can be held out "
            f"without narrowing the range of a feature, {count} are needed; measure more points "
            "inside the range"
        )
    return sorted(drawn)


def _folds(points: int, seed: int) -> Folds:
    from sklearn.model_selection import KFold

    splits = points if points < _LEAVE_ONE_OUT_BELOW else _FOLDS
    folds = KFold(n_splits=splits, shuffle=True, random_state=seed)
    return list(folds.split(np.zeros(points)))


def _fit_group(rows: pd.DataFrame, test: list[int], seed: int) -> tuple[GroupModel, Held]:
    train = rows.drop(rows.index[test])
    held = rows.iloc[test]
    first = rows.iloc[0]
    kinds = (first[_KINDS[0]], first[_KINDS[1]], first[_KINDS[2]])
    features = {name: train[name].to_numpy(dtype=np.float64) for name in FEATURES}
    columns = {name: variable(name, features) for name in VARIABLES}
    columns = {name: column for name, column in columns.items() if column.min() < column.max()}
    folds = _folds(len(train), seed)
    names = [name for name in FITTED_TARGETS if name != MACRO_TARGET or "macro" in kinds]
    actual = {name: train[name].to_numpy(dtype=np.float64) for name in (*names, *TOTALS)}
    fits = {name: fit_target(name, columns, actual[name], folds) for name in names}

    nothing = Error(points=0, mape=0.0, max=0.0, coverage=0.0)

    def build(errors: dict[str, Error]) -> GroupModel:
        totals = {}
        for total, parts in TOTALS.items():
            out_of_fold = np.sum([fits[part].out_of_fold for part in parts], axis=0)
            scores = relative_errors(actual[total], out_of_fold, actual[total])
            totals[total] = TotalModel(
                cv_mape=float(np.mean(scores)),
                interval_95=conformal_half_width(actual[total], out_of_fold),
                held_out=errors.get(total, nothing),
            )
        return GroupModel(
            pe_type=str(first["pe_type"]),
            kinds=kinds,
            pipeline_depth=int(first["pipeline_depth"]),
            training_points=len(train),
            held_out_points=len(held),
            low={name: float(column.min()) for name, column in features.items()},
            high={name: float(column.max()) for name, column in features.items()},
            variables=tuple(columns),
            centre=tuple(float(c.min() + c.max()) / 2 for c in columns.values()),
            half=tuple(float(c.max() - c.min()) / 2 for c in columns.values()),
            targets={
                name: _target_model(fit, actual[name], list(columns), errors.get(name, nothing))
                for name, fit in fits.items()
            },
            totals=totals,
        )

    # The error is that of the shipped coefficients, evaluated the way they will be.
    prediction = Group(build({})).predict({name: held[name].to_numpy() for name in FEATURES})
    entries: Held = {
        name: (
            held[name].to_numpy(dtype=np.float64),
            prediction[name],
            prediction.interval_95[name],
        )
        for name in (*TOTALS, *names)
    }
    return build({name: _error([entry]) for name, entry in entries.items()}), entries


def _target_model(
    fit: TargetFit, actual: Floats, variables: list[str], held_out: Error
) -> TargetModel:
    terms = []
    for powers in fit.terms.tolist():
        exponents = dict(zip(fit.variables, powers, strict=True))
        terms.append(tuple(exponents.get(name, 0) for name in variables))
    return TargetModel(
        variables=fit.set_name,
        degree=fit.degree,
        ridge=fit.penalty,
        terms=tuple(terms),
        coefficients=tuple(map(float, fit.coefficients)),
        intercept=float(fit.intercept),
        floor=float(fit.floor),
        cv_mape=fit.cv_mape,
        cv_scores=fit.cv_scores,
        interval_95=conformal_half_width(actual, fit.out_of_fold),
        held_out=held_out,
    )


def _error(entries: Sequence[tuple[Floats, Floats, float]]) -> Error:
    """Summarise (actual, predicted, half width) of one or several groups."""
    errors = np.concatenate([relative_errors(actual, p, actual) for actual, p, _ in entries])
    inside = np.concatenate([relative_errors(a, p, p) <= half + 1e-12 for a, p, half in entries])
    if not len(errors):
        return Error(points=0, mape=0.0, max=0.0, coverage=0.0)
    return Error(
        points=len(errors),
        mape=float(errors.mean()),
        max=float(errors.max()),
        coverage=float(inside.mean()),
    )


def _group_name(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    kinds = "/".join(str(first[kind]) for kind in _KINDS)
    return f"{first['pe_type']} {kinds} depth {first['pipeline_depth']}"
