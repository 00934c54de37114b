"""Carry-save addition: many rows of bits become few, without a carry that runs along a row.

Three rows become two of the same sum: one of the sums in each place, one of the carries into the
next.  So a step takes the time of one full adder, however long the rows are.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value

__all__ = ["carry_save"]


def carry_save(m: Module, rows: Sequence[Value], number: int) -> list[Value]:
    """Return so many rows (at least 2) whose sum is that of `rows`, modulo the longest row."""
    bits = max(len(row) for row in rows)
    rows = list(rows)
    while len(rows) > number:
        a, b, c, *rest = rows
        odd, two = Signal(bits, name="odd"), Signal(bits, name="two")
        m.d.comb += [odd.eq(a ^ b ^ c), two.eq((a & b) | (b & c) | (c & a))]
        rows = [*rest, odd, (two << 1)[:bits]]
    return rows
