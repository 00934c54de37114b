"""`python -m models.sample`: write the plan of the points to measure next, until fits are good.

The plan is a file that `python -m characterize --plan FILE` measures.  Where the estimated error
is within the target none is written, and one of before is removed: a loop of measuring and choosing
ends when there is no plan (`make adapt`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from tabulate import tabulate

from characterize.errors import CharacterizeError
from hw.atomic_file import write_atomically
from hw.command import run_command
from hw.config import PEConfig
from hw.errors import ConfigError

from .adaptive_plan import AdaptivePlan, adaptive_plan
from .errors import ModelError
from .fit import read_datapoints
from .group_fits import HEADLINE
from .model_file import check_library_name

__all__ = ["main", "plan_text"]

OWN_PLANS = Path("build/plans")
_COUNT = 8


def plan_text(plan: AdaptivePlan) -> str:
    """Return a plan as YAML, a mapping for each point: its sizes and what is not the default."""
    defaults = {field.name: field.default for field in dataclasses.fields(PEConfig)}
    entries = [
        {
            name: value
            for name, value in dataclasses.asdict(point).items()
            if name != "pe_type" and (value != defaults[name] or name.endswith("_spad"))
        }
        for point in plan.points
    ]
    listed = yaml.safe_dump(entries, default_flow_style=None, sort_keys=False, width=100)
    return f"# PE type {plan.pe_type}, estimated error {100 * plan.error:.2f} %\n{listed}"


def _fraction(text: str) -> float:
    """Return a fraction from `3%` or `0.03`."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)(%?)", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < value < 1:
        raise ConfigError(f"--target must be a percentage like 3% or 0.03, not {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ConfigError(f"--points must be an integer from 1 to 1000, not {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.sample",
        description="Write a plan file with the PE points of the default space that the fits of "
        "one PE type are least certain about, or none where the estimated error (the largest "
        f"cross-validated one of {', '.join(HEADLINE)}) is within the target.",
    )
    parser.add_argument("--library", required=True, metavar="L", help="name of the cell library")
    parser.add_argument("--pe", required=True, metavar="TYPE", help="PE type")
    parser.add_argument("--target", metavar="ERROR", help="error to reach, like 3%% or 0.03")
    parser.add_argument(
        "--points", default=str(_COUNT), metavar="N", help=f"points of the plan, default {_COUNT}"
    )
    parser.add_argument(
        "--data", nargs="+", type=Path, metavar="FILE",
        help="datapoint files (CSV) instead of the library's own",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help=f"plan file, default {OWN_PLANS}/<library>-<type>.yaml",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _command(options), failures=(ModelError, CharacterizeError))


def _command(options: argparse.Namespace) -> None:
    target = None if options.target is None else _fraction(options.target)
    count = _count(options.points)
    library = check_library_name(options.library)
    frame = read_datapoints(library, options.data or [])
    plan = adaptive_plan(frame, options.pe, count=count, target=target)
    path: Path = options.output or OWN_PLANS / f"{library}-{plan.pe_type}.yaml"
    if plan.points:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, plan_text(plan))
    else:
        path.unlink(missing_ok=True)
    print(_as_json(plan, path) if options.json else _as_text(plan))
    said = (
        f"{len(plan.points)} points in {path}"
        if plan.points
        else "no plan written: the target is reached"
        if target is not None and plan.error <= target
        else "no plan written: every point of the default space is measured"
    )
    print(f"{said}; estimated error {100 * plan.error:.2f} %", file=sys.stderr)


def _as_text(plan: AdaptivePlan) -> str:
    groups = dict.fromkeys(group for group, _ in plan.errors)
    body = [
        [group, *(f"{100 * plan.errors[group, figure]:.2f}" for figure in HEADLINE)]
        for group in groups
    ]
    errors = tabulate(body, ["estimated error %", *HEADLINE], disable_numparse=True)
    points = [
        [
            f"{p.ifmap_spad}/{p.filter_spad}/{p.psum_spad}",
            p.filter_spad_kind,
            p.depth,
            p.psum_width,
            f"{100 * uncertain:.2f}",
        ]
        for p, uncertain in zip(plan.points, plan.uncertainties, strict=True)
    ]
    heads = ["next", "spads", "depth", "psum bits", "uncertain by %"]
    return f"{errors}\n\n{tabulate(points, heads, disable_numparse=True)}" if points else errors


def _as_json(plan: AdaptivePlan, path: Path) -> str:
    content = {
        "pe_type": plan.pe_type,
        "measured": plan.measured,
        "error": plan.error,
        "errors": [
            {"group": group, "figure": figure, "error": error}
            for (group, figure), error in plan.errors.items()
        ],
        "file": str(path) if plan.points else None,
        "points": [dataclasses.asdict(point) for point in plan.points],
    }
    return json.dumps(content, indent=1)


if __name__ == "__main__":
    sys.exit(main())
