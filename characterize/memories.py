"""Memories as the rooms above see them: the SRAM model of `flows.sram` and its error.

A memory is to a macro scratchpad what a datapoint is to logic: models and exploration get both from
here and know no tool.
"""

from __future__ import annotations

from flows.errors import FlowError
from flows.sram import DEFAULT_DEVICE, DEVICES, NODES_NM, Glb, SramModel, node_of_library

__all__ = [
    "DEFAULT_DEVICE", "DEVICES", "NODES_NM", "FlowError", "Glb", "SramModel", "node_of_library",
]  # fmt: skip
