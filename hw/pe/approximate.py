"""PE types whose product is rounded: the same as any other, with the error declared."""

from __future__ import annotations

from dataclasses import dataclass

from .pe_type import PEType

__all__ = ["ApproximatePEType"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproximatePEType(PEType):
    """A PE type with |product - exact product| <= relative_error * |exact| + absolute_error.

    The bound holds for every pair of codes that stand for numbers; psums add products exactly.
    """

    relative_error: float
    """Largest error in proportion to the exact product."""
    absolute_error: float
    """Largest further error, in units of the product's last place (2**-fraction_bits)."""
