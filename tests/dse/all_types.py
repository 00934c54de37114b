"""A model of every registered PE type, for tests: copies of the shipped fits of `int8`."""

from __future__ import annotations

import dataclasses

from hw.config import PEConfig
from hw.pe.registry import PE_TYPES
from models.model_file import ModelFile, find_model_file, load_model_file

__all__ = ["file_of_all_types"]


def file_of_all_types() -> ModelFile:
    """Return a model file with flip-flop and macro groups of every PE type at its own depth."""
    shipped = load_model_file(find_model_file("nangate45"))
    copied = {
        group.kinds: group
        for group in shipped.groups
        if group.pe_type == "int8" and group.kinds[0] in ("flipflop", "macro")
    }
    groups = tuple(
        dataclasses.replace(group, pe_type=name, pipeline_depth=PEConfig(pe_type=name).depth)
        for name in PE_TYPES
        for group in copied.values()
    )
    held_out = dict.fromkeys(PE_TYPES, shipped.held_out["int8"])
    return dataclasses.replace(shipped, library="copies", groups=groups, held_out=held_out)
