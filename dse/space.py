"""The default design space: about a million design points per PE type, and samples of it.

A point is a choice on eight axes; PE type, psum width and scratchpad kind come on top (see
`dse.variants`), so that every variant is explored on the same points.  A sample takes the DRAM
rates of a point together: the rate costs neither area nor energy, so that a faster one is never
worse, and mappings are searched once for all rates unless the DRAM link is what takes the time.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from .errors import DesignError

__all__ = ["AXES", "EYERISS_POINT", "MIN_SAMPLE", "Space", "exhaustive_space", "sample_space"]

AXES: dict[str, tuple[float, ...]] = {
    "rows": (4, 8, 12, 16, 24, 32),
    "cols": (4, 8, 12, 14, 16, 24, 32),
    "ifmap_spad": (8, 12, 16, 24, 32),
    "filter_spad": (64, 128, 192, 224, 256, 384, 512),
    "psum_spad": (8, 16, 24, 32, 48, 64),
    "glb_kib": (32, 64, 108, 128, 256, 512, 1024),
    "glb_bytes_per_cycle": (8, 16, 32, 64),
    "dram_gb_per_s": (3.2, 6.4, 12.8, 25.6),
}
"""Values of each axis: PEs, words, words, words, KiB, byte/cycle, 10^9 byte/s."""

EYERISS_POINT = (12, 14, 12, 224, 24, 108, 16, 12.8)
"""The point nearest to the Eyeriss chip (its 100 KiB hold ifmap and psums, 8 KiB filters)."""

MIN_SAMPLE = 300
"""Smallest sample: the 256 corners, the Eyeriss point and some between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Design points as columns, float64 arrays of shape (points,) by axis name."""

    columns: dict[str, NDArray[np.float64]]
    how: str
    """How the points were chosen, for reports."""

    def __len__(self) -> int:
        return len(self.columns["rows"])


def exhaustive_space() -> Space:
    """Return every point of the default space."""
    grids = np.meshgrid(*AXES.values(), indexing="ij")
    columns = {name: grid.ravel() for name, grid in zip(AXES, grids, strict=True)}
    return Space(
        columns=columns,
        how=f"all {len(columns['rows']):,} points of the default space for each kind of scratchpad",
    )


def sample_space(count: int = 20_000, *, seed: int = 1) -> Space:
    """Return a seeded low-discrepancy sample with the corners and the Eyeriss point.

    Parameters
    ----------
    count
        Distinct points, from `MIN_SAMPLE` to the size of the space.
    seed
        Seed of the scrambled Sobol sequence, which runs over all axes but the DRAM rate.

    Raises
    ------
    DesignError
        Where `count` is out of range.
    """
    sizes = np.array([len(values) for values in AXES.values()])
    total = math.prod(sizes.tolist())
    if not MIN_SAMPLE <= count <= total:
        raise DesignError(f"samples must be from {MIN_SAMPLE} to {total}, not {count!r}")
    if count > total // 2:
        # A sequence would meet the same points too often: drop points of the whole space instead.
        kept = np.sort(np.random.default_rng(seed).permutation(total)[:count])
        index = np.stack(np.unravel_index(kept, sizes), axis=1)
    else:
        index = _sobol_points(sizes, count, seed)
    columns = {
        name: np.array(values)[index[:, axis]] for axis, (name, values) in enumerate(AXES.items())
    }
    how = (
        f"{count:,} of the {total:,} points of the default space for each kind of scratchpad: a "
        f"Sobol sequence (seed {seed}) with every DRAM rate, all corners and the Eyeriss point"
    )
    return Space(columns={k: v.astype(np.float64) for k, v in columns.items()}, how=how)


def _sobol_points(sizes: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    corners = np.array(list(itertools.product(*((0, size - 1) for size in sizes))))
    eyeriss = [values.index(v) for v, values in zip(EYERISS_POINT, AXES.values(), strict=True)]
    chosen = np.vstack([corners, eyeriss])
    *others, rates = sizes.tolist()
    sequence = qmc.Sobol(len(others), scramble=True, seed=np.random.default_rng(seed))
    power = math.ceil(math.log2(count / rates))
    while True:
        fresh = np.repeat((sequence.random_base2(power) * others).astype(np.int64), rates, axis=0)
        rate = np.tile(np.arange(rates), len(fresh) // rates)
        chosen = np.vstack([chosen, np.column_stack([fresh, rate])])
        _, first = np.unique(np.ravel_multi_index(chosen.T, sizes), return_index=True)
        chosen = chosen[np.sort(first)]
        if len(chosen) >= count:
            return chosen[:count]
