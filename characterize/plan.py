"""Sampling plans: which PE points are measured for one PE type.

Every plan holds the corners of the size box and the Eyeriss point (12/224/24 words); the rest is a
Sobol sequence snapped to the sizes of the default space.  A plan depends on its seed only, and the
order of its points has no meaning.  A plan file is YAML: a list of mappings with fields of
`PEConfig` (without `pe_type`, which comes from the command).
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

from .errors import PlanError

__all__ = ["PLANS", "SIZES", "make_plan"]

SIZES: dict[str, tuple[int, ...]] = {
    "ifmap_spad": (8, 12, 16, 24, 32),
    "filter_spad": (64, 128, 192, 224, 256, 384, 512),
    "psum_spad": (8, 16, 24, 32, 48, 64),
}
"""Scratchpad sizes of the default space [words]."""

PLANS = {"quick": (16, 10), "full": (40, 16)}
"""Points with flip-flop scratchpads and with macro scratchpads."""

_MACRO = {f"{name}_kind": "macro" for name in SIZES}
_EYERISS = {"ifmap_spad": 12, "filter_spad": 224, "psum_spad": 24}
_INT16_SATURATING = (32, 16)
"""The baseline type is measured with these psum widths too: the best INT16 is the best of all."""


def make_plan(name: str, pe_type: str, *, seed: int = 1) -> list[PEConfig]:
    """Return the PE points of the plan `quick`, `full`, or of a plan file.

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
    flipflop, macro = PLANS[name]
    points = _points(pe_type, flipflop, seed) + _points(pe_type, macro, seed, **_MACRO)
    if pe_type == "int16":
        for bits in _INT16_SATURATING:
            points += _points(pe_type, flipflop // 2, seed, psum_bits=bits)
            points += _points(pe_type, macro, seed, psum_bits=bits, **_MACRO)
    return points


def _points(pe_type: str, count: int, seed: int, **fixed: Any) -> list[PEConfig]:
    corners: list[dict[str, Any]] = [
        dict(zip(SIZES, corner, strict=True))
        for corner in itertools.product(*((sizes[0], sizes[-1]) for sizes in SIZES.values()))
    ]
    chosen = [*corners, _EYERISS]
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
