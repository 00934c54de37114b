"""The exploration's report as text and as files: JSON, CSV of the Pareto front, a plot."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from tabulate import tabulate

from hw.atomic_file import write_atomically

from .summary import Summary
from .variants import RIVALS
from .workloads import COUNTED

__all__ = ["as_json", "text_report", "write_files"]

T = TypeVar("T")

_OBJECTIVE_TITLES = {
    "perf_per_area": "performance per area [runs/s/mm²], most",
    "on_chip_mj": "on-chip energy [mJ/run], least",
    "total_mj": "energy with DRAM [mJ/run], least",
}
_SHARES = {
    "arithmetic": "arithmetic",
    "scratchpads": "scratchpads",
    "control": "control, idle",
    "networks": "networks",
    "shell": "shell",
    "glb": "GLB",
    "leakage": "leakage",
    "dram": "DRAM",
}


def _gain(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}×"


def _point(point: Mapping[str, Any]) -> str:
    spads = f"{point['ifmap_spad']}/{point['filter_spad']}/{point['psum_spad']}"
    bandwidth = f"{point['glb_bytes_per_cycle']} B/cy, {point['dram_gb_per_s']:g} GB/s"
    return f"{point['rows']}×{point['cols']}, {spads}, {point['glb_kib']} KiB, {bandwidth}"


def text_report(summary: Summary, facts: Mapping[str, Any]) -> str:
    """Return the report a person reads; `facts` are the exploration's circumstances."""
    blocks = [
        f"Network {facts['network']} ({facts['gmacs']:.3f} GMAC), library {facts['library']}, "
        f"{facts['space']}, {len(facts['variants'])} variants.",
    ]
    for objective, title in _OBJECTIVE_TITLES.items():
        rows = [
            [
                best.variant,
                best.spad_kind,
                f"{best.value:.4g}",
                _gain(best.gain_same_spads),
                _gain(best.gain_any_spads),
                *(_gain(best.gain_over[rival]) for rival in RIVALS),
                f"{best.spread:.3g}×",
                _point(best.point),
            ]
            for best in summary.best
            if best.objective == objective
        ]
        heads = ["PE type", "spads", "best", "gain, same spads", "gain, any"]
        heads += [f"over {rival}" for rival in RIVALS] + ["spread", "point"]
        blocks.append(
            f"Best {title}; gain over the best INT16, and over the best {' and '.join(RIVALS)} "
            f"with the same spads\n{tabulate(rows, heads)}\n{_without_gain(summary, objective)}"
        )
    rows = [
        [best.variant, best.spad_kind, *(f"{100 * best.share[name]:.1f}" for name in _SHARES)]
        for best in summary.best
        if best.objective == "total_mj"
    ]
    heads = ["PE type", "spads", *(f"{title} %" for title in _SHARES.values())]
    blocks.append(
        "Where the energy goes, at the point of least energy with DRAM\n" + tabulate(rows, heads)
    )
    rows = [
        [
            str(number),
            point["variant"],
            point["spad_kind"],
            f"{point['perf_per_area']:.4g}",
            f"{point['on_chip_mj']:.4g}",
            f"{point['total_mj']:.4g}",
            f"{point['latency_ms']:.4g}",
            f"{point['area_mm2']:.3g}",
            f"{point['period_ns']:.3g}",
            _point(point),
        ]
        for number, point in _thinned(list(enumerate(summary.front, 1)), 15)
    ]
    heads = [
        "#", "PE type", "spads", "runs/s/mm²", "on-chip mJ", "total mJ", "ms", "mm²", "ns", "point",
    ]  # fmt: skip
    more = "" if len(summary.front) <= 15 else f", 15 of {len(summary.front)} points"
    blocks.append(
        f"Pareto front of performance per area and {facts['front_energy']}{more}\n"
        + tabulate(rows, heads)
    )
    blocks.append(_notes(summary, facts))
    return "\n\n".join(blocks)


def _without_gain(summary: Summary, objective: str) -> str:
    """Return which PE types are no better than a rival with the same scratchpads, of any kind."""
    lines = []
    for rival in RIVALS:
        gains: dict[str, list[float]] = {}
        for best in summary.best:
            gain = best.gain_over[rival]
            if best.objective == objective and best.pe_type != rival and not math.isnan(gain):
                gains.setdefault(best.pe_type, []).append(gain)
        worse = [name for name, values in gains.items() if max(values) <= 1]
        if gains:
            lines.append(f"No gain over {rival}: {', '.join(worse) or 'none of them'}.")
    return "\n".join(lines)


def _thinned(points: list[T], count: int) -> list[T]:
    if len(points) <= count:
        return points
    return [points[round(i * (len(points) - 1) / (count - 1))] for i in range(count)]


def _notes(summary: Summary, facts: Mapping[str, Any]) -> str:
    lost = {
        variant: ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        for variant, reasons in summary.infeasible.items()
        if reasons
    }
    if not lost:
        unmapped = "Every point can run the network."
    elif len(set(lost.values())) == 1 and len(lost) == len(summary.infeasible):
        unmapped = f"Left out as unmappable, of each variant: {next(iter(lost.values()))}."
    else:
        alike: dict[str, list[str]] = {}
        for variant, reasons in lost.items():
            alike.setdefault(reasons, []).append(variant)
        lines = [f"  {', '.join(names)}: {reasons}" for reasons, names in alike.items()]
        unmapped = "Left out as unmappable, of each variant:\n" + "\n".join(lines)
    return "\n".join(
        [
            COUNTED,
            facts["not_counted"],
            facts["memories"],
            facts["models"],
            *([facts["terms"]] if facts["terms"] else []),
            unmapped,
            f"PEs outside of the sizes their models were fitted on: {summary.extrapolated:,}.",
            facts["speed"],
        ]
    )


def as_json(summary: Summary, facts: Mapping[str, Any]) -> str:
    """Return the whole summary as one JSON value; what is not a number is null."""
    value = {"facts": dict(facts), **dataclasses.asdict(summary)}
    return json.dumps(_without_nan(value), indent=2, sort_keys=True, allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_files(summary: Summary, facts: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `summary.json`, `front.csv` and `best.csv` into a folder; return their paths."""
    best = [
        {
            "objective": best.objective,
            "gain_same_spads": best.gain_same_spads,
            "gain_any_spads": best.gain_any_spads,
            **{f"gain_over_{rival}": gain for rival, gain in best.gain_over.items()},
            "spread": best.spread,
            **best.point,
        }
        for best in summary.best
    ]
    paths = [folder / name for name in ("summary.json", "front.csv", "best.csv")]
    write_atomically(paths[0], as_json(summary, facts) + "\n")
    for path, rows in zip(paths[1:], (summary.front, best), strict=True):
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, text.getvalue())
    return paths
