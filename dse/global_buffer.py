"""The global buffer of many points: banks as the hardware has them (`hw.accelerator_config`).

Area, leakage, latency and cycle time are those of the banks side by side.  The energy of an access
is that of one macro of the whole capacity, whose wires stand for those between the banks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.accelerator_config import BANK_KIB
from models.sram import Glb, SramModel

__all__ = ["GlobalBuffer"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalBuffer:
    """Figures of global buffers, arrays of shape (points,)."""

    bank: Glb
    whole: Glb
    banks: Any

    @classmethod
    def of(cls, sram: SramModel, kib: NDArray[np.int64], port_bytes: NDArray[np.int64]) -> Any:
        """Return the buffers of so many KiB, filter queue included, with ports of so many bytes."""
        bank_kib = np.minimum(kib, BANK_KIB)
        return cls(
            bank=sram.glb(bank_kib, port_bytes),
            whole=sram.glb(kib, port_bytes),
            banks=kib / bank_kib,
        )

    @property
    def area_um2(self) -> Array:
        """Area of all banks."""
        return np.asarray(self.banks * self.bank.area_um2)

    @property
    def leakage_uw(self) -> Array:
        """Leakage of all banks."""
        return np.asarray(self.banks * self.bank.leakage_uw)

    @property
    def read_pj_per_byte(self) -> Array:
        """Energy of a read."""
        return self.whole.read_pj_per_byte

    @property
    def write_pj_per_byte(self) -> Array:
        """Energy of a write."""
        return self.whole.write_pj_per_byte

    def access_cycles(self, period_ns: Array) -> NDArray[np.int64]:
        """Return the cycles from an address to its data."""
        return self.bank.access_cycles(period_ns)

    def interval_cycles(self, period_ns: Array) -> NDArray[np.int64]:
        """Return the cycles between two accesses of a bank."""
        return self.bank.interval_cycles(period_ns)
