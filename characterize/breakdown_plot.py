"""The picture of a breakdown: stacked bars of area and energy, kinds of scratchpad side by side."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .breakdown import Breakdown
from .breakdown_report import PART_TITLES, digits
from .schema import PARTS
from .whole_pe import WholePE

__all__ = ["plot_breakdown"]

# From Okabe and Ito's palette: told apart by colour-blind readers too.
_COLOURS = {
    "datapath": "#D55E00",
    "ifmap_spad": "#56B4E9",
    "filter_spad": "#0072B2",
    "psum_spad": "#009E73",
    "control": "#999999",
    "leakage": "#E5E5E5",
}
_BAR_INCHES = 0.27


def plot_breakdown(made: Breakdown, path: Path) -> None:
    """Draw area and energy of every PE, kinds of scratchpad side by side, and write a PNG."""
    # Matplotlib keeps a cache in the home folder, which may be read-only.
    os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(point.spads for point in made.points))
    names = list(dict.fromkeys(point.name for point in made.points))
    figure = Figure(
        figsize=(1.6 + 5.4 * len(kinds), 2 * (1.3 + _BAR_INCHES * len(names))),
        dpi=150,
        layout="constrained",
    )
    panels: Any = figure.subplots(2, len(kinds), sharex="row", sharey=True, squeeze=False)
    for column, kind in enumerate(kinds):
        mine = {p.name: p for p in made.points if p.spads == kind}
        for row, (split, unit) in enumerate(((_area, "area [µm²]"), (_energy, "pJ per product"))):
            panel = panels[row, column]
            _bars(panel, [split(mine[name]) if name in mine else {} for name in names])
            panel.set_yticks(range(len(names)), names)
            panel.set_xlabel(unit)
            panel.set_title(f"{kind} scratchpads: {('area', 'energy of a product')[row]}")
    for panel in panels.flat:
        panel.margins(x=0.13, y=0.02)
    panels[0, 0].invert_yaxis()  # shared: the first PE type stands on top everywhere
    titles = {**PART_TITLES, "leakage": "leakage (at the PE's own clock)"}
    handles, labels = panels[1, 0].get_legend_handles_labels()
    figure.legend(
        handles, [titles[label] for label in labels], loc="outside lower center",
        ncols=len(labels), frameon=False,
    )  # fmt: skip
    sizes = "/".join(map(str, made.sizes))
    figure.suptitle(f"Where area and energy of a PE go: {made.library}, {sizes} words")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _area(point: WholePE) -> dict[str, float]:
    return dict(point.area_um2)


def _energy(point: WholePE) -> dict[str, float]:
    return {**point.product_pj, "leakage": point.leakage_pj}


def _bars(panel: Any, splits: list[dict[str, float]]) -> None:
    """Draw one stacked bar per split, with its total at the end; nothing for an empty one."""
    rows = np.arange(len(splits))
    left = np.zeros(len(splits))
    for part in (*PARTS, "leakage"):
        if not any(part in split for split in splits):
            continue
        widths = np.array([split.get(part, 0.0) for split in splits])
        panel.barh(rows, widths, left=left, height=0.78, color=_COLOURS[part], label=part)
        left += widths
    for row, (split, end) in enumerate(zip(splits, left, strict=True)):
        text = f" {digits(end)}" if split else " not measured"
        panel.text(end, row, text, va="center", fontsize=7, color="0.25" if split else "0.6")
    panel.grid(axis="x", alpha=0.3, lw=0.5)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8, length=0)
    panel.tick_params(axis="y", labelleft=True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
