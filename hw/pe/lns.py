"""`lns8`: 8-bit logarithmic weights and activations, base factor 8.

A product is an addition of logarithms; a table of the eight values 2**(r / 8) with 8 fraction bits
and a shifter make it fixed point.  Products span 32 octaves, of which the 24 bits of a product keep
the upper 23; what is smaller than 2**-23 of the full scale is cut off.  The format has no zero.
"""

from __future__ import annotations

from amaranth.hdl import Value

from ..formats import LNS, Antilog
from .cut import Cut
from .logarithm import LogConverter
from .pe_type import PEType

__all__ = ["LNS8", "lns_type"]


def lns_type(
    name: str, gamma: int, *, table: int | None = None, fraction: int = 8, bits: int = 24
) -> PEType:
    """Return the PE type of 8-bit logarithmic numbers with a base factor.

    Parameters
    ----------
    gamma
        Base factor, a power of two.
    table
        Entries of the table of powers of two, the rest of the remainder by Mitchell's rule;
        gamma of them without it.
    fraction
        Fraction bits of an entry.
    bits
        Width of a product.
    """
    fmt = LNS(8, gamma)
    antilog = Antilog(gamma=gamma, table=table or gamma, fraction=fraction)
    log_bits = fmt.bits - 1
    converter = LogConverter(
        antilog=antilog,
        octave_bits=log_bits + 1 - (gamma.bit_length() - 1),
        lowest_octave=0,
        highest_octave=2 * ((1 << log_bits) - 1) // gamma,
        bits=bits,
    )

    logs = [fmt.log2_exact(code) for code in range(1 << fmt.bits)]

    def product(weight: int, activation: int) -> int:
        (sign_w, log_w), (sign_a, log_a) = logs[weight], logs[activation]
        return converter.golden(sign_w != sign_a, int((log_w + log_a) * gamma))

    def multiply(weight: Value, activation: Value, cut: Cut) -> Value:
        negative = cut(weight[log_bits] ^ activation[log_bits], "negative")
        log = cut(cut.name(weight[:log_bits] + activation[:log_bits], "log"), "sum")
        return converter.convert(negative, None, log)

    return PEType(
        name=name,
        weight=fmt,
        activation=fmt,
        fraction_bits=converter.fraction_bits,
        product_bits=bits,
        product=product,
        multiply=multiply,
        description=f"8-bit logarithmic weights and activations, base factor {gamma}, products "
        f"within {antilog.largest_error():.3%} and one unit in the last of {bits} bits",
        relative_error=antilog.largest_error(),
        absolute_error=1.0,
    )


LNS8 = lns_type("lns8", 8)
