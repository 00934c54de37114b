"""What a PE type is: two number formats, a product, the logic that forms it, and how it adds up.

Everything that differs between PE types is said here; every other room reads it from the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..formats import NumberFormat

if TYPE_CHECKING:
    from amaranth.hdl import Value

    from .cut import Cut

__all__ = ["Accumulator", "Decoder", "PEType", "Scaling"]


class Accumulator(Protocol):
    """How psums add up where they are not two's complement integers."""

    @property
    def bits(self) -> int:
        """Width of a psum and of a product [bits]."""
        ...

    @property
    def stages(self) -> int:
        """Clock cycles of an addition; odd, for the two banks of a `macro` scratchpad."""
        ...

    def add_golden(self, psum: int, product: int) -> int:
        """Return the code of the sum of two codes."""
        ...

    def add(self, psum: Value, product: Value, cuts: Sequence[Cut]) -> Value:
        """Return the same in hardware, with `stages` - 1 cuts; the result is registered outside."""
        ...


class Scaling(Protocol):
    """How the exact sum of a block gets the scales its elements share (Microscaling).

    After the elements of a block come `words` words with the scales, low bits first, in the weight
    and in the activation stream.
    """

    @property
    def words(self) -> int:
        """Words an 8-bit scale takes."""
        ...

    @property
    def block(self) -> int:
        """Most elements that are summed exactly."""
        ...

    @property
    def block_bits(self) -> int:
        """Width of what is kept of a block: its sum, and what is known of its scales [bits]."""
        ...

    def scaled(self, total: int, weight_scale: int, activation_scale: int) -> int:
        """Return the accumulator's code of a block's sum of products times both scales."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Turns a code into the operand of a product, in the PE or at the edge of the array."""

    bits: int
    """Width of the operand [bits]."""
    golden: Callable[[int], int]
    decode: Callable[[Value], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class PEType:
    """A named pair of weight format and activation format with a product.

    A rounded product is within relative_error * |exact product| + absolute_error of the exact one
    for every pair of codes that stand for numbers; psums add products exactly, or as the
    accumulator says.
    """

    name: str
    weight: NumberFormat
    activation: NumberFormat
    fraction_bits: int
    """Binary places of a product and of a psum."""
    product_bits: int
    """Width of a product in two's complement, or of an accumulator's code [bits]."""
    product: Callable[[int, int], int]
    """Golden product: (weight code, activation code) to the product times 2**fraction_bits, or to
    the accumulator's code; with filter lanes to their products side by side, lane 0 lowest."""
    multiply: Callable[[Value, Value, Cut], Value]
    """The same in hardware, of codes or of decoded operands: a signed value that holds the product
    (unsigned codes with an accumulator or filter lanes).  The cut is there at pipeline depth 3."""
    description: str

    pipeline_depth: int = 2
    """Register stages from operands to product and sum, unless a PE point says otherwise."""
    channel_lanes: int = 1
    """Products per cycle that go to one psum."""
    filter_lanes: int = 1
    """Products per cycle that go to psums of their own, side by side in one psum word."""
    terms: int = 1
    """Most cycles a weight takes; each brings a word of its own."""
    relative_error: float = 0.0
    """Largest error of a product in proportion to the exact one."""
    absolute_error: float = 0.0
    """Largest further error, in units of the product's last place (2**-fraction_bits)."""
    accumulator: Accumulator | None = None
    """How psums add up; None is two's complement, exact or saturating."""
    scaling: Scaling | None = None
    """Blocks with shared scales; products are then summed exactly within a block."""
    weight_decoder: Decoder | None = None
    """What can stand at the array's edge instead of in every PE; `multiply` takes its operand."""
    activation_decoder: Decoder | None = None

    @property
    def lanes(self) -> int:
        """Products per cycle."""
        return self.channel_lanes * self.filter_lanes

    @property
    def min_psum_bits(self) -> int:
        """Narrowest psum of a lane that can take one product without saturating [bits]."""
        return min(self.product_bits, 16)
