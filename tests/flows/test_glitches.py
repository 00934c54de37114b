"""Delay-annotated simulation: toggles that settled values do not show."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from flows.bitwise import pack_codes
from flows.errors import FlowError
from flows.gate_simulation import GateSimulation, Trace
from flows.glitches import Glitches, measure_glitches
from flows.liberty import Liberty, read_liberty
from flows.loads import net_loads
from flows.netlist import Netlist

from .circuits import TINY, circuit
from .test_activity import multiplier


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    return read_liberty(TINY)


def traced(netlist: Netlist, **codes: list[int]) -> Trace:
    simulation = GateSimulation(netlist)
    cycles = len(next(iter(codes.values())))
    recorder = simulation.record(cycles)
    for cycle in range(cycles):
        recorder.cycle(
            {
                name: pack_codes(np.full(64, values[cycle]), len(netlist.ports[name].nets))
                for name, values in codes.items()
            }
        )
    return recorder.trace()


def found(netlist: Netlist, trace: Trace, folder: Path) -> Glitches:
    loads = net_loads(netlist)
    return measure_glitches(netlist, "top", trace, loads, lanes=[0, 5], work_dir=folder / "work")


def test_a_chain_has_no_glitches(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"u": ("NOT1", {"A": "a", "Y": "b"}), "v": ("NOT1", {"A": "b", "Y": "y"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a"}, {"y": "y"})
    glitches = found(netlist, traced(netlist, a=[0, 1, 1, 0, 1]), tmp_path)
    assert glitches.factor == 1.0
    assert glitches.all_toggles == glitches.settled_toggles > 0
    assert not (tmp_path / "work").exists()


def test_a_late_input_makes_a_pulse(tiny: Liberty, tmp_path: Path) -> None:
    """The exclusive or of a signal and its own late copy settles to 0 and pulses each time."""
    cells = {f"u{i}": ("NOT1", {"A": f"n{i}", "Y": f"n{i + 1}"}) for i in range(8)}
    cells["x"] = ("DIFF2", {"A": "n0", "B": "n8", "Y": "y"})
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "n0": "n0"}, {"y": "y"})
    glitches = found(netlist, traced(netlist, n0=[0, 1, 0, 1, 0]), tmp_path)
    # Of nine gates eight toggle in each transition and one twice more.
    assert glitches.all_toggles / glitches.settled_toggles == pytest.approx(10 / 8, rel=0.03)
    assert glitches.factor > 1.0


def test_a_multiplier_has_many(tiny: Liberty, tmp_path: Path) -> None:
    cells, product = multiplier(8)
    words = {w: [f"{w}{j}" for j in range(8)] for w in "ab"}
    netlist = circuit(tmp_path, tiny, cells, {**words, "clk": "clk"}, {"p": product})
    a, b = np.random.default_rng(3).integers(0, 256, (2, 60)).tolist()
    glitches = found(netlist, traced(netlist, a=a, b=b), tmp_path)
    print(f"8 x 8 multiplier: {glitches.factor:.2f} times the energy of settled toggles")
    assert 1.3 < glitches.factor < 4


def test_another_circuit_than_the_trace_is_found_out(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"u": ("NOT1", {"A": "a", "Y": "y"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a"}, {"y": "y"})
    trace = traced(netlist, a=[0, 1, 0, 1])
    wrong = trace.words.copy()
    wrong[trace.nets == netlist.ports["y"].nets[0]] ^= np.uint64(0b100001)
    message = "1 of 1 gates of top settle to other values with delays than without"
    with pytest.raises(FlowError, match=re.escape(message)):
        found(netlist, dataclasses.replace(trace, words=wrong), tmp_path)


def test_parts_must_exist_and_move(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"u": ("NOT1", {"A": "a", "Y": "y"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a"}, {"y": "y"})
    trace = traced(netlist, a=[1, 1, 1])
    with pytest.raises(FlowError, match="part must be one of top, not 'nowhere'"):
        measure_glitches(
            netlist, "nowhere", trace, net_loads(netlist), lanes=[0], work_dir=tmp_path / "w"
        )
    still = dataclasses.replace(trace, ends=0 * trace.ends)
    with pytest.raises(FlowError, match="nothing moves in top"):
        found(netlist, still, tmp_path)
