"""From logarithms to fixed point: the datapath that `lns8` and `lp8` share, for any base factor.

A product of two numbers +-2**(p / gamma) has the sum of their p.  Its remainder modulo gamma picks
a mantissa (`hw.formats.Antilog`: a table, Mitchell's 1 + x, or both), already with the sign of the
product, and the quotient places it.  Bits below the last place of the product are cut off, towards
minus infinity: the shifter has no more stages than the product has bits to fill.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Value, signed

from ..errors import ConfigError
from ..formats import Antilog
from .shift import shift_left

__all__ = ["LogConverter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConverter:
    """Conversion of sign and logarithm to a fixed point product of `bits` bits."""

    antilog: Antilog
    octave_bits: int
    """Bits of the quotient, the logarithm's integer part."""
    lowest_octave: int
    """Logarithm to base 2 that a quotient of zero stands for."""
    highest_octave: int
    """Integer part of the largest logarithm to base 2 there is."""
    bits: int
    """Width of the product in two's complement, sign included."""

    def __post_init__(self) -> None:
        octaves = self.highest_octave - self.lowest_octave + 1
        most = self.antilog.mantissa_fraction + octaves + 1
        if not 2 <= self.bits <= most:
            raise ConfigError(
                f"bits of a product must be from 2 to {most}, which is exact, not {self.bits!r}"
            )

    @property
    def fraction_bits(self) -> int:
        """Binary places of the product; negative where its last place is above one."""
        return self.bits - 2 - self.highest_octave

    @property
    def dropped_bits(self) -> int:
        """Bits cut off below the last place of the product."""
        return self.antilog.mantissa_fraction - self.lowest_octave - self.fraction_bits

    def golden(self, negative: bool, log: int) -> int:
        """Return the product of a sign and a logarithm in units of 1 / gamma above the lowest."""
        octave, remainder = divmod(log, self.antilog.gamma)
        mantissa = _mantissas(self.antilog)[remainder]
        return ((-mantissa if negative else mantissa) << octave) >> self.dropped_bits

    def convert(self, negative: Value, nonzero: Value | None, log: Value) -> Value:
        """Return the same in hardware, zero where `nonzero` is given and low."""
        remainder_bits = self.antilog.gamma.bit_length() - 1
        width = self.antilog.mantissa_bits + 1
        mantissas = _mantissas(self.antilog)
        values = [*mantissas, *(-m for m in mantissas)]
        table = Array(Const(value, signed(width)) for value in values)
        mantissa = Value.cast(table[Cat(log[:remainder_bits], negative)])[:width]
        if nonzero is not None:
            mantissa &= nonzero.replicate(width)
        octave = log[remainder_bits : remainder_bits + self.octave_bits]
        placed = shift_left(mantissa.as_signed(), octave)
        return placed[self.dropped_bits : self.dropped_bits + self.bits].as_signed()


@functools.cache
def _mantissas(antilog: Antilog) -> tuple[int, ...]:
    """Return the mantissa of every remainder."""
    return tuple(int(m) for m in antilog.mantissa(list(range(antilog.gamma))))
