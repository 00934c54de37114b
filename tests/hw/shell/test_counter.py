"""Counters and levels against plain counting, queues against a list."""

from __future__ import annotations

import random
from collections import deque

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from hw.shell.counter import counter, level
from hw.shell.queue import Queue


def simulate(module, bench) -> None:
    """Run a bench on a module."""
    simulator = Simulator(module)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("last", [0, 1, 2, 6])
def test_counter(last: int) -> None:
    m, dice = Module(), random.Random(last)
    start, step, limit = Signal(), Signal(), Signal(3)
    count = counter(m, "count", limit, start=start, step=step)
    m.d.comb += limit.eq(last)

    async def bench(ctx) -> None:
        at = None
        for cycle in range(200):
            begins, goes = cycle == 0 or dice.random() < 0.05, dice.random() < 0.6
            ctx.set(start, begins)
            ctx.set(step, goes)
            if at is not None:
                after = 0 if at == last else at + 1
                seen = [ctx.get(value) for value in (count.first, count.ends, count.ends_next)]
                assert seen == [at == 0, at == last, after == last]
                at = after if goes else at
            at = 0 if begins else at
            await ctx.tick()

    simulate(m, bench)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_level(most: int) -> None:
    m, dice = Module(), random.Random(most)
    start, up, down = Signal(), Signal(), Signal()
    found = level(m, "some", most, up=up, down=down, start=start)

    async def bench(ctx) -> None:
        inside = 0
        for cycle in range(300):
            assert [ctx.get(found.some), ctx.get(found.room)] == [inside > 0, inside < most]
            goes = inside < most and dice.random() < (0.8 if cycle % 60 < 30 else 0.3)
            leaves = inside > 0 and dice.random() < 0.5
            begins = dice.random() < 0.02
            for signal, value in ((start, begins), (up, goes), (down, leaves)):
                ctx.set(signal, value)
            inside = 0 if begins else inside + goes - leaves
            await ctx.tick()

    simulate(m, bench)


@pytest.mark.parametrize("depth", [2, 3, 8])
def test_queue(depth: int) -> None:
    queue, dice = Queue(8, depth), random.Random(depth)

    async def bench(ctx) -> None:
        inside: deque[int] = deque()
        for cycle in range(300):
            assert ctx.get(queue.source.ready) == (len(inside) < depth)
            assert ctx.get(queue.sink.valid) == bool(inside)
            if inside:
                assert ctx.get(queue.sink.payload) == inside[0]
            offers = dice.random() < (0.8 if cycle % 60 < 30 else 0.3)
            takes, word = dice.random() < 0.5, dice.getrandbits(8)
            for signal, value in (
                (queue.source.valid, offers),
                (queue.source.payload, word),
                (queue.sink.ready, takes),
            ):
                ctx.set(signal, value)
            enters, leaves = offers and len(inside) < depth, takes and bool(inside)
            if leaves:
                inside.popleft()
            if enters:
                inside.append(word)
            await ctx.tick()

    simulate(queue, bench)
