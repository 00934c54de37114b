"""Pictures of datapoints: area, delay and energy against each parameter, one PNG per PE type.

Every point is one row.  Points above each other in a panel differ in the other parameters, so a
panel shows both what its parameter does and how much the rest leaves open.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import CharacterizeError

__all__ = ["plot_datapoints"]

_FIGURES = {
    "area_um2": "area [µm²]",
    "critical_path_ns": "critical path [ns]",
    "product_pj": "energy of a product [pJ]",
}
_PARAMETERS = {
    "ifmap_spad": "ifmap scratchpad [words]",
    "filter_spad": "filter scratchpad [words]",
    "psum_spad": "psum scratchpad [words]",
    "psum_width": "psum [bit]",
    "pipeline_depth": "pipeline depth",
}
# From Okabe and Ito's palette: told apart by colour-blind readers too, and by shape.
_KINDS = {"flipflop": ("#D55E00", "o"), "latch": ("#009E73", "^"), "macro": ("#0072B2", "s")}


def plot_datapoints(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the datapoints of one library; return the pictures written, one per PE type.

    Raises
    ------
    CharacterizeError
        `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise CharacterizeError(f"--plot must name a folder, not the file {str(folder)!r}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for (library, pe_type), rows in table.groupby(["library", "pe_type"]):
        path = folder / f"{library}-{pe_type}.png"
        _draw(rows, f"{pe_type} on {library}: {len(rows)} datapoints", path)
        written.append(path)
    return written


def _draw(rows: pd.DataFrame, title: str, path: Path) -> None:
    # Matplotlib keeps a cache in the home folder, which may be read-only.
    os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    parameters = [n for n in _PARAMETERS if rows[n].nunique() > 1] or ["filter_spad"]
    figure = Figure(figsize=(1.5 + 2.9 * len(parameters), 8.0), dpi=110, layout="constrained")
    panels: Any = figure.subplots(
        len(_FIGURES), len(parameters), sharex="col", sharey="row", squeeze=False
    )
    for row, (figure_name, label) in enumerate(_FIGURES.items()):
        for column, parameter in enumerate(parameters):
            panel = panels[row, column]
            _points(panel, rows, parameter, figure_name)
            if figure_name == "area_um2":
                panel.set_yscale("log")  # macros stand outside: a PE with them is far smaller
                panel.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
                for each in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
                    each(lambda area, _: f"{area:,.0f}")
                panel.tick_params(axis="y", which="both", labelsize=7)
            panel.margins(x=0.1)
            panel.grid(alpha=0.3, lw=0.5)
            panel.set_axisbelow(True)
            if column == 0:
                panel.set_ylabel(label)
            if row == len(_FIGURES) - 1:
                panel.set_xlabel(_PARAMETERS[parameter])
                panel.set_xticks(sorted(rows[parameter].unique()))
                panel.tick_params(axis="x", labelsize=7, labelrotation=90)
            for side in ("top", "right"):
                panel.spines[side].set_visible(False)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, [f"{kind} scratchpads" for kind in labels], loc="outside lower center",
        ncols=len(labels), frameon=False,
    )  # fmt: skip
    figure.suptitle(title)
    figure.savefig(path)


def _points(panel: Any, rows: pd.DataFrame, parameter: str, figure_name: str) -> None:
    for kind, (colour, marker) in _KINDS.items():
        mine = rows[rows["filter_spad_kind"] == kind]
        if len(mine):
            panel.scatter(
                mine[parameter], mine[figure_name], s=22, color=colour, marker=marker,
                alpha=0.6, linewidths=0, label=kind,
            )  # fmt: skip
