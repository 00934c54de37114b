"""Synthetic datapoints: known laws plus seeded noise, in the columns of a real campaign."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.model_file import ModelFile
from models.training import fit_library

FLIPFLOP = ("flipflop", "flipflop", "flipflop")
MACRO = ("macro", "macro", "macro")
BITS = {"int16": (16, 16), "lightpe1": (8, 4)}


def synthetic(
    pe_type: str = "int16",
    kinds: tuple[str, str, str] = FLIPFLOP,
    points: int = 32,
    noise: float = 0.01,
    seed: int = 0,
) -> pd.DataFrame:
    """Return datapoints whose first rows are the corners of the space."""
    rng = np.random.default_rng(seed)
    ifmap = rng.choice([8, 12, 16, 24, 32], points)
    filters = rng.choice([64, 128, 192, 224, 256, 384, 512], points)
    psum = rng.choice([8, 16, 24, 32, 48, 64], points)
    width = rng.choice([16, 32, 45], points)
    ifmap[:4], filters[:4], psum[:4] = [8, 32, 8, 32], [64, 512, 512, 64], [8, 64, 64, 8]
    width[:4] = [45, 16, 45, 16]
    activation, weight = BITS[pe_type]
    multiplier = activation * weight

    def noisy(law: np.ndarray) -> np.ndarray:
        return law * (1 + noise * rng.standard_normal(points))

    frame = pd.DataFrame(
        {
            "schema_version": 1,
            "config_digest": "0",
            "generator_digest": "0",
            "flow_digest": "0",
            "tools": "none",
            "netlist_digest": "0",
            "cells": 1000,
            "status": "ok",
            "library": "toy",
            "library_digest": "0123456789abcdef",
            "method": "simulated",
            "pe_type": pe_type,
            "ifmap_spad": ifmap,
            "filter_spad": filters,
            "psum_spad": psum,
            "psum_width": width,
            "saturating": (width < 45).astype(int),
            "psum_depth": 4608,
            "pipeline_depth": 2,
            "decoders": "pe",
            "seconds": 20.0,
            "synthesis_seconds": 12.0,
        }
    )
    stored = {
        "ifmap_spad": (kinds[0], ifmap * activation),
        "filter_spad": (kinds[1], filters * weight),
        "psum_spad": (kinds[2], psum * width),
    }
    frame["area_datapath_um2"] = noisy(3.0 * multiplier + 9.0 * width)
    frame["area_control_um2"] = noisy(200 + 30 * np.log2(ifmap * filters * psum))
    frame["product_datapath_pj"] = noisy(0.003 * multiplier + 0.01 * width)
    frame["product_control_pj"] = noisy(0.1 + 0.01 * np.log2(filters))
    for name, (kind, bits) in stored.items():
        frame[f"{name}_kind"] = kind
        made = 0.0 if kind == "macro" else 1.0
        frame[f"area_{name}_um2"] = made * noisy(6.5 * bits + 40.0)
        frame[f"product_{name}_pj"] = made * noisy(0.05 + 0.0003 * bits)
    parts = ("datapath", "ifmap_spad", "filter_spad", "psum_spad", "control")
    frame["area_um2"] = sum(frame[f"area_{part}_um2"] for part in parts)
    frame["product_pj"] = sum(frame[f"product_{part}_pj"] for part in parts)
    frame["leakage_uw"] = noisy(0.02 * frame["area_um2"].to_numpy())
    frame["critical_path_ns"] = noisy(1.0 + 0.05 * np.log2(filters) + 0.01 * width)
    frame["macro_path_ns"] = noisy(np.full(points, 0.4)) if "macro" in kinds else np.nan
    frame["filter_load_pj"] = noisy(0.1 + 0.0001 * filters)
    frame["ifmap_load_pj"] = noisy(0.1 + 0.001 * ifmap)
    frame["psum_pass_pj"] = noisy(0.1 + 0.002 * width)
    frame["tap_pj"] = noisy(0.2 + 0.001 * ifmap)
    frame["psum_out_pj"] = noisy(-0.1 - 0.002 * width)
    frame["idle_pj"] = noisy(0.3 + 0.0002 * filters)
    tag = f"{pe_type}-{'-'.join(kinds)}-{seed}"
    frame["config_digest"] = [f"{tag}-{index}" for index in range(points)]
    frame["key"] = [f"{tag}-{index:03d}" for index in range(points)]
    return frame


@pytest.fixture(scope="session")
def datapoints() -> pd.DataFrame:
    return pd.concat(
        [
            synthetic("int16", FLIPFLOP, seed=1),
            synthetic("int16", MACRO, seed=2),
            synthetic("lightpe1", FLIPFLOP, seed=3),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="session")
def fitted(datapoints: pd.DataFrame) -> ModelFile:
    return fit_library(datapoints, seed=3)


@pytest.fixture(scope="session")
def make_datapoints() -> Callable[..., pd.DataFrame]:
    return synthetic
