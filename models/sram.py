"""On-chip memories: the SRAM model, which stands in for macros as polynomials do for logic."""

from __future__ import annotations

from characterize.memories import (
    DEFAULT_DEVICE,
    DEVICES,
    NODES_NM,
    FlowError,
    Glb,
    SramModel,
    node_of_library,
)

__all__ = [
    "DEFAULT_DEVICE", "DEVICES", "NODES_NM", "FlowError", "Glb", "SramModel", "node_of_library",
]  # fmt: skip
