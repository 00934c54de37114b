"""`lp8`, `lp4`, `lp2`: logarithmic posits, activations LP<8, 2, 2> and weights of 8, 4 or 2 bits.

Regime and tail of a code are one fixed point logarithm; products add logarithms and are converted
by the same table and shifter as those of `lns8`.  NaR counts as zero.  A decoded operand is that
logarithm and the sign; zero and NaR have the lowest logarithm, which is below that of any number.

In the published array (LPA) an 8-bit weight word carries one weight of 8 bits, two of 4 or four of
2, which share one activation.  There the mode is chosen at run time; here each is a PE type, with
psums side by side.  Products of all three have the same last place, 2**-7.  Weights of 2 bits are
-1, 0 and 1, so that the activation is converted once for all lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Mux, Value

from ..formats import Antilog, LogPosit
from ..formats.packed import Packed
from .cut import Cut
from .logarithm import LogConverter
from .pe_type import Decoder, PEType
from .regime import split_regime
from .shift import negate_if

__all__ = ["LP2", "LP4", "LP8", "lp_type"]

_Fields = tuple[Value, Value, Value]
"""Sign, whether the value is not zero, signed logarithm."""


@dataclass(frozen=True, slots=True)
class _Operand:
    """Decoded operands of one format, `lanes` of them side by side: logarithm, then sign."""

    fmt: LogPosit
    lanes: int = 1

    @property
    def regime(self) -> int:
        """Longest run there is."""
        return min(self.fmt.rs, self.fmt.bits - 1)

    @property
    def tail_bits(self) -> int:
        """Bits of a logarithm behind k."""
        return self.fmt.es + self.fmt.log_fraction

    @property
    def lane_bits(self) -> int:
        """Bits of one operand: signed k, tail, sign."""
        return (self.regime - 1).bit_length() + 1 + self.tail_bits + 1

    @property
    def decoder(self) -> Decoder:
        """The decoder of a word."""
        return Decoder(bits=self.lanes * self.lane_bits, golden=self.golden, decode=self.decode)

    def log(self, code: int) -> tuple[int, int] | None:
        """Return sign and logarithm of a code in units of its last place; None has none."""
        if code in (0, self.fmt.nar_code):
            return None
        sign, log = self.fmt.log2_exact(code)
        return sign, int(log * (1 << self.fmt.log_fraction))

    def golden(self, word: int) -> int:
        """Return the operand of a word."""
        bits, width, operand = self.fmt.bits, self.lane_bits - 1, 0
        for lane in range(self.lanes):
            code = word >> bits * lane & ((1 << bits) - 1)
            lowest = code >> (bits - 1), -self.regime << self.tail_bits
            sign, log = self.log(code) or lowest
            operand |= (log % (1 << width) | sign << width) << self.lane_bits * lane
        return operand

    def decode(self, word: Value) -> Value:
        """Return the same in hardware."""
        return Cat(self._decode(code) for code in _split(word, self.lanes))

    def _decode(self, code: Value) -> Value:
        magnitude = negate_if(code[:-1], code[-1])[: len(code) - 1]
        k, rest = split_regime(magnitude, self.fmt.rs)
        tail = Cat(Const(0, self.tail_bits), rest)[len(rest) :]
        return Cat(tail, k, code[-1])

    def fields(self, operand: Value) -> list[_Fields]:
        """Return the fields of each lane of an operand."""
        lowest = -self.regime << self.tail_bits
        lanes = [(each[-1], each[:-1].as_signed()) for each in _split(operand, self.lanes)]
        return [(sign, log != lowest, log) for sign, log in lanes]


def _split(word: Value, lanes: int) -> list[Value]:
    width = len(word) // lanes
    return [word[width * lane : width * (lane + 1)] for lane in range(lanes)]


def lp_type(
    name: str,
    weight: LogPosit,
    activation: LogPosit,
    *,
    lanes: int = 1,
    fraction: int = 8,
    bits: int = 24,
) -> PEType:
    """Return the PE type of logarithmic posits.

    Parameters
    ----------
    weight, activation
        Formats; their sf must be 0, a scale is applied outside the PE.
    lanes
        Weights in a word, which share an activation.
    fraction
        Fraction bits of the entries of the table of powers of two.
    bits
        Width of a product.
    """
    weights, activations = _Operand(weight, lanes), _Operand(activation)
    places = max(weight.log_fraction, activation.log_fraction)
    up_w, up_a = places - weight.log_fraction, places - activation.log_fraction
    logs_w, logs_a = (
        [log for code in range(1 << each.fmt.bits) for _, log in [each.log(code) or (0, 0)]]
        for each in (weights, activations)
    )
    only_signs = not any(logs_w)
    lowest, highest = ((end(logs_w) << up_w) + (end(logs_a) << up_a) for end in (min, max))
    bias = 1 << max(highest, ~lowest).bit_length()
    antilog = Antilog(gamma=1 << places, table=1 << places, fraction=fraction)
    converter = LogConverter(
        antilog=antilog,
        octave_bits=(2 * bias >> places).bit_length() - 1,
        lowest_octave=-bias >> places,
        highest_octave=highest >> places,
        bits=bits,
    )

    def product(word: int, code_a: int) -> int:
        if lanes == 1:
            return lane_product(word, code_a)
        codes = (word >> weight.bits * lane & ((1 << weight.bits) - 1) for lane in range(lanes))
        products = (lane_product(code, code_a) % (1 << bits) for code in codes)
        return sum(value << bits * lane for lane, value in enumerate(products))

    def lane_product(code_w: int, code_a: int) -> int:
        w, a = weights.log(code_w), activations.log(code_a)
        if w is None or a is None:
            return 0
        return converter.golden(w[0] != a[0], (w[1] << up_w) + (a[1] << up_a) + bias)

    def multiply(word: Value, operand: Value, cut: Cut) -> Value:
        lanes_w = weights.fields(cut.name(word, "weight_operand"))
        (lane_a,) = activations.fields(cut.name(operand, "activation_operand"))
        if only_signs:
            return Cat(signed(lanes_w, lane_a, cut))
        products = [lane_of(lane_w, lane_a, cut) for lane_w in lanes_w]
        return products[0] if lanes == 1 else Cat(products)

    def lane_of(lane_w: _Fields, lane_a: _Fields, cut: Cut) -> Value:
        """Return the product of one lane: logarithms added, then converted."""
        (negative_w, nonzero_w, log_w), (negative_a, nonzero_a, log_a) = lane_w, lane_a
        log = cut.name(above_lowest((log_w << up_w) + (log_a << up_a)), "log")
        negative = cut(negative_w ^ negative_a, "negative")
        return converter.convert(negative, cut(nonzero_w & nonzero_a, "nonzero"), cut(log, "sum"))

    def signed(lanes_w: list[_Fields], lane_a: _Fields, cut: Cut) -> list[Value]:
        """Return the products of weights of -1, 0 and 1: one conversion with either sign."""
        negative_a, nonzero_a, log_a = lane_a
        log, nonzero = cut(above_lowest(log_a), "log"), cut(nonzero_a, "nonzero_activation")
        plus, minus = (
            cut.name(converter.convert(Const(sign, 1), nonzero, log), name)
            for sign, name in enumerate(("plus", "minus"))
        )
        return [
            Mux(cut(negative_w ^ negative_a, "negative"), minus, plus)[:bits]
            & cut(nonzero_w, "nonzero").replicate(bits)
            for negative_w, nonzero_w, _ in lanes_w
        ]

    def above_lowest(log: Value) -> Value:
        """Return a signed logarithm plus the bias, which only flips the sign bit."""
        sign = bias.bit_length() - 1
        return Cat(log[:sign], ~log[sign])

    lane_text = "one lane" if lanes == 1 else f"{lanes} lanes"
    return PEType(
        name=name,
        weight=weight if lanes == 1 else Packed(weight, lanes),
        activation=activation,
        fraction_bits=converter.fraction_bits,
        product_bits=bits,
        product=product,
        multiply=multiply,
        description=f"logarithmic posits {_text(weight)} x {_text(activation)}, {lane_text}, "
        f"products within {antilog.largest_error():.3%} and one unit in the last of {bits} bits, "
        "NaR counts as zero",
        pipeline_depth=3,
        filter_lanes=lanes,
        relative_error=antilog.largest_error(),
        absolute_error=1.0,
        weight_decoder=weights.decoder,
        activation_decoder=activations.decoder,
    )


def _text(fmt: LogPosit) -> str:
    return f"<{fmt.bits},{fmt.es},{fmt.rs}>"


_ACTIVATION = LogPosit(8, 2, 2)
LP8 = lp_type("lp8", _ACTIVATION, _ACTIVATION)
LP4 = lp_type("lp4", LogPosit(4, 0, 3), _ACTIVATION, lanes=2, bits=18)
LP2 = lp_type("lp2", LogPosit(2, 0, 1), _ACTIVATION, lanes=4, bits=16)
