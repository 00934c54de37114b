"""Variants: what is compared on the same design points - PE type, psum width, scratchpad kind.

The baseline set holds `int16` with exact psums and with psums that saturate at 32 and at 16 bits;
"best INT16" is the best of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import PEConfig
from models.pe_ppa import PEPPA, pe_ppa
from models.ppa import PPAModel
from models.sram import SramModel

from .errors import DesignError
from .space import Space

__all__ = ["BASELINE", "RIVALS", "SPAD_KINDS", "Variant", "fitted_variants"]

BASELINE = "int16"
BASELINE_PSUM_BITS = (None, 32, 16)
RIVALS = ("int8", "int4")
"""What a number format of few bits must beat too to be worth its trouble."""
SPAD_KINDS = ("flipflop", "macro")
PIPELINE_DEPTHS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One PE type at one psum width and pipeline depth, with one kind for all scratchpads."""

    pe_type: str
    spad_kind: str
    psum_bits: int | None = None
    pipeline_depth: int | None = None
    """None is the PE type's own."""

    @property
    def name(self) -> str:
        """Name in tables: `int16`, `int16/sat32` (psums saturate), `int16/d2` (pipeline depth)."""
        psum = f"/sat{self.psum_bits}" if self.psum_bits else ""
        return self.pe_type + psum + (f"/d{self.pipeline_depth}" if self.pipeline_depth else "")

    @property
    def kinds(self) -> tuple[str, str, str]:
        """Kinds of the ifmap, filter and psum scratchpad."""
        return (self.spad_kind, self.spad_kind, self.spad_kind)

    def pe_config(self, ifmap: int = 12, filters: int = 224, psum: int = 24) -> PEConfig:
        """Return the PE point of this variant with the given scratchpads [words]."""
        return PEConfig(
            pe_type=self.pe_type,
            ifmap_spad=ifmap,
            filter_spad=filters,
            psum_spad=psum,
            ifmap_spad_kind=self.spad_kind,
            filter_spad_kind=self.spad_kind,
            psum_spad_kind=self.spad_kind,
            psum_bits=self.psum_bits,
            pipeline_depth=self.pipeline_depth,
        )

    def pe_figures(self, space: Space, model: PPAModel, sram: SramModel | None) -> PEPPA:
        """Return power, performance and area of the PE of every point of the space."""
        config = self.pe_config()
        features = {
            name: space.columns[name] for name in ("ifmap_spad", "filter_spad", "psum_spad")
        }
        size = len(space)
        features["psum_width"] = np.full(size, float(config.psum_width))
        features["saturating"] = np.full(size, float(config.saturating))
        return pe_ppa(
            model,
            sram,
            self.pe_type,
            kinds=self.kinds,
            pipeline_depth=config.depth,
            features=features,
        )


def fitted_variants(
    model: PPAModel, pe_types: Sequence[str] = (), kinds: Sequence[str] = SPAD_KINDS
) -> list[Variant]:
    """Return the variants that a library's model covers, baseline and rivals first.

    Where a PE type is fitted at other pipeline depths than its own too, each is a variant: a deep
    pipeline is faster, a shallow one takes less energy, and the best of a type is the best of all.

    Raises
    ------
    DesignError
        For a type in `pe_types` that is not fitted at its own pipeline depth.
    """
    first = (BASELINE, *RIVALS)
    ordered = sorted(
        pe_types or model.pe_types,
        key=lambda name: (first.index(name) if name in first else len(first), name),
    )
    own = {name: PEConfig(pe_type=name).depth for name in ordered}
    fitted = {
        (name, group.kinds[0], group.pipeline_depth)
        for name in ordered
        for group in model.groups(name)
        if len(set(group.kinds)) == 1
    }
    for name in pe_types:
        if not any((name, kind, own[name]) in fitted for kind in kinds):
            raise DesignError(
                f"{name} has no model at pipeline depth {own[name]}, its own, "
                f"with {' or '.join(kinds)} scratchpads in the models of {model.library}"
            )
    return [
        Variant(
            pe_type=name,
            spad_kind=kind,
            psum_bits=bits,
            pipeline_depth=None if depth == own[name] else depth,
        )
        for kind in kinds
        for name in ordered
        for depth in (own[name], *(d for d in PIPELINE_DEPTHS if d != own[name]))
        if (name, kind, own[name]) in fitted and (name, kind, depth) in fitted
        for bits in (BASELINE_PSUM_BITS if name == BASELINE else (None,))
    ]
