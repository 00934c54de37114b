"""Compiled loops: for what an array operation at a time would be too slow for."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

__all__ = ["compiled"]

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile a function of arrays and numbers when it is first called; kept between runs."""
    return cast("Callable[P, T]", numba.njit(cache=True)(function))
