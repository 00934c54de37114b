"""Variants: what is compared on the same design points - PE type, psum width, scratchpad kind.

The baseline set holds `int16` with exact psums and with psums that saturate at 32 and at 16 bits;
"best INT16" is the best of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import PEConfig
from hw.pe.registry import PE_TYPES
from models.pe_ppa import PEPPA, pe_ppa
from models.ppa import PPAModel
from models.sram import SramModel

from .errors import DesignError
from .space import Space

__all__ = ["BASELINE", "PIPELINE_DEPTH", "SPAD_KINDS", "Variant", "fitted_variants"]

BASELINE = "int16"
BASELINE_PSUM_BITS = (None, 32, 16)
SPAD_KINDS = ("flipflop", "macro")
PIPELINE_DEPTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One PE type at one psum width, with one kind for all three scratchpads."""

    pe_type: str
    spad_kind: str
    psum_bits: int | None = None

    def __post_init__(self) -> None:
        if PE_TYPES[self.pe_type].lanes != 1:
            raise DesignError(
                f"pe_type must have one product per cycle, which is what the performance model "
                f"counts, not {PE_TYPES[self.pe_type].lanes} as {self.pe_type!r} has"
            )

    @property
    def name(self) -> str:
        """Name in tables: `int16`, or `int16/sat32` for a saturating psum."""
        return self.pe_type + (f"/sat{self.psum_bits}" if self.psum_bits else "")

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
            pipeline_depth=PIPELINE_DEPTH,
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
            pipeline_depth=PIPELINE_DEPTH,
            features=features,
        )


def fitted_variants(
    model: PPAModel, pe_types: Sequence[str] = (), kinds: Sequence[str] = SPAD_KINDS
) -> list[Variant]:
    """Return the variants that a library's model covers, baseline first.

    PE types with several products per cycle are left out: the performance model counts one.
    """
    wanted = pe_types or model.pe_types
    ordered = sorted(wanted, key=lambda name: (name != BASELINE, name))
    fitted = {
        (name, group.kinds[0])
        for name in model.pe_types
        for group in model.groups(name)
        if len(set(group.kinds)) == 1 and group.pipeline_depth == PIPELINE_DEPTH
    }
    return [
        Variant(pe_type=name, spad_kind=kind, psum_bits=bits)
        for kind in kinds
        for name in ordered
        if (name, kind) in fitted and PE_TYPES[name].lanes == 1
        for bits in (BASELINE_PSUM_BITS if name == BASELINE else (None,))
    ]
