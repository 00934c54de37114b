"""What the shell around an array costs, fitted and vectorised.

    shells = ShellModel.load("nangate45")
    made = shells.figures(PEConfig(pe_type="int16"), rows=12, cols=np.array([8, 14]),
                          row_bits=128, off_chip_bits=64, banks=25, psum_queue=24,
                          memory_latency=1, filter_lanes=4, ifmap_lanes=4)
    made.area_um2, made.psum_enter_pj, made.critical_path_ns

The file is JSON text: for each figure a coefficient of each of its terms (`shell_terms`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw.accelerator_config import requantizes
from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

from .errors import ModelError
from .shell_terms import RANGES, SHELL_PARTS, SHELL_TERMS, shell_counts
from .term_model import STRICT, FigureModel, Floats, UnseenError, find_terms, load_terms, predicted

__all__ = ["SCHEMA_VERSION", "ShellFigures", "ShellFile", "ShellModel", "load_shell_file"]

SCHEMA_VERSION = 1
_ENERGIES = tuple(name for name in SHELL_TERMS if name.endswith("_pj"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellFile:
    """All that is known about shells on one library."""

    __pydantic_config__: ClassVar = STRICT
    schema_version: int
    library: str
    library_digest: str
    method: str
    datapoints_digest: str
    datapoints: int
    measuring_seconds: float
    pe_types: tuple[str, ...]
    """PE types of the measured shells."""
    low: dict[str, float]
    """Smallest measured columns, widths, banks and queues."""
    high: dict[str, float]
    checks: dict[str, UnseenError]
    """Errors of the area by kind of unseen shell; see `fit_shells`."""
    figures: dict[str, FigureModel]

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema_version must be {SCHEMA_VERSION}, not {self.schema_version}")
        if set(self.low) != set(RANGES) or set(self.high) != set(RANGES):
            raise ValueError(f"low and high must have {', '.join(RANGES)}")
        if unknown := sorted(set(self.pe_types) - set(PE_TYPES)):
            raise ValueError(f"pe_types must be registered, not {unknown[0]!r}")
        if set(self.figures) != set(SHELL_TERMS):
            raise ValueError(f"figures must be {', '.join(SHELL_TERMS)}")
        for name, figure in self.figures.items():
            if unknown := sorted(set(figure.coefficients) - set(SHELL_TERMS[name])):
                raise ValueError(f"{name} must have no term {unknown[0]!r}")


def load_shell_file(path: Path) -> ShellFile:
    """Return a validated file; `ModelError` names the path and what is wrong."""
    return load_terms(path, ShellFile, "python -m models.fit_shells")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellFigures:
    """The shells of n accelerators; every array has the shape of what was asked for."""

    area_um2: Floats
    leakage_uw: Floats
    idle_pj: Floats
    """Energy of a clocked cycle in which nothing moves."""
    filter_row_pj: Floats
    """A filter row from off chip into its queue and out of it."""
    ifmap_row_pj: Floats
    """An ifmap row from off chip into a tile."""
    ifmap_read_row_pj: Floats
    """An ifmap row read from a tile."""
    filter_word_pj: Floats
    """A filter word handed to the network."""
    ifmap_word_pj: Floats
    """An ifmap word handed to the network."""
    psum_read_row_pj: Floats
    """A row of psums read from the banks."""
    psum_enter_pj: Floats
    """A psum handed to its column."""
    psum_leave_pj: Floats
    """A psum taken from its column."""
    psum_write_row_pj: Floats
    """A row of psums written to the banks."""
    requantize_pj: Floats
    """A psum on its way out made an activation."""
    output_row_pj: Floats
    """A row sent off chip."""
    critical_path_ns: Floats
    in_range: NDArray[np.bool_]
    """Whether columns, widths, banks and queues lie within those of the measured shells."""


class ShellModel:
    """Shells on one cell library."""

    def __init__(self, model: ShellFile) -> None:
        self.model = model

    @classmethod
    def find(cls, library: str) -> ShellModel | None:
        """Return the user's own fit of a library, or else the shipped one; None without either."""
        path = find_terms("shells", library)
        return None if path is None else cls(load_shell_file(path))

    @classmethod
    def load(cls, library: str) -> ShellModel:
        """Return the fit of a library as `find` does; `ModelError` without one."""
        found = cls.find(library)
        if found is None:
            raise ModelError(
                f"no fitted shells for library {library!r}; make them with "
                f"`python -m characterize.shell_cost --library {library}` and "
                f"`python -m models.fit_shells --library {library}`"
            )
        return found

    def covers(self, pe_type: str) -> bool:
        """Return whether what makes activations of a PE type's psums was measured."""
        return _way_out(pe_type) in set(map(_way_out, self.model.pe_types))

    def critical_path_ns(self, pe: PEConfig, **sizes: ArrayLike) -> Floats:
        """Return the longest path alone; parameters are those of `shell_counts`."""
        figure, name = self.model.figures["critical_path_ns"], "critical_path_ns"
        return np.asarray(
            predicted(SHELL_TERMS[name], self._counts(pe, sizes), figure.coefficients)
        )

    def figures(self, pe: PEConfig, **sizes: ArrayLike) -> ShellFigures:
        """Return the shells of accelerators of one PE point.

        Parameters
        ----------
        pe
            PE point of all of them.
        sizes
            Parameters of `shell_counts`: numbers or arrays that broadcast, all at least 1.

        Raises
        ------
        ModelError
            A number is below 1, or no PE type with activations of this kind was measured.
        """
        counts = self._counts(pe, sizes)
        made = {
            name: predicted(SHELL_TERMS[name], counts, figure.coefficients)
            for name, figure in self.model.figures.items()
        }
        inside = [
            (counts[name] >= low) & (counts[name] <= self.model.high[name])
            for name, low in self.model.low.items()
        ]
        return ShellFigures(
            area_um2=sum(made[f"area_{part}_um2"] for part in SHELL_PARTS),
            leakage_uw=sum(made[f"leakage_{part}_uw"] for part in SHELL_PARTS),
            critical_path_ns=made["critical_path_ns"],
            in_range=np.logical_and.reduce(inside),
            **{name: made[name] for name in _ENERGIES},
        )

    def _counts(self, pe: PEConfig, sizes: Mapping[str, ArrayLike]) -> dict[str, Floats]:
        if not self.covers(pe.pe_type):
            raise ModelError(
                f"pe_type must have psums that leave like those of "
                f"{', '.join(self.model.pe_types)}, the types measured on {self.model.library}, "
                f"not {pe.pe_type!r}"
            )
        for name, value in sizes.items():
            if np.any(np.asarray(value) < 1):
                raise ModelError(f"{name} must be at least 1, not {np.min(np.asarray(value))}")
        return shell_counts(pe, **sizes)


def _way_out(pe_type: str) -> tuple[bool, bool]:
    """Return whether psums of a PE type leave as activations, and whether they are binary32."""
    kind = PE_TYPES[pe_type]
    return requantizes(kind), requantizes(kind) and kind.accumulator is not None
