"""The overhead of arrays: what the networks, links and control around the PEs cost, vectorised.

    overhead = ArrayOverhead.load("nangate45")
    made = overhead.figures(PEConfig(pe_type="int16"), rows=12, cols=np.array([8, 14]),
                            filter_lanes=8, ifmap_lanes=4)
    made.area_um2, made.psum_hop_pj, made.ifmap_word_pj(rows_reached=3, takers=3)

The file is JSON text: for each figure a coefficient of each of its terms (`array_terms`).  Figures
come in groups; `array` is the row-stationary array, what stands around it is a group of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

from .array_terms import AREA_PARTS, RANGES, TERMS, array_counts
from .errors import ModelError
from .term_model import STRICT, FigureModel, Floats, UnseenError, find_terms, load_terms, predicted

__all__ = [
    "GROUP", "SCHEMA_VERSION", "ArrayFigures", "ArrayFile", "ArrayOverhead", "load_array_file",
]  # fmt: skip

SCHEMA_VERSION = 1
GROUP = "array"
"""The group of figures of the array itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFile:
    """All that is known about the overhead of arrays on one library."""

    __pydantic_config__: ClassVar = STRICT
    schema_version: int
    library: str
    library_digest: str
    method: str
    datapoints_digest: str
    seed: int
    datapoints: int
    measuring_seconds: float
    pe_types: tuple[str, ...]
    """PE types among the measured arrays."""
    low: dict[str, float]
    """Smallest measured rows, cols, lanes and widths."""
    high: dict[str, float]
    checks: dict[str, UnseenError]
    """Errors of the overhead area by kind of unseen array; see `fit_arrays`."""
    groups: dict[str, dict[str, FigureModel]]
    """Figures by group."""

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema_version must be {SCHEMA_VERSION}, not {self.schema_version}")
        figures = self.groups.get(GROUP, {})
        if set(self.low) != set(RANGES) or set(self.high) != set(RANGES):
            raise ValueError(f"low and high must have {', '.join(RANGES)}")
        if unknown := sorted(set(self.pe_types) - set(PE_TYPES)):
            raise ValueError(f"pe_types must be registered, not {unknown[0]!r}")
        if missing := sorted(set(TERMS) - set(figures)):
            raise ValueError(f"the group {GROUP!r} must have {missing[0]!r}")
        for name, figure in figures.items():
            if unknown := sorted(set(figure.coefficients) - set(TERMS.get(name, {}))):
                raise ValueError(f"{name} must have no term {unknown[0]!r}")


def load_array_file(path: Path) -> ArrayFile:
    """Return a validated file; `ModelError` names the path and what is wrong."""
    return load_terms(path, ArrayFile, "python -m models.fit_arrays")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFigures:
    """The overhead of n arrays; every array has the shape of what was asked for."""

    area_split_um2: dict[str, Floats]
    """Area of nodes, links, rows, columns, entries and control."""
    leakage_uw: Floats
    idle_pj_per_cycle: Floats
    """Energy of a clocked cycle of the whole overhead."""
    psum_hop_pj: Floats
    """A psum added in a PE's link and handed up."""
    psum_enter_pj: Floats
    """A psum offered to a column, besides the hop it then makes."""
    psum_leave_pj: Floats
    word_pj: dict[str, tuple[Floats, Floats, Floats]]
    """Of `filter` and `ifmap`: a word at the entry, in one row, taken by one PE."""
    overhead_path_ns: Floats
    """Longest path of the overhead; the clock is limited by the longer of it and the PE's."""
    in_range: NDArray[np.bool_]
    """Whether rows, cols, lanes and widths lie within those of the measured arrays."""

    @property
    def area_um2(self) -> Floats:
        """Area of the overhead."""
        return np.asarray(sum(self.area_split_um2.values()))

    def filter_word_pj(self, rows_reached: ArrayLike = 1, takers: ArrayLike = 1) -> Floats:
        """Return the energy of one filter word [pJ].

        Parameters
        ----------
        rows_reached
            Rows whose tag it has.
        takers
            PEs that take it.
        """
        return self._word("filter", rows_reached, takers)

    def ifmap_word_pj(self, rows_reached: ArrayLike = 1, takers: ArrayLike = 1) -> Floats:
        """Return the energy of one ifmap word [pJ], likewise."""
        return self._word("ifmap", rows_reached, takers)

    def _word(self, network: str, rows_reached: ArrayLike, takers: ArrayLike) -> Floats:
        entry, row, take = self.word_pj[network]
        return entry + np.asarray(rows_reached) * row + np.asarray(takers) * take


class ArrayOverhead:
    """The overhead of row-stationary arrays on one cell library."""

    def __init__(self, model: ArrayFile) -> None:
        self.model = model

    @classmethod
    def find(cls, library: str) -> ArrayOverhead | None:
        """Return the user's own fit of a library, or else the shipped one; None without either."""
        path = find_terms("arrays", library)
        return None if path is None else cls(load_array_file(path))

    @classmethod
    def load(cls, library: str) -> ArrayOverhead:
        """Return the fit of a library as `find` does; `ModelError` without one."""
        found = cls.find(library)
        if found is None:
            raise ModelError(
                f"no fitted array overhead for library {library!r}; make one with "
                f"`python -m characterize.array_overhead --library {library}` and "
                f"`python -m models.fit_arrays --library {library}`"
            )
        return found

    def covers(self, pe_type: str) -> bool:
        """Return whether links like those of a PE type were measured: integer or binary32 sums."""
        floats = {PE_TYPES[name].accumulator is not None for name in self.model.pe_types}
        return (PE_TYPES[pe_type].accumulator is not None) in floats

    def figures(
        self,
        pe: PEConfig,
        rows: ArrayLike,
        cols: ArrayLike,
        filter_lanes: ArrayLike = 1,
        ifmap_lanes: ArrayLike = 1,
    ) -> ArrayFigures:
        """Return the overhead of arrays of one PE point.

        Parameters
        ----------
        pe
            PE point of all arrays; its scratchpads hardly matter.
        rows, cols, filter_lanes, ifmap_lanes
            Numbers or integer arrays that broadcast, all at least 1.

        Raises
        ------
        ModelError
            A number is below 1, or no PE type with psums of this kind was measured.
        """
        if not self.covers(pe.pe_type):
            raise ModelError(
                f"pe_type must have psums like {', '.join(self.model.pe_types)}, the types "
                f"measured on {self.model.library}, not {pe.pe_type!r}"
            )
        sizes = {"rows": rows, "cols": cols, "filter_lanes": filter_lanes,
                 "ifmap_lanes": ifmap_lanes}  # fmt: skip
        for name, value in sizes.items():
            if np.any(np.asarray(value) < 1):
                raise ModelError(f"{name} must be at least 1, not {np.min(np.asarray(value))}")
        counts = array_counts(pe, rows, cols, filter_lanes, ifmap_lanes)
        made = {
            name: predicted(TERMS[name], counts, figure.coefficients)
            for name, figure in self.model.groups[GROUP].items()
        }
        inside = [
            (counts[name] >= low) & (counts[name] <= self.model.high[name])
            for name, low in self.model.low.items()
        ]
        return ArrayFigures(
            area_split_um2={part: made[f"area_{part}_um2"] for part in AREA_PARTS},
            leakage_uw=np.sum([made[f"leakage_{part}_uw"] for part in AREA_PARTS], axis=0),
            idle_pj_per_cycle=made["idle_pj"],
            psum_hop_pj=made["psum_hop_pj"],
            psum_enter_pj=made["psum_enter_pj"],
            psum_leave_pj=made["psum_leave_pj"],
            word_pj={
                network: (
                    made[f"{network}_entry_pj"],
                    made[f"{network}_row_pj"],
                    made[f"{network}_take_pj"],
                )
                for network in ("filter", "ifmap")
            },
            overhead_path_ns=made["overhead_path_ns"],
            in_range=np.logical_and.reduce(inside),
        )
