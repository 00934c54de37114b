"""The picture of an exploration: energy and performance per area, relative to the best INT16."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .evaluation import Evaluation
from .pareto import pareto_front
from .variants import BASELINE

__all__ = ["plot_exploration"]

# Okabe and Ito's palette: told apart by colour-blind readers too.
_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#F0E442")
_LINES = ("-", "--", ":")
_MARKERS = ("o", "s", "^")
"""Lines and markers tell types of the same colour apart."""
_SHOWN = 2500
_LABELS = {"on_chip_mj": "on-chip energy", "total_mj": "energy with DRAM"}


def plot_exploration(
    evaluations: Sequence[Evaluation], energy: str, title: str, path: Path
) -> Path:
    """Draw one panel per kind of scratchpad and write a PNG; both axes relative to best INT16.

    Parameters
    ----------
    evaluations
        One per variant.
    energy
        `on_chip_mj` or `total_mj`.
    title, path
        Title above the panels; file to write.
    """
    # Matplotlib keeps a cache in the home folder, which may be read-only.
    os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
    from matplotlib.figure import Figure

    usable = [e for e in evaluations if e.feasible.any()]
    baseline = [e for e in usable if e.variant.pe_type == BASELINE]
    best_energy = min(float(np.nanmin(getattr(e, energy))) for e in baseline)
    best_performance = max(float(np.nanmax(e.perf_per_area)) for e in baseline)
    kinds = list(dict.fromkeys(e.variant.spad_kind for e in usable))
    names = list(dict.fromkeys(e.variant.pe_type for e in usable))
    colours, lines, markers = {}, {}, {}
    for i, name in enumerate(names):
        again, colour = divmod(i, len(_COLOURS))
        colours[name] = _COLOURS[colour]
        lines[name], markers[name] = _LINES[again % len(_LINES)], _MARKERS[again % len(_MARKERS)]
    figure = Figure(figsize=(5.2 * len(kinds), 4.4), dpi=150, layout="constrained")
    panels: Any = figure.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0]
    dice = np.random.default_rng(0)
    for panel, kind in zip(panels, kinds, strict=True):
        for name in names:
            mine = [e for e in usable if (e.variant.pe_type, e.variant.spad_kind) == (name, kind)]
            if not mine:
                continue
            x = np.concatenate([getattr(e, energy) for e in mine]) / best_energy
            y = np.concatenate([e.perf_per_area for e in mine]) / best_performance
            there = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
            shown = dice.choice(there, min(_SHOWN, len(there)), replace=False)
            panel.scatter(x[shown], y[shown], s=2, alpha=0.18, color=colours[name], linewidths=0)
            front = pareto_front(y, x)
            style = {"ls": lines[name], "marker": markers[name], "color": colours[name]}
            panel.plot(x[front], y[front], ms=2.5, lw=1.2, label=name, **style)
        panel.axvline(1, color="0.6", lw=0.8, zorder=0)
        panel.axhline(1, color="0.6", lw=0.8, zorder=0)
        panel.set(xscale="log", yscale="log", title=f"{kind} scratchpads")
        panel.set_xlabel(f"{_LABELS[energy]}, relative to the best INT16 (less is better)")
        panel.grid(alpha=0.25, which="both", lw=0.4)
        if panel.get_legend_handles_labels()[0]:
            size, columns = (8, 1) if len(names) <= len(_COLOURS) else (6, 3)
            options = {"loc": "lower left", "fontsize": size, "title_fontsize": 8}
            panel.legend(title="Pareto front", ncols=columns, **options)
    panels[0].set_ylabel("performance per area, relative to the best INT16")
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
