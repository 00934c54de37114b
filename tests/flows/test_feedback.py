"""Flip-flops that hear themselves, against seeded simulations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.activity import Statistic, propagate
from flows.feedback import find_loops
from flows.liberty import Liberty, read_liberty
from flows.netlist import Netlist, clock_nets_of

from .circuits import TINY, circuit

CYCLES = 20_000


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


def simulate(netlist: Netlist, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return the settled value of every net in every cycle, all flip-flops clocked each cycle."""
    values = np.zeros((netlist.n_nets, CYCLES), dtype=bool)
    values[1] = True
    for name, wave in inputs.items():
        values[netlist.names[name]] = wave
    for cycle in range(CYCLES):
        now = values[:, cycle]
        for step in netlist.steps:
            group = netlist.groups[step.group]
            for pin, function in group.cell.functions.items():
                index = 0
                for j, name in enumerate(function.names):
                    index = index + (now[group.nets[name][step.rows]].astype(np.int64) << j)
                now[group.nets[pin][step.rows]] = function.table[index]
        for group in netlist.groups:
            register = group.cell.register
            if register is not None and cycle + 1 < CYCLES:
                values[group.nets[register.state], cycle + 1] = now[group.nets["D"]]
    return values


def of(netlist: Netlist, values: np.ndarray, name: str) -> float:
    wave = values[netlist.names[name][0]]
    return float(np.mean(wave[1:] != wave[:-1]))


HELD = {"mux": ("PICK3", {"A": "q", "B": "d", "S": "e", "Y": "n"})}
# The same multiplexer as a library without one would have it: d e + q' ' e', three gates deep.
HELD_IN_GATES = {
    "ne": ("NOT1", {"A": "e", "Y": "e_n"}),
    "nq": ("NOT1", {"A": "qn", "Y": "q_again"}),
    "new": ("BOTH2", {"A": "d", "B": "e", "Y": "take"}),
    "old": ("BOTH2", {"A": "q_again", "B": "e_n", "Y": "hold"}),
    "mux": ("DIFF2", {"A": "take", "B": "hold", "Y": "n"}),
}
RATES = [0.0, 0.1, 0.5, 1.0]


@pytest.mark.parametrize("gates", [HELD, HELD_IN_GATES])
@pytest.mark.parametrize("enable", RATES)
def test_a_held_bit(
    tiny: Liberty, tmp_path: Path, gates: dict[str, tuple[str, dict[str, str]]], enable: float
) -> None:
    cells = {**gates, "r": ("KEEP1", {"CK": "clk", "D": "n", "Q": "q", "QN": "qn"})}
    ports = {"clk": "clk", "d": "d", "e": "e"}
    netlist = circuit(tmp_path, tiny, cells, ports, {"q": "q"})
    given = {"d": Statistic.random(0.3), "e": Statistic.random(enable)}
    activity = propagate(netlist, given)
    rng = np.random.default_rng(11)
    d, e = rng.random(CYCLES) < 0.3, rng.random(CYCLES) < enable
    values = simulate(netlist, {"d": d, "e": e})
    toggle = activity.toggle[netlist.names["q"][0]]
    assert toggle == pytest.approx(enable * 2 * 0.3 * 0.7)
    assert toggle == pytest.approx(of(netlist, values, "q"), abs=0.01)
    if enable > 0:
        assert activity.p1[netlist.names["q"][0]] == pytest.approx(0.3)


def test_a_counter(tiny: Liberty, tmp_path: Path) -> None:
    cells = {}
    carry = "e"
    for n in range(4):
        cells[f"sum{n}"] = ("DIFF2", {"A": f"q{n}", "B": carry, "Y": f"n{n}"})
        cells[f"and{n}"] = ("BOTH2", {"A": f"q{n}", "B": carry, "Y": f"c{n}"})
        cells[f"r{n}"] = ("KEEP1", {"CK": "clk", "D": f"n{n}", "Q": f"q{n}"})
        carry = f"c{n}"
    word = [f"q{n}" for n in range(4)]
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "e": "e"}, {"count": word})
    assert sum(loop.rows.size for loop in find_loops(netlist, clock_nets_of(netlist, "clk"))) == 4
    activity = propagate(netlist, {"e": Statistic.random(0.8)})
    found = activity.toggle[netlist.names["count"]]
    np.testing.assert_allclose(found, [0.8, 0.4, 0.2, 0.1], atol=1e-6)
    values = simulate(netlist, {"e": np.random.default_rng(5).random(CYCLES) < 0.8})
    measured = [of(netlist, values, name) for name in word]
    np.testing.assert_allclose(found, measured, atol=0.01)


def test_a_bit_that_always_toggles(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "inv": ("NOT1", {"A": "q", "Y": "n"}),
        "r": ("KEEP1", {"CK": "clk", "D": "n", "Q": "q"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk"}, {"q": "q"})
    activity = propagate(netlist)
    assert activity.toggle[netlist.names["q"][0]] == pytest.approx(1.0)


def test_a_pipeline_has_no_loops(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "a": ("KEEP1", {"CK": "clk", "D": "d", "Q": "x"}),
        "inv": ("NOT1", {"A": "x", "Y": "y"}),
        "b": ("KEEP1", {"CK": "clk", "D": "y", "Q": "z"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d"}, {"z": "z"})
    assert find_loops(netlist, clock_nets_of(netlist, "clk")) == []
