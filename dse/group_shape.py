"""One group of a layer, what a mapping maps; and divisions of numbers and arrays.

Groups of a layer follow each other and are alike.  C and M are those of one group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.layer import Layer

__all__ = ["GroupShape", "ceil_div", "floor_div"]


def ceil_div(a: Any, b: Any) -> Any:
    """Return a / b rounded up: int for ints, float64 for arrays (exact, numbers are below 2**53).

    Division of float64 is vectorised by numpy, division of integers is not.
    """
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    return np.ceil(np.true_divide(a, b))


def floor_div(a: Any, b: Any) -> Any:
    """Return a / b rounded down, with the types of `ceil_div`."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    return np.floor(np.true_divide(a, b))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShape:
    """One group of a layer."""

    groups: int
    n: int
    """Batch."""
    c: int
    """Channels of the group."""
    m: int
    """Filters of the group."""
    e: int
    f: int
    r: int
    s: int
    row_step: int
    """Input rows from one output row to the next that are used, min(U, R)."""
    col_step: int
    """Input columns from one position to the next that are used, min(U, S)."""

    @classmethod
    def of(cls, layer: Layer) -> GroupShape:
        """Return the shape of one group of `layer`."""
        return cls(
            groups=layer.groups, n=layer.n, c=layer.c // layer.groups, m=layer.m // layer.groups,
            e=layer.e, f=layer.f, r=layer.r, s=layer.s,
            row_step=min(layer.stride, layer.r), col_step=min(layer.stride, layer.s),
        )  # fmt: skip

    @property
    def columns(self) -> int:
        """Input columns that are used, padding included: the H of the published rule."""
        return (self.f - 1) * self.col_step + self.s

    @property
    def outputs(self) -> int:
        """Outputs of the group over the batch."""
        return self.n * self.m * self.e * self.f

    def strip_rows(self, e: Any) -> Any:
        """Return the input rows that `e` output rows use."""
        return (e - 1) * self.row_step + self.r
