"""Counters that know beforehand where they end, and levels that know when they are empty or full.

A loop of the shell asks at every step whether it is its first or its last one, a queue whether it
has a word or room for one.  Comparing counts would put all comparisons of a nest of loops, or of
all queues that must be ready, before the step; here the answers are registers, prepared with the
step before.
"""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import Module, Signal, Value, ValueLike

__all__ = ["Counter", "Level", "counter", "level"]


class Counter(NamedTuple):
    """Where a counter stands."""

    first: Signal
    ends: Signal
    """It stands at its last value, and begins again with the next step."""
    ends_next: Value
    """What `ends` will be after a step."""


def counter(m: Module, name: str, last: Value, *, start: Value, step: Value) -> Counter:
    """Count from 0 to `last` again and again, from 0 at `start`.

    `last` is looked at when the counter begins, so it must hold what is right by then.
    """
    left = Signal(len(last), name=f"{name}_left", reset_less=True)
    first, ends = (Signal(name=f"{name}_{what}") for what in ("first", "ends"))
    ends_next = Signal(name=f"{name}_ends_next")
    m.d.comb += ends_next.eq(left == 1)
    begins = start | (step & ends)
    with m.If(ends):
        m.d.comb += ends_next.eq(last == 0)
    with m.If(begins):
        m.d.sync += [left.eq(last), first.eq(1), ends.eq(last == 0)]
    with m.Elif(step):
        m.d.sync += [left.eq(left - 1), first.eq(0), ends.eq(ends_next)]
    return Counter(first, ends, ends_next)


class Level(NamedTuple):
    """What a level says."""

    some: Signal
    """It is above 0."""
    room: Signal
    """It is below the most."""


def level(
    m: Module, name: str, most: int, *, up: Value, down: Value, start: ValueLike = 0
) -> Level:
    """Count how many are inside, 0 at `start`: `up` must hold only with `room`, `down` with
    `some`."""
    inside = Signal(range(most + 1), name=f"{name}_level")
    some, room = Signal(name=f"{name}_some"), Signal(name=f"{name}_room", init=1)
    with m.If(start):
        m.d.sync += [inside.eq(0), some.eq(0), room.eq(1)]
    with m.Elif(up & ~down):
        m.d.sync += [inside.eq(inside + 1), some.eq(1), room.eq(inside != most - 1)]
    with m.Elif(down & ~up):
        m.d.sync += [inside.eq(inside - 1), some.eq(inside != 1), room.eq(1)]
    return Level(some, room)
