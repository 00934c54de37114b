"""Sampling plans: which PE points are measured for one PE type.

Every plan holds the Eyeriss point (12/224/24 words) with every kind of scratchpad and the corners
of the size box; the rest is a Sobol sequence snapped to the sizes of the default space.  A plan
depends on its seed only, and the order of its points has no meaning.  A plan file is YAML: a list
of mappings with fields of `PEConfig` (without `pe_type`, which comes from the command).
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from hw.config import PEConfig
from hw.config_file import parse_config, read_yaml
from hw.errors import ConfigError, nearest
from hw.pe.registry import PE_TYPES

from .errors import PlanError

__all__ = [
    "BASELINE",
    "BASELINE_PSUM_BITS",
    "ECONOMICAL_DEPTH",
    "PLANS",
    "RIVALS",
    "SIZES",
    "can_decode_at_edge",
    "make_plan",
]

SIZES: dict[str, tuple[int, ...]] = {
    "ifmap_spad": (8, 12, 16, 24, 32),
    "filter_spad": (64, 128, 192, 224, 256, 384, 512),
    "psum_spad": (8, 16, 24, 32, 48, 64),
}
"""Scratchpad sizes of the default space [words]."""

PLANS = {"quick": (16, 10), "full": (40, 16)}
"""Points with flip-flop scratchpads and with macro scratchpads; the Eyeriss point comes on top with
latches and, where a PE type can do without its decoders, without them."""

_MACRO = {f"{name}_kind": "macro" for name in SIZES}
_LATCH = {f"{name}_kind": "latch" for name in SIZES}
_EYERISS = {"ifmap_spad": 12, "filter_spad": 224, "psum_spad": 24}
_FEWEST = 1 + 2 ** len(SIZES)
BASELINE = "int16"
BASELINE_PSUM_BITS = (None, 32, 16)
"""Psum widths the baseline is measured with (None is exact): its best is the best of all."""
RIVALS = ("int8", "int4")
ECONOMICAL_DEPTH = 2
"""Pipeline depth that baseline and rivals are measured at besides their own: what is deeper is
faster and takes more energy, and gains in both are stated against the best."""


def make_plan(name: str, pe_type: str, *, seed: int = 1, latches: bool = True) -> list[PEConfig]:
    """Return the PE points of the plan `quick`, `full`, or of a plan file.

    Without `latches` the points of a plan with latch scratchpads are left out, for libraries whose
    latches have no area; those of a plan file stay.

    Raises
    ------
    PlanError
        No such plan, or a plan file with an error (file, entry and field are named).
    ConfigError
        No such PE type.
    """
    if name not in PLANS:
        if not Path(name).is_file():
            raise PlanError(f"plan must be a plan file or {nearest(name, PLANS)}, not {name!r}")
        return _read_plan(name, pe_type)
    if pe_type not in PE_TYPES:
        raise ConfigError(f"pe_type must be {nearest(pe_type, PE_TYPES)}, not {pe_type!r}")
    flipflop, macro = PLANS[name]
    points = []
    widths = BASELINE_PSUM_BITS if pe_type == BASELINE else (None,)
    for depth, bits in itertools.product(_depths(pe_type), widths):
        same: dict[str, Any] = {"psum_bits": bits, "pipeline_depth": depth}
        count = flipflop if bits is None else max(flipflop // 2, _FEWEST)
        points += _points(pe_type, count, seed, **same)
        points += _points(pe_type, macro, seed, **same, **_MACRO)
        points += _points(pe_type, 1, seed, **same, **_LATCH) if latches else []
    if can_decode_at_edge(pe_type):
        for kinds in ({}, _MACRO):
            points += _points(pe_type, 1, seed, decoders="edge", **kinds)
    return points


def _depths(pe_type: str) -> tuple[int | None, ...]:
    """Return the pipeline depths of a plan; None is the PE type's own."""
    stated_against = pe_type in (BASELINE, *RIVALS)
    if stated_against and PE_TYPES[pe_type].pipeline_depth != ECONOMICAL_DEPTH:
        return (None, ECONOMICAL_DEPTH)
    return (None,)


def can_decode_at_edge(pe_type: str) -> bool:
    """Return whether a PE type can be had without its decoders."""
    kind = PE_TYPES[pe_type]
    return kind.weight_decoder is not None or kind.activation_decoder is not None


def _points(pe_type: str, count: int, seed: int, **fixed: Any) -> list[PEConfig]:
    corners: list[dict[str, Any]] = [
        dict(zip(SIZES, corner, strict=True))
        for corner in itertools.product(*((sizes[0], sizes[-1]) for sizes in SIZES.values()))
    ]
    chosen = [_EYERISS, *corners]
    sequence = qmc.Sobol(len(SIZES), scramble=True, seed=np.random.default_rng(seed))
    while len(chosen) < count:
        for unit in sequence.random(8):
            point: dict[str, Any] = {
                name: sizes[int(u * len(sizes))]
                for u, (name, sizes) in zip(unit, SIZES.items(), strict=True)
            }
            if point not in chosen and len(chosen) < count:
                chosen.append(point)
    return [PEConfig(pe_type=pe_type, **point, **fixed) for point in chosen[:count]]


def _read_plan(path: str, pe_type: str) -> list[PEConfig]:
    entries = read_yaml(path)
    if not isinstance(entries, list) or not entries:
        raise PlanError(f"{path}: a plan must be a list of mappings with fields of PEConfig")
    fields = {field.name for field in dataclasses.fields(PEConfig)} - {"pe_type"}
    points = []
    for number, entry in enumerate(entries, 1):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict) or not set(entry) <= fields:
            raise PlanError(f"{where}: must be a mapping with {', '.join(sorted(fields))}")
        try:
            points.append(parse_config({**entry, "pe_type": pe_type}, PEConfig, where))
        except ConfigError as error:
            raise PlanError(str(error)) from None
    return list(dict.fromkeys(points))
