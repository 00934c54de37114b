"""What a PE type is: two number formats, an exact product, and the logic that forms it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..formats import NumberFormat

if TYPE_CHECKING:
    from amaranth.hdl import Value

__all__ = ["PEType"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PEType:
    """A named pair of weight format and activation format with a product."""

    name: str
    weight: NumberFormat
    activation: NumberFormat
    fraction_bits: int
    """Binary places of a product and of a psum."""
    product_bits: int
    """Width of the exact product in two's complement [bits]."""
    product: Callable[[int, int], int]
    """Golden product: (weight code, activation code) to the product times 2**fraction_bits."""
    multiply: Callable[[Value, Value], Value]
    """The same in hardware: two code values to a signed value that holds the exact product."""
    description: str

    lanes: int = 1
    """Products per cycle."""

    @property
    def min_psum_bits(self) -> int:
        """Narrowest psum that can take one product without saturating [bits]."""
        return min(self.product_bits, 16)
