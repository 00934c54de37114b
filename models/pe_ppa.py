"""A whole PE: what was synthesized (PPA model) and its macro scratchpads (SRAM model) together.

How the accesses of macros are counted is said in `characterize.pe_memories`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from characterize.pe_memories import SPADS, SpadMacros, spad_macros
from characterize.schema import REFERENCE_PSUM, REFERENCE_TAP

from .errors import ModelError
from .ppa import PPAModel
from .sram import SramModel
from .targets import MACRO_TARGET

__all__ = ["PEPPA", "pe_ppa"]

Floats = NDArray[np.float64]


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
    tap_pj: Floats
    """An ifmap word read for new products, where there are more or fewer than in `product_pj`."""
    psum_out_pj: Floats
    """A psum that leaves, likewise."""
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

    def beside_products_pj(self, products: Floats, taps: Floats, psums: Floats) -> Floats:
        """Return what taps and psums cost beside the share that is in `product_pj` [pJ].

        Negative where there are fewer of them than in the pass that `product_pj` is about.

        Parameters
        ----------
        products, taps, psums
            Cycles with a product, ifmap words read for them, and psums that leave; shape (n,).
        """
        return (taps - products / REFERENCE_TAP) * self.tap_pj + (
            psums - products / REFERENCE_PSUM
        ) * self.psum_out_pj


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
    macros = SpadMacros(banks={})
    if sram is not None:
        macros = spad_macros(sram, pe_type, kinds, features)
    zero = np.zeros(len(made.in_range))
    period = made["critical_path_ns"]
    if macros.banks:
        period = macros.period_ns(period, made[MACRO_TARGET])
    return PEPPA(
        area_arithmetic_um2=made["area_datapath_um2"],
        area_spads_um2=sum(
            (made[f"area_{spad}_um2"] + macros.area_um2(spad) for spad in SPADS), zero
        ),
        area_control_um2=made["area_control_um2"],
        leakage_uw=sum((macros.leakage_uw(spad) for spad in SPADS), made["leakage_uw"]),
        period_ns=period,
        product_arithmetic_pj=made["product_datapath_pj"],
        product_spads_pj=sum(
            (made[f"product_{spad}_pj"] + macros.product_pj(spad) for spad in SPADS), zero
        ),
        product_control_pj=made["product_control_pj"],
        ifmap_read_pj=zero + macros.read_pj("ifmap_spad"),
        filter_load_pj=made["filter_load_pj"] + macros.write_pj("filter_spad"),
        ifmap_load_pj=made["ifmap_load_pj"] + macros.write_pj("ifmap_spad"),
        tap_pj=made["tap_pj"],
        psum_out_pj=made["psum_out_pj"],
        idle_pj=made["idle_pj"],
        in_range=made.in_range,
    )
