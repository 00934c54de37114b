"""What the commands that fit arrays and shells share: arguments, where a fit goes, its tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from characterize.errors import CharacterizeError
from hw.command import run_command

from .errors import ModelError
from .model_file import OWN_MODELS, check_library_name
from .term_model import FigureModel, UnseenError, save_terms

__all__ = ["checks_table", "figures_table", "fit_parser", "run_fit"]


def fit_parser(prog: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with what every such command takes."""
    parser = argparse.ArgumentParser(
        prog=f"python -m models.{prog}",
        description=f"{description}  Without -o the file goes to build/models, which is searched "
        "before the shipped models/fitted.",
    )
    parser.add_argument("--library", required=True, help="name of the cell library")
    parser.add_argument("--data", type=Path, metavar="FILE", help="CSV instead of the shipped one")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="file to write")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def run_fit(
    options: argparse.Namespace,
    what: str,
    *,
    load: Callable[[str], pd.DataFrame],
    read: Callable[[Path], pd.DataFrame],
    fit: Callable[[pd.DataFrame], Any],
    tables: Callable[[Any], list[str]],
) -> int:
    """Fit, write the file and print it; returns the exit status.

    Parameters
    ----------
    options
        Of `fit_parser`.
    what
        `arrays` or `shells`.
    load, read
        Return the shipped table of a library, and that of a CSV file.
    fit, tables
        Return the fit of a table, and what is printed of it.
    """

    def run() -> None:
        library = check_library_name(options.library)
        table = read(options.data) if options.data else load(library)
        if others := sorted(set(map(str, table["library"])) - {library}):
            raise ModelError(f"{what} must be of library {library!r}, not {', '.join(others)}")
        path = options.output or OWN_MODELS / f"{what}-{library}.json"
        model = fit(table)
        save_terms(model, path)
        if options.json:
            content = {"file": str(path), **asdict(model)}
            print(json.dumps(content, indent=1, sort_keys=True))
        else:
            print("\n\n".join([*tables(model), f"wrote {path}"]))

    return run_command(run, failures=(ModelError, CharacterizeError))


def checks_table(checks: Mapping[str, UnseenError], what: str) -> str:
    """Return the errors on hardware that fits have not seen."""
    rows = [[name, e.arrays, 100 * e.mean, 100 * e.max] for name, e in checks.items()]
    return tabulate(rows, [f"{what} unseen", what, "mean error %", "max error %"], floatfmt=".1f")


def figures_table(figures: Mapping[str, FigureModel]) -> str:
    """Return the figures with their errors and their terms."""
    rows = []
    for name, figure in figures.items():
        terms = [f"{term} {value:.3g}" for term, value in figure.coefficients.items() if value]
        unseen = figure.held_out
        errors = (unseen.arrays, 100 * unseen.mean, 100 * unseen.max)
        rows.append([name, figure.training_rows, *errors, ", ".join(terms)])
    headers = ["figure", "fitted on", "unseen", "mean error %", "max error %", "terms"]
    return tabulate(rows, headers, floatfmt=".1f")
