"""Design points as arrays: equally long columns, and the scalars their PE type fixes.

What a design can run is decided by the mapping keys (rows, cols, three scratchpads, GLB) and the
scalars; the two bandwidths decide what is best.  The mapper works on distinct designs only.
Weights, activations and psums are words here: a word may hold several of them side by side (the
lanes of a PE type), and layers come in words too (`dse.layer_runs`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import AcceleratorConfig, PEConfig
from hw.pe.registry import PE_TYPES

from .errors import DesignError

__all__ = ["FILTER_BUFFER_BYTES", "MAPPING_KEYS", "DesignArrays", "psum_interval"]

FILTER_BUFFER_BYTES = 8192
"""Part of the GLB that holds filters on their way to the array [byte]."""

MAPPING_KEYS = ("rows", "cols", "ifmap_spad", "filter_spad", "psum_spad", "glb_kib")
"""Columns that, with the scalars, decide which mappings a design can run."""

_BANDWIDTHS = ("glb_bytes_per_cycle", "dram_bytes_per_cycle")


def psum_interval(filters: Any, psum_latency: int, macro: bool) -> Any:
    """Return the cycles of one tap; the vectorised twin of `hw.config.PEConfig.psum_interval`.

    Parameters
    ----------
    filters
        Filters per PE (p), number or integer array.
    psum_latency
        Cycles from reading a psum to the cycle in which its new value can be read.
    macro
        Whether psums stand in single-ported macros, which need an even number of slots.
    """
    slots = np.maximum(filters, psum_latency)
    return slots + slots % 2 if macro else slots


@dataclass(frozen=True, kw_only=True)
class DesignArrays:  # no slots: the unique mapping keys are cached on the instance
    """Design points of one PE type: arrays of shape (designs,), and scalars."""

    rows: NDArray[np.int64]
    """PE rows."""
    cols: NDArray[np.int64]
    """PE columns."""
    ifmap_spad: NDArray[np.int64]
    """Ifmap scratchpad [words]."""
    filter_spad: NDArray[np.int64]
    """Filter scratchpad [words]."""
    psum_spad: NDArray[np.int64]
    """Psum scratchpad [words]."""
    glb_kib: NDArray[np.int64]
    """Global buffer with its filter buffer [KiB]."""
    glb_bytes_per_cycle: NDArray[np.float64]
    """Port between GLB and array [byte/cycle]."""
    dram_bytes_per_cycle: NDArray[np.float64]
    """Off-chip bandwidth [byte/cycle]."""
    weight_bits: int
    """Stored width of a filter word [bits]."""
    activation_bits: int
    """Stored width of an ifmap word [bits]."""
    psum_bits: int
    """Stored width of a psum word, in the PE and in the GLB [bits]."""
    psum_latency: int = 3
    """Cycles from reading a psum to the cycle in which its new value can be read."""
    macro: bool = False
    """Whether psum scratchpads are single-ported macros."""
    fill_cycles: int = 4
    """Cycles in which the pipeline of a PE empties after a pass."""
    output_bits: int | None = None
    """What a psum word becomes in DRAM [bits]; None is one ifmap word."""
    terms: int = 1
    """Filter words and cycles that a weight takes."""
    scale_words: int = 0
    """Words of shared scale after the channels of a column."""
    block: int | None = None
    """Channels that share a scale; None where there are no scales."""
    loads_overlap: bool = False
    """Whether loads before a pass cost no cycles (presets of other chips)."""
    filter_buffer_bytes: int = FILTER_BUFFER_BYTES
    """Part of the GLB that holds filters [byte]."""
    bank_bytes: int = 0
    """Bank of the GLB that ifmap and psums never share [byte]; 0 is no such rule."""

    def __post_init__(self) -> None:
        length = np.size(self.rows)
        for name in MAPPING_KEYS + _BANDWIDTHS:
            kind = np.float64 if name in _BANDWIDTHS else np.int64
            given = np.asarray(getattr(self, name))
            values = np.ascontiguousarray(given, dtype=kind)
            if values.ndim != 1 or values.size != length:
                raise DesignError(
                    f"{name} must be an array of {length} values like rows, "
                    f"not of shape {values.shape}"
                )
            low_is_wrong = values <= 0 if kind is np.float64 else values < 1
            if np.any(low_is_wrong | (values > 1 << 24)) or np.any(values != given):
                bad = given[low_is_wrong | (values > 1 << 24) | (values != given)][0]
                unit = "a number above 0" if kind is np.float64 else "an integer of at least 1"
                raise DesignError(f"{name} must be {unit} and at most {1 << 24}, not {bad!r}")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        for name in ("weight_bits", "activation_bits", "psum_bits", "psum_latency", "terms"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DesignError(f"{name} must be an integer of at least 1, not {value!r}")
        if (self.scale_words > 0) != (self.block is not None):
            raise DesignError(
                f"block must be given where, and only where, there are scale_words, not "
                f"{self.block!r} with {self.scale_words}"
            )

    def __len__(self) -> int:
        return int(self.rows.size)

    @classmethod
    def of(
        cls, config: AcceleratorConfig | Sequence[AcceleratorConfig], *, clock_ghz: float = 1.0
    ) -> DesignArrays:
        """Return the arrays of one design point, or of several with the same PE type and widths.

        Parameters
        ----------
        config
            One configuration, or a sequence that differs in array, scratchpads, GLB and bandwidths.
        clock_ghz
            Clock that turns `dram_gb_per_s` into bytes per cycle [GHz].

        Raises
        ------
        DesignError
            Where the configurations do not share the scalars of a `DesignArrays`.
        """
        configs = [config] if isinstance(config, AcceleratorConfig) else list(config)
        if not configs:
            raise DesignError("configurations must be at least one, not an empty sequence")
        if not 0 < clock_ghz < 1000:
            raise DesignError(
                f"clock_ghz must be a number above 0 and below 1000, not {clock_ghz!r}"
            )
        scalars = [cls.scalars_of(one.pe) for one in configs]
        for one in scalars:
            if one != scalars[0]:
                raise DesignError(f"configurations must share {scalars[0]}, not mix it with {one}")
        columns: dict[str, Any] = {}
        for name in (*MAPPING_KEYS, "glb_bytes_per_cycle"):
            owner = "pe" if name.endswith("_spad") else ""
            columns[name] = [getattr(c.pe if owner else c, name) for c in configs]
        columns["dram_bytes_per_cycle"] = [c.dram_gb_per_s / clock_ghz for c in configs]
        return cls(**columns, **scalars[0])

    @staticmethod
    def scalars_of(pe: PEConfig) -> dict[str, Any]:
        """Return the scalars that a PE point fixes, by field name."""
        pe_type = PE_TYPES[pe.pe_type]
        activation_bits = pe_type.activation.storage_bits
        scaling = pe_type.scaling
        return {
            "weight_bits": pe_type.weight.storage_bits,
            "activation_bits": activation_bits,
            "psum_bits": pe.psum_width,
            "output_bits": pe_type.filter_lanes * activation_bits // pe_type.channel_lanes,
            "scale_words": scaling.words if scaling else 0,
            "block": scaling.block if scaling else None,
            "psum_latency": pe.psum_latency,
            "macro": pe.psum_spad_kind == "macro",
            "fill_cycles": pe.pipeline_stages,
        }

    def select(self, index: Any) -> DesignArrays:
        """Return the designs at `index` (integers, slice or boolean mask)."""
        changed = {name: getattr(self, name)[index] for name in MAPPING_KEYS + _BANDWIDTHS}
        return dataclasses.replace(self, **changed)

    @property
    def ofmap_bits(self) -> int:
        """What a psum word becomes in DRAM [bits]."""
        return self.activation_bits if self.output_bits is None else self.output_bits

    @cached_property
    def glb_bits(self) -> NDArray[np.int64]:
        """Room for ifmap and psums in the GLB [bits]; negative below the filter buffer."""
        return (self.glb_kib * 1024 - self.filter_buffer_bytes) * 8

    @cached_property
    def without_rates(self) -> tuple[DesignArrays, NDArray[np.int64]]:
        """One design of each distinct mapping key, and the number of each design's.

        Designs stand in the order of falling ifmap scratchpads, here and in the next two.
        """
        return self._distinct(())

    @cached_property
    def with_port(self) -> tuple[DesignArrays, NDArray[np.int64]]:
        """One design of each distinct mapping key and GLB port, and the number of each design's."""
        return self._distinct(_BANDWIDTHS[:1])

    @cached_property
    def with_rates(self) -> tuple[DesignArrays, NDArray[np.int64]]:
        """One design of each mapping key, GLB port and DRAM rate; the number of each design's."""
        return self._distinct(_BANDWIDTHS)

    @cached_property
    def port_of_rates(self) -> NDArray[np.int64]:
        """For each design of `with_rates` its number in `with_port`."""
        distinct, inverse = self.with_rates
        out = np.zeros(len(distinct), dtype=np.int64)
        out[inverse] = self.with_port[1]
        return out

    def _distinct(self, rates: tuple[str, ...]) -> tuple[DesignArrays, NDArray[np.int64]]:
        names = [n for n in MAPPING_KEYS if n != "ifmap_spad"] + list(rates)
        first, inverse = unique_rows([-self.ifmap_spad, *(getattr(self, n) for n in names)])
        return self.select(first), inverse

    @cached_property
    def unique_places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First design of each distinct (rows, cols, GLB), and the number of each design's."""
        return unique_rows([self.rows, self.cols, self.glb_kib])


def unique_rows(columns: list[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first index of each distinct row of equally long columns, and the row of each."""
    packed = np.zeros(columns[0].size, dtype=np.int64)
    size = 1
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        if size * values.size >= 1 << 62:
            kept, packed = np.unique(packed, return_inverse=True)
            size = kept.size
        packed = packed * values.size + code
        size *= values.size
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return first, inverse
