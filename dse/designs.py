"""Design points as arrays: equally long columns, and the scalars their PE type fixes.

What a design point leaves open of its hardware follows from it as in `hw.accelerator_config`:
lanes, rows and banks of the global buffer.  The mapper works on distinct designs only.  Weights,
activations and psums are words here: a word may hold several of them side by side (the lanes of a
PE type), and layers come in words too (`dse.layer_runs`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.accelerator_config import (
    BANK_KIB,
    FILTER_QUEUE_BYTES,
    default_lanes,
    glb_banks,
    requantizes,
)
from hw.config import AcceleratorConfig, PEConfig
from hw.pe.registry import PE_TYPES

from .errors import DesignError

__all__ = ["MAPPING_KEYS", "DesignArrays", "psum_interval"]

MAPPING_KEYS = ("rows", "cols", "ifmap_spad", "filter_spad", "psum_spad", "glb_kib")
"""Columns of whole numbers that every design point has."""

_MEMORY = ("memory_latency", "glb_interval")
_RATES = ("glb_bytes_per_cycle", "dram_bytes_per_cycle")
_COLUMNS = MAPPING_KEYS + _MEMORY + _RATES
_MOST_PORT_BYTES = 256


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
    """Port of the global buffer, which is one row of it [byte/cycle]."""
    dram_bytes_per_cycle: NDArray[np.float64]
    """Off-chip bandwidth [byte/cycle]."""
    memory_latency: Any = 1
    """Cycles from an address of the global buffer to its data; one number is that of all."""
    glb_interval: Any = 1
    """Cycles between two accesses of a macro of the global buffer; likewise."""
    weight_bits: int
    """Width of a filter word [bits]."""
    activation_bits: int
    """Width of an ifmap word [bits]."""
    psum_bits: int
    """Width of a psum word, in the PE and in the GLB [bits]."""
    psum_latency: int = 3
    """Cycles from reading a psum to the cycle in which its new value can be read."""
    macro: bool = False
    """Whether psum scratchpads are single-ported macros."""
    write_stage: int = 3
    """Pipeline stage of a PE in which a psum leaves."""
    link_cycles: int = 1
    """Cycles of a psum from one PE to the next."""
    requantizes: bool = True
    """Whether psums leave the accelerator as activations; otherwise they leave as they are."""
    terms: int = 1
    """Filter words and cycles that a weight takes."""
    scale_words: int = 0
    """Words of shared scale after the channels of a column."""
    block: int | None = None
    """Channels that share a scale; None where there are no scales."""

    def __post_init__(self) -> None:
        length = np.size(self.rows)
        for name in _COLUMNS:
            kind = np.float64 if name in _RATES else np.int64
            given = np.asarray(getattr(self, name))
            if name in _MEMORY and not given.ndim:
                given = np.full(length, given)
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
        scaling, accumulator = pe_type.scaling, pe_type.accumulator
        return {
            "weight_bits": pe_type.weight.bits,
            "activation_bits": pe_type.activation.bits,
            "psum_bits": pe.psum_width,
            "scale_words": scaling.words if scaling else 0,
            "block": scaling.block if scaling else None,
            "psum_latency": pe.psum_latency,
            "macro": pe.psum_spad_kind == "macro",
            "write_stage": pe.write_stage,
            "link_cycles": accumulator.stages if accumulator else 1,
            "requantizes": requantizes(pe_type),
        }

    def select(self, index: Any) -> DesignArrays:
        """Return the designs at `index` (integers, slice or boolean mask)."""
        changed = {name: getattr(self, name)[index] for name in _COLUMNS}
        return dataclasses.replace(self, **changed)

    @cached_property
    def row_bits(self) -> NDArray[np.int64]:
        """Width of a row of the global buffer [bits]."""
        return (8 * self.glb_bytes_per_cycle).astype(np.int64)

    @cached_property
    def has_port(self) -> NDArray[np.bool_]:
        """Whether the port of the global buffer is one that hardware has, a power of two."""
        ports = [float(1 << power) for power in range(_MOST_PORT_BYTES.bit_length())]
        return np.isin(self.glb_bytes_per_cycle, ports)

    @cached_property
    def row_holds_words(self) -> NDArray[np.bool_]:
        """Whether a row of the global buffer holds a word of each kind."""
        return self.row_bits >= max(self.weight_bits, self.activation_bits, self.psum_bits)

    @cached_property
    def row_cycles(self) -> NDArray[np.float64]:
        """Cycles in which the off-chip link brings a row of the global buffer."""
        return np.maximum(1.0, self.glb_bytes_per_cycle / self.dram_bytes_per_cycle)

    @cached_property
    def filter_lanes(self) -> NDArray[np.int64]:
        """Filter words that enter the array in one cycle."""
        return _of_values(lambda bits: default_lanes(bits, self.weight_bits), self.row_bits)

    @cached_property
    def ifmap_lanes(self) -> NDArray[np.int64]:
        """Ifmap words that enter the array in one cycle."""
        return _of_values(lambda bits: default_lanes(bits, self.activation_bits), self.row_bits)

    @cached_property
    def psums_per_row(self) -> NDArray[np.int64]:
        """Psums of neighbouring columns that a row holds."""
        return np.minimum(self.row_bits // self.psum_bits, self.cols)

    @cached_property
    def banks(self) -> NDArray[np.int64]:
        """Banks that hold ifmap tiles and psums; may be negative."""
        return np.asarray(glb_banks(self.glb_kib))

    @cached_property
    def bank_rows(self) -> NDArray[np.int64]:
        """Rows of a bank."""
        return 8 * 1024 * BANK_KIB // self.row_bits

    @cached_property
    def queue_rows(self) -> NDArray[np.int64]:
        """Rows of the filter queue."""
        return 8 * FILTER_QUEUE_BYTES // self.row_bits

    @cached_property
    def of_rates(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """One design of each distinct point but for its DRAM rate, and the number of each one's."""
        return unique_rows([getattr(self, n) for n in _COLUMNS if n != "dram_bytes_per_cycle"])


def _of_values(function: Callable[[int], int], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the function of each value, which are few."""
    distinct, number = np.unique(values, return_inverse=True)
    return np.array([function(int(value)) for value in distinct], dtype=np.int64)[number]


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
