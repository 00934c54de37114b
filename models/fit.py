"""`python -m models.fit`: fit the PPA models of one library and write its model file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from characterize.datapoints import load, read_csv
from characterize.errors import CharacterizeError
from hw.command import run_command

from .errors import ModelError
from .model_file import OWN_MODELS, ModelFile, check_library_name, save_model_file
from .training import fit_library

__all__ = ["main", "read_datapoints"]


def read_datapoints(library: str, paths: Sequence[Path]) -> pd.DataFrame:
    """Return the datapoints in files, or all of the library's own where no file is named.

    Of rows with the same key the one in the last file counts.
    """
    if not paths:
        return load(library)
    frame = pd.concat([read_csv(path) for path in paths], ignore_index=True)
    others = sorted(set(map(str, frame["library"].unique())) - {library})
    if others:
        raise ModelError(f"datapoints must be of library {library!r}, not {', '.join(others)}")
    return frame


def _integer(low: int, high: int) -> Callable[[str], int]:
    """Return an argument type that takes integers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"must be an integer from {low} to {high}, not {text!r}"
            )
        return int(text)

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.fit",
        description=(
            "Fit polynomials for area, leakage, energies and critical path of every PE type on "
            "the datapoints of one cell library.  The degree is chosen by cross-validation; the "
            "error on points that no fit has seen is printed and stored in the model file.  "
            "Without -o the file goes to build/models, which predictions search before the "
            "shipped models/fitted."
        ),
    )
    parser.add_argument("--library", required=True, help="name of the cell library, e.g. nangate45")
    parser.add_argument(
        "--data", nargs="+", type=Path, metavar="FILE",
        help="datapoint files (CSV) instead of the library's own",
    )  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="model file to write")
    parser.add_argument(
        "--seed",
        type=_integer(0, 1 << 31),
        default=0,
        help="decides held-out points and folds (default 0)",
    )
    parser.add_argument(
        "--held-out", type=_integer(2, 10_000), metavar="N",
        help="held-out points per PE type (default: a quarter, at least 8)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _tables(model: ModelFile, path: Path) -> str:
    rows = [
        [
            group.pe_type, "/".join(group.kinds), group.pipeline_depth, name,
            group.training_points, target.variables, target.degree, _percent(target.cv_mape),
            _percent(target.held_out.mape), _percent(target.held_out.max),
            _percent(target.interval_95),
        ]
        for group in model.groups
        for name, target in group.targets.items()
    ]  # fmt: skip
    header = ["PE type", "spads", "depth", "target", "points", "variables", "degree",
              "CV %", "held-out %", "max %", "95 % +/-"]  # fmt: skip
    held = [
        [pe_type, name, error.points, *map(_percent, (error.mape, error.max, error.coverage))]
        for pe_type, errors in model.held_out.items()
        for name, error in errors.items()
    ]
    names = ["PE type", "target", "held out", "mean error %", "max error %", "in interval %"]
    parts = [
        tabulate(rows, headers=header),
        "Held-out error per PE type over all its groups (points no fit has seen)",
        tabulate(held, headers=names),
        *(f"left out: {text}" for text in model.left_out),
        f"{model.library}: {model.datapoints} datapoints, measured in "
        f"{model.measuring_seconds:.0f} s by method {model.method}; seed {model.seed}",
        f"wrote {path}",
    ]
    return "\n\n".join(parts)


def _summary(model: ModelFile, path: Path) -> str:
    content = asdict(model)
    for group in content["groups"]:
        for target in group["targets"].values():
            for name in ("terms", "coefficients", "intercept", "floor"):
                del target[name]
    return json.dumps({"file": str(path), **content}, indent=1, sort_keys=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)

    def run() -> None:
        library = check_library_name(options.library)
        frame = read_datapoints(library, options.data or [])
        path = options.output or OWN_MODELS / f"{library}.json"
        model = fit_library(
            frame,
            seed=options.seed,
            held_out=options.held_out,
            progress=lambda text: print(text, file=sys.stderr),
        )
        save_model_file(model, path)
        print(_summary(model, path) if options.json else _tables(model, path))

    return run_command(run, failures=(ModelError, CharacterizeError))


if __name__ == "__main__":
    sys.exit(main())
