"""`lp8`: logarithmic posits LP<8, 2, 2> as weights and activations, one lane.

Regime and tail of a code are one fixed point logarithm; products add logarithms and are converted
by the same table and shifter as those of `lns8`, to 24 bits.  NaR counts as zero.

The published array (LPA) also splits a weight word into two 4-bit or four 2-bit weights that share
one activation; those modes are missing.  Its decoders stand at the edge of the array; here both are
inside the PE, which is still open.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Value

from ..formats import Antilog, LogPosit
from .approximate import ApproximatePEType
from .logarithm import LogConverter
from .regime import split_regime
from .shift import negate_if

__all__ = ["LP8", "lp_type"]


def lp_type(name: str, fmt: LogPosit, *, fraction: int = 8, bits: int = 24) -> ApproximatePEType:
    """Return the PE type of logarithmic posits.

    Parameters
    ----------
    fmt
        Format of weights and activations; its sf must be 0, a scale is applied outside the PE.
    fraction
        Fraction bits of the entries of the table of powers of two.
    bits
        Width of a product.
    """
    gamma = 1 << fmt.log_fraction
    antilog = Antilog(gamma=gamma, table=gamma, fraction=fraction)
    without_log = (0, fmt.nar_code)
    logs = {c: fmt.log2_exact(c) for c in range(1 << fmt.bits) if c not in without_log}
    largest = max(abs(int(log * gamma)) for _, log in logs.values())
    sum_bits = (2 * largest).bit_length() + 1
    octave_bits = sum_bits - fmt.log_fraction
    converter = LogConverter(
        antilog=antilog,
        octave_bits=octave_bits,
        lowest_octave=-(1 << (octave_bits - 1)),
        highest_octave=2 * largest // gamma,
        bits=bits,
    )
    bias = 1 << (sum_bits - 1)

    def product(weight: int, activation: int) -> int:
        if weight in without_log or activation in without_log:
            return 0
        (sign_w, log_w), (sign_a, log_a) = logs[weight], logs[activation]
        return converter.golden(sign_w != sign_a, int((log_w + log_a) * gamma) + bias)

    def multiply(weight: Value, activation: Value) -> Value:
        total = (_log(weight) + _log(activation))[:sum_bits]
        above_lowest = Cat(total[:-1], ~total[-1])
        negative = weight[-1] ^ activation[-1]
        nonzero = weight[:-1].any() & activation[:-1].any()
        return converter.convert(negative, nonzero, above_lowest)

    def _log(code: Value) -> Value:
        """Return the signed logarithm in units of 1 / gamma; of zero and NaR, any."""
        magnitude = negate_if(code[:-1], code[-1])[: len(code) - 1]
        k, rest = split_regime(magnitude, fmt.rs)
        tail = rest[len(rest) - fmt.es - fmt.log_fraction :]
        return Cat(tail, k).as_signed()

    return ApproximatePEType(
        name=name,
        weight=fmt,
        activation=fmt,
        fraction_bits=converter.fraction_bits,
        product_bits=bits,
        product=product,
        multiply=multiply,
        description=f"logarithmic posits <{fmt.bits},{fmt.es},{fmt.rs}>, one lane, products within "
        f"{antilog.largest_error():.3%} and one unit in the last of {bits} bits, NaR counts as "
        "zero",
        relative_error=antilog.largest_error(),
        absolute_error=1.0,
    )


LP8 = lp_type("lp8", LogPosit(8, 2, 2))
