"""`python -m models.fit_shells`: fit the shells of one library, print the errors.

Coefficients are non-negative least squares of relative errors: on all shells in parts, the longest
path on all flat ones.  Errors are those of separate fits: each shell from all others, larger shells
from smaller ones, one PE type from the others.  The areas of flat shells are in no fit; the last
check compares them with what the fit says.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from characterize.shell_schema import load_shells, read_shells, shell_config

from .errors import ModelError
from .fit_command import checks_table, figures_table, fit_parser, run_fit
from .shell_overhead import SCHEMA_VERSION, ShellFile
from .shell_terms import RANGES, SHELL_PARTS, SHELL_TERMS, shell_counts
from .term_fit import Bools, each_from_the_others, fit_terms, shared_library, unseen_error
from .term_model import FigureModel, Floats, UnseenError, predicted

__all__ = ["fit_shells", "main"]

MIN_ROWS, MIN_FLAT = 6, 3
SMALL_COLS = 4
"""Columns up to which a shell is small."""
_AREA = tuple(f"area_{part}_um2" for part in SHELL_PARTS)


def fit_shells(table: pd.DataFrame) -> ShellFile:
    """Fit the measured shells of one library.

    Parameters
    ----------
    table
        Rows of `characterize.shell_schema`.

    Raises
    ------
    ModelError
        Libraries are mixed, or there are too few rows.
    """
    done = table[table["status"] == "ok"].sort_values("key", ignore_index=True)
    shared_library(done, "shells")
    used = done[done["form"] == "parts"].reset_index(drop=True)
    if len(used) < MIN_ROWS:
        raise ModelError(
            f"a fit of shells needs at least {MIN_ROWS} shells in parts, not {len(used)}; measure "
            "more with `python -m characterize.shell_cost`"
        )
    flat = done[done["form"] == "flat"].reset_index(drop=True)
    if len(flat) < MIN_FLAT:
        raise ModelError(f"a fit of their clock needs at least {MIN_FLAT} flat shells")
    counts, of_flat = _counts(used), _counts(flat)
    figures = {}
    for name, terms in SHELL_TERMS.items():
        rows, counted = (flat, of_flat) if name == "critical_path_ns" else (used, counts)
        actual, there = _actual(rows, name)
        figures[name] = FigureModel(
            coefficients=fit_terms(terms, counted, actual, there),
            training_rows=int(there.sum()),
            held_out=unseen_error(
                actual, each_from_the_others(terms, counted, actual, there), there
            ),
        )
    text = done.to_csv(index=False, float_format="%.12g", lineterminator="\n")
    first = used.iloc[0]
    return ShellFile(
        schema_version=SCHEMA_VERSION,
        library=str(first["library"]),
        library_digest=str(first["library_digest"]),
        method=str(first["method"]),
        datapoints_digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        datapoints=len(used),
        measuring_seconds=float(done["seconds"].sum()),
        pe_types=tuple(sorted(used["pe_type"].unique())),
        low={name: float(counts[name].min()) for name in RANGES},
        high={name: float(counts[name].max()) for name in RANGES},
        checks=_checks(used, counts) | _flat(flat, of_flat, figures),
        figures=figures,
    )


def _counts(table: pd.DataFrame) -> dict[str, Floats]:
    each = []
    for row in table.to_dict("records"):
        config = shell_config({str(name): value for name, value in row.items()})
        each.append(
            shell_counts(
                config.design.pe,
                rows=config.design.rows,
                cols=config.design.cols,
                row_bits=config.row_bits,
                off_chip_bits=config.off_chip_bits,
                banks=config.banks,
                psum_queue=config.queue_psums,
                memory_latency=config.memory_latency,
                filter_lanes=config.array.filter_lanes,
                ifmap_lanes=config.array.ifmap_lanes,
            )
        )
    return {name: np.array([float(counts[name]) for counts in each]) for name in each[0]}


def _actual(table: pd.DataFrame, name: str) -> tuple[Floats, Bools]:
    """Return the measured figure and where there is one."""
    actual = table[name].to_numpy(dtype=np.float64)
    return actual, np.isfinite(actual) & (actual > 0)


def _area(table: pd.DataFrame, counts: dict[str, Floats], train: Bools) -> Floats:
    """Return the area that fits of some rows, part by part, predict of all."""
    total = np.zeros(len(table))
    for name in _AREA:
        actual, there = _actual(table, name)
        terms = SHELL_TERMS[name]
        total += predicted(terms, counts, fit_terms(terms, counts, actual, there & train))
    return total


def _checks(table: pd.DataFrame, counts: dict[str, Floats]) -> dict[str, UnseenError]:
    actual, everywhere = table["area_um2"].to_numpy(np.float64), np.ones(len(table), dtype=bool)
    alone = np.zeros(len(table))
    for row in range(len(table)):
        train = everywhere.copy()
        train[row] = False
        alone[row] = _area(table, counts, train)[row]
    checks = {"each from the others": unseen_error(actual, alone, everywhere)}
    small = counts["cols"] <= SMALL_COLS
    checks[f"more than {SMALL_COLS} columns from fewer"] = unseen_error(
        actual, _area(table, counts, small), ~small
    )
    for pe_type in sorted(table["pe_type"].unique()):
        own = (table["pe_type"] == pe_type).to_numpy()
        # What makes activations of one kind of psums says nothing about another kind.
        kinds = [counts[kind] > 0 for kind in ("integer", "float")]
        if all(not kind[own].any() or kind[~own].any() for kind in kinds):
            checks[f"{pe_type} from the other types"] = unseen_error(
                actual, _area(table, counts, ~own), own
            )
    return checks


def _flat(
    flat: pd.DataFrame, counts: dict[str, Floats], figures: dict[str, FigureModel]
) -> dict[str, UnseenError]:
    made = sum(predicted(SHELL_TERMS[n], counts, figures[n].coefficients) for n in _AREA)
    everywhere = np.ones(len(flat), dtype=bool)
    return {"as one module": unseen_error(flat["area_um2"].to_numpy(float), made, everywhere)}


def _tables(model: ShellFile) -> list[str]:
    return [
        "Area of shells the fit has not seen",
        checks_table(model.checks, "shells"),
        "Figures; errors are those of each shell from the others",
        figures_table(model.figures),
        f"{model.library}: {model.datapoints} shells in parts, of {', '.join(model.pe_types)}; "
        f"measured in {model.measuring_seconds:.0f} s",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = fit_parser(
        "fit_shells",
        "Fit what the shell around an array costs (area, leakage, longest path, energies of rows, "
        "words and psums) on the measured shells of one cell library, and print the errors on "
        "shells that no fit has seen.",
    )
    options = parser.parse_args(arguments)
    return run_fit(
        options, "shells", load=load_shells, read=read_shells, fit=fit_shells, tables=_tables
    )


if __name__ == "__main__":
    sys.exit(main())
