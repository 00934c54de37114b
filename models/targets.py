"""What is predicted and from what: features, targets, and the variables each target may use.

Parts are fitted and totals are their sums, so that a split always adds up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DELAY_TARGETS", "FEATURES", "FITTED_TARGETS", "MACRO_TARGET", "PARTS", "SIZES", "TARGETS",
    "TOTALS", "VARIABLES", "feature_sets", "variable",
]  # fmt: skip

SIZES = ("ifmap_spad", "filter_spad", "psum_spad")
FEATURES = (*SIZES, "psum_width", "saturating")
"""Features of a PE point: sizes [words], psum width [bits], saturating (0 or 1)."""
PSUM_BITS = "psum_bits"
VARIABLES = (*FEATURES, *(f"log2_{size}" for size in SIZES), PSUM_BITS)
"""What polynomials are made of: features, logarithms of sizes, and psum words times width."""
PARTS = ("datapath", "ifmap_spad", "filter_spad", "psum_spad", "control")
TOTALS: dict[str, tuple[str, ...]] = {
    "area_um2": tuple(f"area_{part}_um2" for part in PARTS),
    "product_pj": tuple(f"product_{part}_pj" for part in PARTS),
}
"""Totals that are predicted as the sum of their parts."""
MACRO_TARGET = "macro_path_ns"
"""Present only in groups with a `macro` scratchpad."""
DELAY_TARGETS = ("critical_path_ns", MACRO_TARGET)
FITTED_TARGETS = (
    *TOTALS["area_um2"], "leakage_uw", *DELAY_TARGETS, *TOTALS["product_pj"],
    "filter_load_pj", "ifmap_load_pj", "psum_pass_pj", "tap_pj", "psum_out_pj", "idle_pj",
)  # fmt: skip
TARGETS = ("area_um2", "product_pj", *FITTED_TARGETS)

_LOGS = tuple(f"log2_{size}" for size in SIZES)
_OWN: dict[str, tuple[str, ...]] = {
    "datapath": ("psum_width", "saturating"),
    "ifmap_spad": ("ifmap_spad",),
    "filter_spad": ("filter_spad",),
    "psum_spad": ("psum_spad", "psum_width"),
    "control": FEATURES,
}


def variable(name: str, features: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return one of `VARIABLES` computed from the features, shape (n,)."""
    if name == PSUM_BITS:
        return features["psum_spad"] * features["psum_width"]
    if name.startswith("log2_"):
        return np.asarray(np.log2(features[name.removeprefix("log2_")]))
    return features[name]


def feature_sets(target: str) -> dict[str, tuple[tuple[str, ...], int]]:
    """Return the candidate variable sets of a target, each with the highest degree to try.

    Delays may use logarithms of the sizes and degree 2 at most (trees of multiplexers and
    decoders grow with the logarithm of the words); all else degree 3 at most.  Stored psum bits
    are a variable of their own, so that few points need no second degree for them.
    """
    if target in DELAY_TARGETS:
        return {"all": (FEATURES, 2), "log": ((*_LOGS, "psum_width", "saturating"), 2)}
    sets: dict[str, tuple[tuple[str, ...], int]] = {"all": (FEATURES, 3)}
    part = next((name for name in PARTS if f"_{name}_" in target), None)
    if part is not None and part != "control":
        own = _OWN[part]
        logs = tuple(f"log2_{name}" for name in own if name in SIZES)
        sets["own"] = (own, 3)
        if logs:
            sets["own+log"] = ((*own, *logs), 2)
    else:
        sets["bits"] = (("ifmap_spad", "filter_spad", PSUM_BITS, "psum_width", "saturating"), 2)
        sets["log"] = ((*_LOGS, "psum_width", "saturating"), 2)
    return sets
