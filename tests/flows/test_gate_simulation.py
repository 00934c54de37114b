"""Netlists in simulation: what they compute, and what their clocks do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from flows.bitwise import ONES, Words, pack_codes, unpack_codes
from flows.errors import FlowError
from flows.gate_simulation import GateSimulation
from flows.liberty import Liberty, read_liberty

from .circuits import TINY, circuit, library_path, mapped_verilog

LOW, HIGH = np.zeros((1, 1), dtype=np.uint64), np.full((1, 1), ONES)


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


def bit(value: int) -> Words:
    return HIGH if value else LOW


def signed(code: int, bits: int) -> int:
    return code - (1 << bits) if code >> (bits - 1) else code


def test_a_multiplier_with_accumulator_multiplies(tmp_path: Path) -> None:
    netlist = mapped_verilog(tmp_path, "mac16_nangate45.v", "mac16", library_path("nangate45"))
    simulation = GateSimulation(netlist, lanes=128)
    dice = np.random.default_rng(1)
    cycles = []
    for cycle in range(20):
        a, b = dice.integers(0, 1 << 16, (2, 128))
        cycles.append((a, b))
        clear = np.full((1, 2), ONES if cycle < 4 else 0, dtype=np.uint64)
        words = {name: pack_codes(codes, 16) for name, codes in (("a", a), ("b", b))}
        simulation.cycle(words | {"clr": clear})
    # Operands are registered, and clearing loads: the last clear (cycle 3) loads the product of
    # cycle 2; the products up to that of cycle 17 have been added since.
    sums = np.zeros(128, dtype=object)
    for a, b in cycles[2:18]:
        sums += [signed(int(x), 16) * signed(int(y), 16) for x, y in zip(a, b, strict=True)]
    assert np.array_equal(sums % (1 << 40), unpack_codes(simulation.port("acc")))


def test_a_flip_flop_takes_what_was_there_before_the_edge(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "first": ("KEEP1", {"CK": "clk", "D": "d", "Q": "q", "QN": "n"}),
        "second": ("KEEP1", {"CK": "clk", "D": "q", "Q": "r"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d"}, {"q": "q", "r": "r"})
    simulation = GateSimulation(netlist)
    seen = []
    for value in (1, 0, 1, 1, 0, 0):
        simulation.cycle({"d": bit(value)})
        seen.append([int(simulation.port(name)[0, 0] & np.uint64(1)) for name in "qr"])
    assert [q for q, _ in seen[1:]] == [1, 0, 1, 1, 0]
    assert [r for _, r in seen[2:]] == [1, 0, 1, 1]


def test_a_gated_clock_pulses_where_its_enable_was_high(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "gate": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "r": ("KEEP1", {"CK": "g", "D": "d", "Q": "q"}),
    }
    inputs = {"clk": "clk", "e": "e", "d": "d"}
    netlist = circuit(tmp_path, tiny, cells, inputs, {"q": "q", "g": "g"})
    simulation = GateSimulation(netlist)
    simulation.cycle({"e": HIGH, "d": LOW})
    recorder = simulation.record(4)
    enables, data = (0, 1, 0, 0), (1, 1, 0, 0)
    for e, d in zip(enables, data, strict=True):
        recorder.cycle({"e": bit(e), "d": bit(d)})
    trace = recorder.trace()
    clock = trace.moments(netlist.ports["g"].nets)[1:, 0, 0] != 0
    # High after a rising edge whose enable was there before it, always low after the falling one.
    assert clock[0::2].tolist() == [True, False, True, False]
    assert not clock[1::2].any()
    q = trace.cycle_ends(netlist.ports["q"].nets)[1:, 0, 0] != 0
    assert q.tolist() == [False, False, True, True]


def test_a_latch_follows_while_it_is_open(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "l": ("HOLD1", {"G": "clk", "D": "d", "Q": "q"}),
        "closed": ("NOT1", {"A": "clk", "Y": "nclk"}),
        "m": ("HOLD1", {"G": "nclk", "D": "q", "Q": "r"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d"}, {"q": "q", "r": "r"})
    simulation = GateSimulation(netlist)
    recorder = simulation.record(3)
    for value in (1, 0, 1):
        recorder.cycle({"d": bit(value)})
    trace = recorder.trace()
    q, r = (trace.moments(netlist.ports[name].nets)[1:, 0, 0] != 0 for name in "qr")
    assert q.tolist() == [True, True, False, False, True, True]
    assert r.tolist()[1:] == [True, True, False, False, True]  # of the first value nothing is known


def test_lanes_are_independent_and_registers_begin_at_random(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"r": ("KEEP1", {"CK": "clk", "D": "d", "Q": "q"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d"}, {"q": "q"})
    simulation = GateSimulation(netlist, lanes=128)
    assert 0 < np.bitwise_count(simulation.port("q")).sum() < 128
    word = np.array([[0x0123456789ABCDEF, 0xFEDCBA9876543210]], dtype=np.uint64)
    simulation.cycle({"d": word})
    simulation.cycle({})
    assert np.array_equal(simulation.port("q"), word)


def test_a_trace_tells_what_changed(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"u": ("NOT1", {"A": "a", "Y": "y"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a"}, {"y": "y"})
    simulation = GateSimulation(netlist)
    simulation.cycle({"a": LOW})
    recorder = simulation.record(9)
    for cycle in range(7):
        recorder.cycle({"a": bit(int(cycle == 3))})
    trace = recorder.trace()
    assert trace.cycles == 7 and not recorder.full
    y, clock = netlist.ports["y"].nets, netlist.ports["clk"].nets
    edge = np.repeat(np.arange(14), np.diff(trace.ends))
    assert edge[trace.nets == y[0]].tolist() == [6, 8]  # rising edges
    assert trace.words[trace.nets == y[0]].tolist() == [[0], [ONES]]
    assert edge[trace.nets == clock[0]].tolist() == list(range(14))
    assert (trace.moments(y)[:, 0, 0] != 0).tolist() == [True] * 7 + [False] * 2 + [True] * 6
    twice = np.array([y[0], clock[0], y[0]])
    assert np.array_equal(trace.cycle_ends(twice)[:, [0]], trace.moments(y)[::2])


def test_what_cannot_be_simulated_is_named(tmp_path: Path) -> None:
    library = read_liberty(library_path("nangate45"))
    cells = {"r": ("DFFR_X1", {"CK": "clk", "D": "d", "RN": "rn", "Q": "q"})}
    ports = {"clk": "clk", "d": "d", "rn": "rn"}
    netlist = circuit(tmp_path, library, cells, ports, {"q": "q"})
    message = "must be tied to their inactive value to be simulated; those of r (DFFR_X1) are not"
    with pytest.raises(FlowError, match=re.escape(message)):
        GateSimulation(netlist)
    tied = {"r": ("DFFR_X1", {"CK": "clk", "D": "d", "RN": "1", "Q": "q"})}
    simulation = GateSimulation(
        circuit(tmp_path, library, tied, {"clk": "clk", "d": "d"}, {"q": "q"})
    )
    simulation.cycle({"d": HIGH})
    simulation.cycle({})
    assert (simulation.port("q") == HIGH).all()
    with pytest.raises(FlowError, match="lanes must be a multiple of 64, not 65"):
        GateSimulation(netlist, lanes=65)
