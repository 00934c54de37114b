"""What an accelerator is in hardware: a design point, and what a design point leaves open.

A design point (`AcceleratorConfig`) says what an exploration chooses.  Its hardware needs a few
more numbers: the width of the off-chip streams, the lanes of the networks, the size of a bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .array.row_stationary_config import RowStationaryConfig
from .config import AcceleratorConfig, config_digest
from .errors import ConfigError
from .formats import FixedPoint, Float
from .pe.pe_type import PEType
from .pe.registry import PE_TYPES

__all__ = [
    "BANK_KIB", "FILTER_QUEUE_BYTES", "MAX_LANES", "HardwareConfig", "default_lanes",
    "default_psum_queue", "glb_banks", "requantizes",
]  # fmt: skip

FILTER_QUEUE_BYTES = 8192
"""The part of the global buffer that queues filters [byte]."""
BANK_KIB = 4
"""Size of a bank of the global buffer unless asked for another [KiB]."""
MAX_LANES = 4
"""Lanes of a network unless asked for more: each costs a comparison in every row."""
_SKEW = 4
"""Psums that a column may be ahead of the others."""


def default_psum_queue(psum_spad: Any) -> Any:
    """Return the psums that wait at the lower end of a column of PEs with so many words."""
    return np.maximum(2, psum_spad)


def default_lanes(row_bits: int, word_bits: int) -> int:
    """Return the lanes of a network: a power of two, at most `MAX_LANES` and the words of a row."""
    return 1 << min(MAX_LANES, max(1, row_bits // word_bits)).bit_length() - 1


def glb_banks(glb_kib: Any, bank_kib: int = BANK_KIB) -> Any:
    """Return the banks that hold ifmap tiles and psums, for a number or an array; what is left over
    is not used."""
    return (glb_kib * 1024 - FILTER_QUEUE_BYTES) // (bank_kib * 1024)


def requantizes(kind: PEType) -> bool:
    """Return whether psums can leave as activations: integers or floating point, one to a word."""
    numbers = isinstance(kind.activation, FixedPoint | Float)
    return numbers and kind.lanes == 1 and not kind.scaling


def _power_of_two(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value & -value == value > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareConfig:
    """One accelerator around a row-stationary array."""

    design: AcceleratorConfig
    """The design point; `glb_bytes_per_cycle` must be a power of two."""
    off_chip_bytes: int = 8
    """Width of each off-chip stream [byte], a power of two up to 256."""
    filter_lanes: int | None = None
    """Filter words that enter the array in one cycle; None is `default_lanes`."""
    ifmap_lanes: int | None = None
    """Ifmap words that enter the array in one cycle; None is `default_lanes`."""
    bank_kib: int = BANK_KIB
    """Size of a bank of the global buffer [KiB], a power of two up to 1024."""
    memory_latency: int = 1
    """Cycles from an address to the data of a memory, 1 to 16."""
    psum_queue: int | None = None
    """Psums that wait at the lower end of a column and at most at its upper end
    (`leaving_psums`), 2 to 1024; None is a psum scratchpad's words."""

    def __post_init__(self) -> None:
        if not isinstance(self.design, AcceleratorConfig):
            raise ConfigError(f"design must be an AcceleratorConfig, not {self.design!r}")
        for name, value, most in (
            ("glb_bytes_per_cycle", self.design.glb_bytes_per_cycle, 256),
            ("off_chip_bytes", self.off_chip_bytes, 256),
            ("bank_kib", self.bank_kib, 1024),
        ):
            if not _power_of_two(value) or value > most:
                raise ConfigError(f"{name} must be a power of two up to {most}, not {value!r}")
        if self.off_chip_bytes > self.design.glb_bytes_per_cycle:
            raise ConfigError(
                f"off_chip_bytes must be at most glb_bytes_per_cycle = "
                f"{self.design.glb_bytes_per_cycle}, not {self.off_chip_bytes}"
            )
        for name, low, high in (("memory_latency", 1, 16), ("psum_queue", 2, 1024)):
            value = getattr(self, name)
            if value is None and name == "psum_queue":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{name} must be an integer from {low} to {high}, not {value!r}")
        for name, bits in (
            ("filter", self.kind.weight.bits),
            ("ifmap", self.kind.activation.bits),
            ("psum", self.design.pe.psum_width),
        ):
            words = self.row_bits // bits
            if not words:
                raise ConfigError(
                    f"glb_bytes_per_cycle must hold a {name} word of {bits} bits, "
                    f"not be {self.design.glb_bytes_per_cycle}"
                )
            if name != "psum":
                lanes = getattr(self, f"{name}_lanes")
                if lanes is not None and (not _power_of_two(lanes) or lanes > min(words, 64)):
                    raise ConfigError(
                        f"{name}_lanes must be a power of two up to the {min(words, 64)} words of "
                        f"a row, not {lanes!r}"
                    )
        if self.banks < 2:
            raise ConfigError(
                f"glb_kib must hold the filter queue of {FILTER_QUEUE_BYTES // 1024} KiB and two "
                f"banks of {self.bank_kib} KiB, not be {self.design.glb_kib}"
            )

    @property
    def kind(self) -> PEType:
        """The PE type."""
        return PE_TYPES[self.design.pe.pe_type]

    @property
    def row_bits(self) -> int:
        """Width of a row of the global buffer [bits]: what its port moves in one cycle."""
        return 8 * self.design.glb_bytes_per_cycle

    @property
    def off_chip_bits(self) -> int:
        """Width of an off-chip beat [bits]."""
        return 8 * self.off_chip_bytes

    @property
    def bank_rows(self) -> int:
        """Rows of a bank."""
        return self.bank_kib * 1024 // self.design.glb_bytes_per_cycle

    @property
    def banks(self) -> int:
        """Banks that hold ifmap tiles and psums; what is left over is not used."""
        return int(glb_banks(self.design.glb_kib, self.bank_kib))

    @property
    def queue_rows(self) -> int:
        """Rows of the filter queue."""
        return FILTER_QUEUE_BYTES // self.design.glb_bytes_per_cycle

    @property
    def array(self) -> RowStationaryConfig:
        """The array."""
        kind, bits = self.kind, self.row_bits
        return RowStationaryConfig(
            pe=self.design.pe,
            rows=self.design.rows,
            cols=self.design.cols,
            filter_lanes=self.filter_lanes or default_lanes(bits, kind.weight.bits),
            ifmap_lanes=self.ifmap_lanes or default_lanes(bits, kind.activation.bits),
        )

    @property
    def filter_beats_per_row(self) -> int:
        """Beats of the filter network that a row holds."""
        return self.row_bits // (self.array.filter_lanes * self.kind.weight.bits)

    @property
    def ifmap_beats_per_row(self) -> int:
        """Beats of the ifmap network that a row holds."""
        return self.row_bits // (self.array.ifmap_lanes * self.kind.activation.bits)

    @property
    def psums_per_row(self) -> int:
        """Psums of neighbouring columns that a row holds."""
        return min(self.row_bits // self.design.pe.psum_width, self.design.cols)

    @property
    def queue_psums(self) -> int:
        """Psums that wait at the lower end of a column."""
        if self.psum_queue is not None:
            return self.psum_queue
        return int(default_psum_queue(self.design.pe.psum_spad))

    @property
    def leaving_psums(self) -> int:
        """Psums that wait at the upper end of a column: few where a row takes one of each column
        and needs one cycle, else what comes in a burst and is not yet gone when it ends."""
        row_cycles = self.row_bits // self.off_chip_bits
        cycles = row_cycles * -(-self.design.cols // self.psums_per_row)
        return min(self.queue_psums, _SKEW + self.queue_psums * (cycles - 1) // cycles)

    @property
    def requantizes(self) -> bool:
        """Whether psums can leave as activations."""
        return requantizes(self.kind)

    @property
    def rows_per_output(self) -> int:
        """Rows of requantized psums that an output row holds, a power of two."""
        used = self.psums_per_row * self.kind.activation.bits
        return 1 << max(1, self.row_bits // used).bit_length() - 1

    @property
    def name(self) -> str:
        """Name of the top module."""
        return f"accelerator_{self.design.pe.pe_type}_{self.design.rows}x{self.design.cols}"

    def digest(self) -> str:
        """Return the digest that identifies this accelerator."""
        return config_digest(self)
