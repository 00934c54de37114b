"""`python -m models.fit_arrays`: fit the overhead of arrays of one library, print its errors.

Coefficients are non-negative least squares of relative errors, on all arrays but a quarter, whose
errors are those printed and stored.  Two harder questions are asked of separate fits: what arrays
of up to 16 PEs say about all larger ones, and what the other PE types say about one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from characterize.array_schema import load_arrays, read_arrays, row_config

from .array_overhead import GROUP, SCHEMA_VERSION, ArrayFile
from .array_terms import AREA_PARTS, RANGES, TERMS, array_counts
from .errors import ModelError
from .fit_command import checks_table, figures_table, fit_parser, run_fit
from .term_fit import Bools, fit_terms, shared_library, unseen_error
from .term_model import FigureModel, Floats, UnseenError, predicted

__all__ = ["fit_arrays", "main"]

SMALL_ARRAY = 16
"""PEs up to which an array is small."""
HELD_OUT_SHARE = 0.25
MIN_ROWS = 12
_AREA = tuple(f"area_{part}_um2" for part in AREA_PARTS)
_LONGER = 1.02
"""How much longer than the PE's an array's critical path must be to be the overhead's."""


def fit_arrays(table: pd.DataFrame, *, seed: int = 0) -> ArrayFile:
    """Fit the overhead on the measured arrays of one library.

    Parameters
    ----------
    table
        Rows of `characterize.array_schema`; those of flat arrays are left out.
    seed
        Decides which arrays are held out.

    Raises
    ------
    ModelError
        Libraries are mixed, or there are too few rows.
    """
    used = table[(table["status"] == "ok") & (table["form"] == "parts")]
    used = used.sort_values("key", ignore_index=True)
    shared_library(used, "arrays")
    if len(used) < MIN_ROWS:
        raise ModelError(
            f"a fit of array overheads needs at least {MIN_ROWS} arrays in parts, not {len(used)}; "
            "measure more with `python -m characterize.array_overhead`"
        )
    counts = _counts(used)
    held = np.zeros(len(used), dtype=bool)
    drawn = np.random.default_rng(seed).permutation(len(used))
    held[drawn[: int(np.ceil(HELD_OUT_SHARE * len(used)))]] = True
    figures = {}
    for name in TERMS:
        actual, there = _actual(used, name)
        coefficients = fit_terms(TERMS[name], counts, actual, there & ~held)
        made = predicted(TERMS[name], counts, coefficients)
        figures[name] = FigureModel(
            coefficients=coefficients,
            training_rows=int((there & ~held).sum()),
            held_out=unseen_error(actual, made, there & held),
        )
    text = used.to_csv(index=False, float_format="%.12g", lineterminator="\n")
    first = used.iloc[0]
    return ArrayFile(
        schema_version=SCHEMA_VERSION,
        library=str(first["library"]),
        library_digest=str(first["library_digest"]),
        method=str(first["method"]),
        datapoints_digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        seed=seed,
        datapoints=len(used),
        measuring_seconds=float(used["seconds"].sum()),
        pe_types=tuple(sorted(used["pe_type"].unique())),
        low={name: float(counts[name].min()) for name in RANGES},
        high={name: float(counts[name].max()) for name in RANGES},
        checks=_checks(used, counts, held),
        groups={GROUP: figures},
    )


def _counts(table: pd.DataFrame) -> dict[str, Floats]:
    rows = [row_config({str(k): v for k, v in row.items()}) for row in table.to_dict("records")]
    each = [
        array_counts(row.pe, row.rows, row.cols, row.filter_lanes, row.ifmap_lanes) for row in rows
    ]
    return {name: np.array([float(counts[name]) for counts in each]) for name in each[0]}


def _actual(table: pd.DataFrame, name: str) -> tuple[Floats, Bools]:
    """Return the measured figure and where there is one."""
    if name != "overhead_path_ns":
        actual = table[name].to_numpy(dtype=np.float64)
        return actual, np.isfinite(actual) & (actual > 0)
    path = table["critical_path_ns"].to_numpy(dtype=np.float64)
    return path, path > _LONGER * table["pe_critical_path_ns"].to_numpy(dtype=np.float64)


def _area_error(
    table: pd.DataFrame, counts: dict[str, Floats], train: Bools, test: Bools
) -> UnseenError:
    """Return the error of the overhead area, its parts fitted one by one."""
    made = sum(
        predicted(TERMS[name], counts, fit_terms(TERMS[name], counts, *_both(table, name, train)))
        for name in _AREA
    )
    return unseen_error(table["overhead_um2"].to_numpy(np.float64), np.asarray(made), test)


def _both(table: pd.DataFrame, name: str, train: Bools) -> tuple[Floats, Bools]:
    actual, there = _actual(table, name)
    return actual, there & train


def _checks(table: pd.DataFrame, counts: dict[str, Floats], held: Bools) -> dict[str, UnseenError]:
    small = counts["nodes"] <= SMALL_ARRAY
    checks = {
        "held out": _area_error(table, counts, ~held, held),
        "larger than all fitted": _area_error(table, counts, small, ~small),
    }
    for pe_type in sorted(table["pe_type"].unique()):
        own = (table["pe_type"] == pe_type).to_numpy()
        kind = bool(counts["float"][own].any())
        # A floating-point link says nothing about integer links, nor they about it.
        if ((counts["float"] > 0) == kind)[~own].any():
            checks[f"{pe_type} from the other types"] = _area_error(table, counts, ~own, own)
    return checks


def _tables(model: ArrayFile) -> list[str]:
    return [
        "Area of the overhead, of arrays the fit has not seen",
        checks_table(model.checks, "arrays"),
        figures_table(model.groups[GROUP]),
        f"{model.library}: {model.datapoints} arrays of {', '.join(model.pe_types)}, measured in "
        f"{model.measuring_seconds:.0f} s; seed {model.seed}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = fit_parser(
        "fit_arrays",
        "Fit the overhead of row-stationary arrays (area, leakage, energies of words and psums) on "
        "the measured arrays of one cell library, and print the errors on arrays that no fit has "
        "seen.",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides what is held out (default 0)")
    options = parser.parse_args(arguments)
    fit = partial(fit_arrays, seed=options.seed)
    return run_fit(options, "arrays", load=load_arrays, read=read_arrays, fit=fit, tables=_tables)


if __name__ == "__main__":
    sys.exit(main())
