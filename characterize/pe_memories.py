"""Macro scratchpads: which memories stand beside a PE, and what they add to what was synthesized.

Accesses are counted as follows.  A product reads one filter word, reads one psum and writes one
psum; the ifmap word is read once per tap, for all filters of the tap, and stands apart.  A load
writes one word.  A psum macro is two single-ported banks of half the words, so that one is read
while the other is written.  A product that takes in a psum or gives one out skips a read or a
write, which is not credited: the energy is an upper bound there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flows.sram import Macro, SramModel
from hw.config import PEConfig

__all__ = ["PSUM_BANKS", "SPADS", "SpadMacros", "spad_macros", "word_bits"]

Floats = NDArray[np.float64]

SPADS = ("ifmap_spad", "filter_spad", "psum_spad")
PSUM_BANKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpadMacros:
    """The scratchpads of n PEs that are macros; what is synthesized adds 0 here."""

    banks: Mapping[str, Macro]
    """One bank of each macro scratchpad, by name."""

    def _sum(self, spad: str, *figures: str) -> Floats:
        if spad not in self.banks:
            return np.zeros(())
        return np.asarray(sum(getattr(self.banks[spad], figure) for figure in figures))

    def bank_count(self, spad: str) -> int:
        """Return the banks of a scratchpad."""
        return PSUM_BANKS if spad == "psum_spad" else 1

    def area_um2(self, spad: str) -> Floats:
        """Return the area of a scratchpad's banks [um2]."""
        return self.bank_count(spad) * self._sum(spad, "area_um2")

    def leakage_uw(self, spad: str) -> Floats:
        """Return the leakage of a scratchpad's banks [uW]."""
        return self.bank_count(spad) * self._sum(spad, "leakage_uw")

    def read_pj(self, spad: str) -> Floats:
        """Return the energy of reading a word [pJ]."""
        return self._sum(spad, "read_pj")

    def write_pj(self, spad: str) -> Floats:
        """Return the energy of writing a word [pJ]."""
        return self._sum(spad, "write_pj")

    def product_pj(self, spad: str) -> Floats:
        """Return the energy of a product's accesses [pJ]; those of a tap (ifmap) stand apart."""
        figures = {"filter_spad": ("read_pj",), "psum_spad": ("read_pj", "write_pj")}
        return self._sum(spad, *figures.get(spad, ()))

    def period_ns(self, critical_path_ns: ArrayLike, macro_path_ns: ArrayLike) -> Floats:
        """Return the shortest clock period [ns]: that of the logic, of a macro's cycle, or of a
        macro's access and the path behind it, whichever is longest.
        """
        period = np.asarray(critical_path_ns, dtype=np.float64)
        for macro in self.banks.values():
            period = np.maximum(period, macro.cycle_ns)
            period = np.maximum(period, macro.access_ns + np.asarray(macro_path_ns))
        return period


def word_bits(pe_type: str, decoders: str = "pe") -> tuple[int, int]:
    """Return the bits of an ifmap word and of a filter word; `ConfigError` for no PE type."""
    config = PEConfig(pe_type=pe_type, decoders=decoders)
    return config.activation_bits, config.weight_bits


def spad_macros(
    sram: SramModel,
    pe_type: str,
    kinds: tuple[str, str, str],
    features: Mapping[str, ArrayLike],
    *,
    decoders: str = "pe",
) -> SpadMacros:
    """Return the macros among the scratchpads of n PEs.

    Parameters
    ----------
    kinds
        Kinds of the ifmap, filter and psum scratchpad.
    features
        Words of `SPADS` and `psum_width` [bits]; they broadcast against each other.
    """
    ifmap_bits, filter_bits = word_bits(pe_type, decoders)
    words = {name: np.asarray(features[name], dtype=np.int64) for name in SPADS}
    words["psum_spad"] = -(-words["psum_spad"] // PSUM_BANKS)
    psum_bits = np.asarray(features["psum_width"], dtype=np.int64)
    bits: dict[str, ArrayLike] = {
        "ifmap_spad": ifmap_bits,
        "filter_spad": filter_bits,
        "psum_spad": psum_bits,
    }
    return SpadMacros(
        banks={
            name: sram.macro(words[name], bits[name])
            for name, kind in zip(SPADS, kinds, strict=True)
            if kind == "macro"
        }
    )
