"""Signs and shifts on the narrow operand, shared by the PE types that shift instead of multiply.

Amaranth copies an expression for every place that uses it, so a shared value here enters each
stage of logic once.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Value

__all__ = ["negate_if", "shift_left"]


def negate_if(value: Value, negative: Value) -> Value:
    """Return a signed value, or its negation where the bit `negative` is set, one bit wider."""
    return Mux(negative, -value.as_signed(), value.as_signed())[: len(value) + 1].as_signed()


def shift_left(value: Value, amount: Value) -> Value:
    """Return the signed `value << amount`, a shifter of one stage per bit of `amount`.

    Small shifts come first: each stage is as wide as its result, and no wider.
    """
    for stage, bit in enumerate(amount):
        width = len(value) + (1 << stage)
        value = (value << Cat(Const(0, stage), bit))[:width].as_signed()
    return value
