"""Mappings kept on disk: an exploration that was made before finds its mappings again.

An entry is named by the digest of everything a mapping follows from: the layer's shape, the columns
and scalars of the designs, and the sources of the mapper.  Entries are written whole or not at all,
hold numbers only, and are made anew where they cannot be read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from hw.layer import Layer

from .designs import DesignArrays
from .mapper import MappingArrays, map_layer

__all__ = ["map_layer_cached"]

_SOURCES = (
    "dse/designs.py", "dse/estimate.py", "dse/group_shape.py", "dse/hardware.py", "dse/mapper.py",
    "dse/places.py", "dse/rules.py", "hw/accelerator_config.py", "hw/accelerator_counts.py",
    "hw/accelerator_waits.py", "hw/array/row_stationary_counts.py",
    "hw/array/row_stationary_cycles.py",
)  # fmt: skip
_INTEGERS = "mnepqrt"


@functools.cache
def _mapper_digest() -> bytes:
    root = Path(__file__).parent.parent
    return hashlib.sha256(b"".join((root / source).read_bytes() for source in _SOURCES)).digest()


def _entry_name(layer: Layer, designs: DesignArrays) -> str:
    total = hashlib.sha256(_mapper_digest())
    total.update(repr(dataclasses.astuple(layer)[1:]).encode())
    for field in dataclasses.fields(designs):
        value = getattr(designs, field.name)
        total.update(field.name.encode())
        total.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return f"{total.hexdigest()[:32]}.npz"


def map_layer_cached(
    layer: Layer, designs: DesignArrays, folder: Path | None
) -> tuple[MappingArrays, bool]:
    """Return `map_layer(layer, designs)` and whether it was found in the folder.

    Without a folder nothing is kept.
    """
    if folder is None:
        return map_layer(layer, designs), False
    path = folder / _entry_name(layer, designs)
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as entry:
            table, reason = entry["mapping"], entry["reason"]
        if table.shape == (7, len(designs)) and reason.shape == (len(designs),):
            rows = dict(zip(_INTEGERS, table.astype(np.int64), strict=True))
            kept = MappingArrays(**rows, reason=reason.astype(np.int8), feasible=reason == 0)
            return kept, True
    found = map_layer(layer, designs)
    _keep(found, path)
    return found, False


def _keep(found: MappingArrays, path: Path) -> None:
    """Write an entry; without room for it there is none."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix="partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                table = np.stack([getattr(found, name) for name in _INTEGERS]).astype(np.int32)
                np.savez_compressed(file, mapping=table, reason=found.reason)
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)
