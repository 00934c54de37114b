"""Adaptive sampling against random choices: held-out errors of fits on as many datapoints.

    python -m benchmarks.adaptive_sampling [--library nangate45] [--pe int16] [--seeds 6]

What was measured of a PE type is the pool, so that nothing is measured here.  Of its largest group
a few points are held out, a few are known, and the rest can be asked for, three at a time: those
that `models.adaptive_plan` is least certain about, or any.  Both begin with the same points, which
span the ranges of all features.  The table has the mean held-out error of each figure over the
seeds, and the mean of the largest of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from tabulate import tabulate

from characterize.datapoints import load
from models.adaptive_plan import least_certain
from models.group_fits import HEADLINE, GroupFits
from models.targets import FEATURES
from models.training import usable_datapoints

HELD_OUT, KNOWN, STEP = 8, 12, 3
GROUP = ["ifmap_spad_kind", "filter_spad_kind", "psum_spad_kind", "pipeline_depth"]
Choose = Callable[[GroupFits, pd.DataFrame], list[int]]


def divide(rows: pd.DataFrame, dice: np.random.Generator) -> tuple[list[int], list[int], list[int]]:
    """Return which rows are known at first, which can be asked for, which are held out."""
    order = dice.permutation(len(rows)).tolist()
    known: list[int] = []
    for name in FEATURES:
        values = rows[name].to_numpy()
        # A plan asks for psum words that have been measured: each must be there once.
        wanted = set(values) if name == "psum_width" else {values.min(), values.max()}
        for value in wanted - {values[index] for index in known}:
            known.append(next(index for index in order if values[index] == value))
    rest = [index for index in order if index not in known]
    held, rest = rest[:HELD_OUT], rest[HELD_OUT:]
    more = max(KNOWN - len(known), 0)
    return known + rest[:more], rest[more:], held


def adaptive(fits: GroupFits, pool: pd.DataFrame) -> list[int]:
    """Return the rows of the pool that an adaptive plan asks for."""
    wanted = pool["config_digest"].tolist()
    pe_type = str(pool["pe_type"].iloc[0])
    chosen = least_certain([fits], pe_type, STEP, lambda config: config.digest() in wanted)
    return [wanted.index(point.digest()) for point, _ in chosen]


def at_random(dice: np.random.Generator) -> Choose:
    """Return a choice of any rows of the pool."""
    return lambda _, pool: dice.choice(len(pool), STEP, replace=False).tolist()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Adaptive against random sampling.")
    parser.add_argument("--library", default="nangate45", help="default nangate45")
    parser.add_argument("--pe", default="int16", metavar="TYPE", help="default int16")
    parser.add_argument("--seeds", type=int, default=6, help="repetitions; default 6")
    args = parser.parse_args()
    frame = usable_datapoints(load(args.library))
    groups = [rows for _, rows in frame[frame["pe_type"] == args.pe].groupby(GROUP)]
    rows = max(groups, key=len).reset_index(drop=True)
    found: dict[tuple[int, str], list[list[float]]] = {}
    for seed in range(args.seeds):
        dice = np.random.default_rng(seed)
        first, others, held = divide(rows, dice)

        start = GroupFits(rows.iloc[first])
        for name, choose in (("adaptive", adaptive), ("random", at_random(dice))):
            fits, known, left = start, list(first), list(others)
            while True:
                error = held_out_error(fits, rows.iloc[held])
                found.setdefault((len(known), name), []).append(error)
                if len(left) < STEP:
                    break
                taken = [left[index] for index in choose(fits, rows.iloc[left])]
                if not taken:
                    break
                known, left = known + taken, [index for index in left if index not in taken]
                fits = GroupFits(rows.iloc[known])
    body = [
        [points, name, *(f"{100 * error:.2f}" for error in np.mean(errors, axis=0))]
        for (points, name), errors in sorted(found.items())
    ]
    kinds = "/".join(rows[GROUP[:3]].iloc[0])
    print(f"{args.pe}, {kinds}, depth {rows['pipeline_depth'].iloc[0]}, {args.library}: mean")
    print(f"held-out error [%] over {args.seeds} seeds")
    print(tabulate(body, ["points", "choice", *HEADLINE, "largest"], disable_numparse=True))


def held_out_error(fits: GroupFits, held: pd.DataFrame) -> list[float]:
    """Return the mean relative error of each figure on rows no fit has seen, and the largest."""
    made = fits.predict(held)
    errors = [float(np.mean(np.abs(made[name] / held[name] - 1))) for name in HEADLINE]
    return [*errors, max(errors)]


if __name__ == "__main__":
    main()
