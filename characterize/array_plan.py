"""Which arrays are measured of each PE type.

The overhead hardly depends on the scratchpads (the width of one counter does), so all sizes have
the smallest; one array with those of the Eyeriss chip shows that this is so.  Lanes, rows and
columns vary together: a fit needs each of them apart from the others, not all combinations.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

from hw.array.row_stationary_config import RowStationaryConfig
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES

__all__ = ["Size", "parse_size", "plan_arrays"]

Size = tuple[int, int, int, int]
"""Rows, columns, lanes of the filter and of the ifmap network."""
_SMALLEST, _EYERISS = (2, 2, 2), (12, 224, 24)
"""Words of the ifmap, filter and psum scratchpad."""
_QUICK: tuple[Size, ...] = (
    (2, 2, 1, 1), (4, 4, 8, 8), (1, 8, 2, 2), (8, 1, 2, 2), (3, 5, 2, 4), (1, 1, 1, 1),
    (8, 8, 4, 4),
)  # fmt: skip
_MORE: tuple[Size, ...] = (
    (4, 8, 4, 2), (5, 3, 4, 1), (2, 2, 8, 2), (4, 4, 2, 2), (8, 4, 1, 4), (3, 3, 1, 1),
    (6, 6, 2, 2), (2, 8, 1, 4), (8, 2, 8, 1), (8, 8, 1, 1), (8, 8, 8, 2),
)  # fmt: skip
_FLAT: tuple[Size, ...] = ((2, 2, 1, 1), (3, 3, 1, 1), (4, 4, 2, 2))
_SATURATING = 24
"""Bits of psums that saturate."""


def parse_size(text: str) -> Size:
    """Return the size that a text like `12x14/8/4` names."""
    match = re.fullmatch(r"(\d+)x(\d+)/(\d+)/(\d+)", text)
    if match is None:
        raise ConfigError(
            "a size must be rows x columns / filter lanes / ifmap lanes, like 12x14/8/4, "
            f"not {text!r}"
        )
    rows, cols, filters, ifmaps = map(int, match.groups())
    return rows, cols, filters, ifmaps


def _array(pe: PEConfig, size: Size) -> RowStationaryConfig:
    rows, cols, filters, ifmaps = size
    return RowStationaryConfig(
        pe=pe, rows=rows, cols=cols, filter_lanes=filters, ifmap_lanes=ifmaps
    )


def plan_arrays(
    pe_type: str, *, quick: bool = False, sizes: Sequence[Size] = ()
) -> Iterator[tuple[RowStationaryConfig, str]]:
    """Yield the arrays to measure of one PE type, each with its form (`ArrayTask.form`).

    Parameters
    ----------
    sizes
        These, in parts and with the smallest scratchpads, instead of the plan's.
    """
    small, large = (
        PEConfig(pe_type=pe_type, ifmap_spad=ifmap, filter_spad=filters, psum_spad=psum)
        for ifmap, filters, psum in (_SMALLEST, _EYERISS)
    )
    for size in sizes or (_QUICK if quick else _QUICK + _MORE):
        yield _array(small, size), "parts"
    if sizes:
        return
    for size in _FLAT[:1] if quick else _FLAT:
        yield _array(small, size), "flat"
    if quick:
        return
    if PE_TYPES[pe_type].accumulator is None:
        for size in _FLAT[:2]:
            yield _array(dataclasses.replace(small, psum_bits=_SATURATING), size), "parts"
    for form in ("parts", "flat"):
        yield _array(large, _FLAT[-1]), form
