"""A whole PE: what was synthesized (PPA model) and its macro scratchpads (SRAM model) together.

Macro accesses are counted as follows.  A product reads one filter word, reads one psum and writes
one psum; the ifmap word is read once per tap, for all filters of the tap, and stands apart as
`ifmap_read_pj`.  A load writes one word.  A psum macro is two single-ported banks of half the
words, so that one is read while the other is written.  A product that takes in a psum or gives one
out skips a read or a write, which is not credited: the energy is an upper bound there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ModelError
from .ppa import PPAModel
from .sram import Macro, SramModel
from .targets import MACRO_TARGET

__all__ = ["PEPPA", "pe_ppa", "spad_macros", "word_bits"]

Floats = NDArray[np.float64]
_SPADS = ("ifmap_spad", "filter_spad", "psum_spad")
_PSUM_BANKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PEPPA:
    """Power, performance and area of n whole PEs; arrays of shape (n,)."""

    area_arithmetic_um2: Floats
    area_spads_um2: Floats
    area_control_um2: Floats
    leakage_uw: Floats
    period_ns: Floats
    """Shortest clock period: critical path, a macro's cycle, its access and the path after."""
    product_arithmetic_pj: Floats
    product_spads_pj: Floats
    product_control_pj: Floats
    ifmap_read_pj: Floats
    """One read of an ifmap macro, spent once per tap; 0 where the spad is synthesized."""
    filter_load_pj: Floats
    ifmap_load_pj: Floats
    psum_pass_pj: Floats
    idle_pj: Floats
    in_range: NDArray[np.bool_]

    @property
    def area_um2(self) -> Floats:
        """Area of the whole PE."""
        return self.area_arithmetic_um2 + self.area_spads_um2 + self.area_control_um2

    @property
    def product_pj(self) -> Floats:
        """Energy of a clocked cycle that completes a product, without `ifmap_read_pj`."""
        return self.product_arithmetic_pj + self.product_spads_pj + self.product_control_pj


def word_bits(pe_type: str) -> tuple[int, int]:
    """Return the bits of an ifmap word and of a filter word of a PE type."""
    from hw.pe.registry import PE_TYPES

    if pe_type not in PE_TYPES:
        raise ModelError(f"pe_type must be one of {', '.join(sorted(PE_TYPES))}, not {pe_type!r}")
    return PE_TYPES[pe_type].activation.bits, PE_TYPES[pe_type].weight.bits


def spad_macros(
    sram: SramModel,
    pe_type: str,
    kinds: tuple[str, str, str],
    features: Mapping[str, ArrayLike],
) -> dict[str, Macro]:
    """Return one bank of each scratchpad that is a macro, by name (`psum_spad` has two banks)."""
    ifmap_bits, filter_bits = word_bits(pe_type)
    words = {name: np.asarray(features[name], dtype=np.int64) for name in _SPADS}
    words["psum_spad"] = -(-words["psum_spad"] // _PSUM_BANKS)
    psum_bits = np.asarray(features["psum_width"], dtype=np.int64)
    bits: dict[str, ArrayLike] = {
        "ifmap_spad": ifmap_bits,
        "filter_spad": filter_bits,
        "psum_spad": psum_bits,
    }
    return {
        name: sram.macro(words[name], bits[name])
        for name, kind in zip(_SPADS, kinds, strict=True)
        if kind == "macro"
    }


def pe_ppa(
    model: PPAModel,
    sram: SramModel | None,
    pe_type: str,
    *,
    kinds: tuple[str, str, str],
    pipeline_depth: int,
    features: Mapping[str, ArrayLike],
) -> PEPPA:
    """Return power, performance and area of n PEs with their macro scratchpads.

    Parameters
    ----------
    model, sram
        The fitted model of a library and the memories of its node (needed for macros only).
    kinds
        Kinds of the ifmap, filter and psum scratchpad.
    features
        As for `PPAModel.predict`.
    """
    made = model.predict(pe_type, kinds=kinds, pipeline_depth=pipeline_depth, features=features)
    if "macro" in kinds and sram is None:
        raise ModelError("macro scratchpads need an SRAM model")
    macros = {} if sram is None else spad_macros(sram, pe_type, kinds, features)
    zero = np.zeros(len(made.in_range))
    area, leakage, period = zero.copy(), made["leakage_uw"].copy(), made["critical_path_ns"]
    for name, macro in macros.items():
        banks = _PSUM_BANKS if name == "psum_spad" else 1
        area += banks * macro.area_um2
        leakage += banks * macro.leakage_uw
        period = np.maximum(period, macro.cycle_ns)
        period = np.maximum(period, macro.access_ns + made[MACRO_TARGET])

    def energy(name: str, figure: str) -> Floats:
        return zero + getattr(macros[name], figure) if name in macros else zero

    product = energy("filter_spad", "read_pj")
    product = product + energy("psum_spad", "read_pj") + energy("psum_spad", "write_pj")
    return PEPPA(
        area_arithmetic_um2=made["area_datapath_um2"],
        area_spads_um2=area + sum(made[f"area_{name}_um2"] for name in _SPADS),
        area_control_um2=made["area_control_um2"],
        leakage_uw=leakage,
        period_ns=period,
        product_arithmetic_pj=made["product_datapath_pj"],
        product_spads_pj=product + sum(made[f"product_{name}_pj"] for name in _SPADS),
        product_control_pj=made["product_control_pj"],
        ifmap_read_pj=energy("ifmap_spad", "read_pj"),
        filter_load_pj=made["filter_load_pj"] + energy("filter_spad", "write_pj"),
        ifmap_load_pj=made["ifmap_load_pj"] + energy("ifmap_spad", "write_pj"),
        psum_pass_pj=made["psum_pass_pj"],
        idle_pj=made["idle_pj"],
        in_range=made.in_range,
    )
