"""What an exploration found: best points, gains over others, splits, spreads, the front.

Two baselines stand side by side: the best `int16` with the same kind of scratchpads, and the best
`int16` of the whole exploration.  Beside them stand the gains over the best `int8` and `int4` with
the same kind of scratchpads.  A gain is baseline / value for energies and value / baseline for
performance per area, so above 1 is better than the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DseError
from .evaluation import Energy, Evaluation
from .pareto import pareto_front
from .rules import REASONS
from .space import AXES, Space
from .variants import BASELINE, RIVALS

__all__ = ["OBJECTIVES", "Best", "Summary", "point_record", "summarize"]

OBJECTIVES = ("perf_per_area", "on_chip_mj", "total_mj")
"""What best points are sought for: runs/s/mm2 (most), mJ on chip (least), mJ with DRAM (least)."""
_PARTS = [field.name for field in fields(Energy)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best point of one variant for one objective."""

    variant: str
    pe_type: str
    spad_kind: str
    objective: str
    value: float
    gain_same_spads: float
    """Over the best INT16 with the same kind of scratchpads."""
    gain_any_spads: float
    """Over the best INT16 of all."""
    gain_over: dict[str, float]
    """Over the best of each rival (`dse.variants.RIVALS`) with the same kind of scratchpads."""
    spread: float
    """Largest over smallest value of this objective in the space."""
    share: dict[str, float]
    """Share of each part in the point's total energy."""
    point: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that reports show."""

    best: list[Best]
    front: list[dict[str, Any]]
    """Points of the Pareto front, by falling performance per area."""
    infeasible: dict[str, dict[str, int]]
    """Points without a mapping, by variant and reason."""
    extrapolated: int
    """Evaluated points outside of the sizes that models were fitted on."""
    points: int
    """Design points evaluated, infeasible ones included."""


def _values(evaluation: Evaluation, objective: str) -> NDArray[np.float64]:
    return np.asarray(getattr(evaluation, objective))


def _best_index(evaluation: Evaluation, objective: str) -> int:
    values = _values(evaluation, objective)
    pick = np.nanargmax if objective == "perf_per_area" else np.nanargmin
    return int(pick(values))


def point_record(evaluation: Evaluation, space: Space, index: int) -> dict[str, Any]:
    """Return one evaluated design point as plain data, units in the names."""
    columns = {
        name: (float if name == "dram_gb_per_s" else int)(space.columns[name][index])
        for name in AXES
    }
    figures = {
        "period_ns": evaluation.period_ns,
        "latency_ms": evaluation.latency_ms,
        "area_mm2": evaluation.area_mm2,
        "perf_per_area": evaluation.perf_per_area,
        "on_chip_mj": evaluation.on_chip_mj,
        "total_mj": evaluation.total_mj,
        **{name.replace("_pj", "_mj"): getattr(evaluation.energy, name) * 1e-9 for name in _PARTS},
    }
    return {
        "variant": evaluation.variant.name,
        "pe_type": evaluation.variant.pe_type,
        "psum_bits": evaluation.variant.pe_config().psum_width,
        "spad_kind": evaluation.variant.spad_kind,
        **columns,
        **{name: float(values[index]) for name, values in figures.items()},
        "in_fitted_range": bool(evaluation.in_range[index]),
    }


def summarize(evaluations: Sequence[Evaluation], space: Space, *, front_energy: str) -> Summary:
    """Summarize an exploration.

    Parameters
    ----------
    evaluations, space
        One evaluation per variant, all on the same points.
    front_energy
        `on_chip_mj` or `total_mj`: the energy that the Pareto front trades against performance
        per area.

    Raises
    ------
    DseError
        No variant, or not the baseline, can run the network on any point.
    """
    runnable = [e for e in evaluations if e.feasible.any()]
    if not any(e.variant.pe_type == BASELINE for e in runnable):
        raise DseError(f"no {BASELINE} design point of this space can run the network")
    best = [
        _best(evaluation, space, objective, runnable)
        for evaluation in runnable
        for objective in OBJECTIVES
    ]
    infeasible = {
        f"{e.variant.name} {e.variant.spad_kind}": {
            REASONS[code]: int(count)
            for code, count in zip(*np.unique(e.reason, return_counts=True), strict=True)
            if code
        }
        for e in evaluations
    }
    return Summary(
        best=best,
        front=_front(runnable, space, front_energy),
        infeasible=infeasible,
        extrapolated=sum(int((~e.in_range & e.feasible).sum()) for e in runnable),
        points=len(space) * len(evaluations),
    )


def _best(
    evaluation: Evaluation, space: Space, objective: str, everyone: Sequence[Evaluation]
) -> Best:
    index = _best_index(evaluation, objective)
    values = _values(evaluation, objective)
    kind = evaluation.variant.spad_kind
    total = evaluation.energy.total_pj[index]

    def gain(over: str, kinds: tuple[str, ...]) -> float:
        return _gain(float(values[index]), objective, everyone, over, kinds)

    return Best(
        variant=evaluation.variant.name,
        pe_type=evaluation.variant.pe_type,
        spad_kind=kind,
        objective=objective,
        value=float(values[index]),
        gain_same_spads=gain(BASELINE, (kind,)),
        gain_any_spads=gain(BASELINE, ()),
        gain_over={rival: gain(rival, (kind,)) for rival in RIVALS},
        spread=float(np.nanmax(values) / np.nanmin(values)),
        share={
            name.removesuffix("_pj"): float(getattr(evaluation.energy, name)[index] / total)
            for name in _PARTS
        },
        point=point_record(evaluation, space, index),
    )


def _gain(
    value: float,
    objective: str,
    everyone: Sequence[Evaluation],
    over: str,
    kinds: tuple[str, ...],
) -> float:
    """Return the gain over the best point of a PE type; NaN where there is none of those kinds."""
    candidates = [
        float(_values(e, objective)[_best_index(e, objective)])
        for e in everyone
        if e.variant.pe_type == over and (not kinds or e.variant.spad_kind in kinds)
    ]
    if not candidates:
        return float("nan")
    return value / max(candidates) if objective == "perf_per_area" else min(candidates) / value


def _front(runnable: Sequence[Evaluation], space: Space, energy: str) -> list[dict[str, Any]]:
    performance = np.concatenate([e.perf_per_area for e in runnable])
    spent = np.concatenate([_values(e, energy) for e in runnable])
    size = len(space)
    return [
        point_record(runnable[i // size], space, int(i % size))
        for i in pareto_front(performance, spent).tolist()
    ]
