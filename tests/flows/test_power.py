"""Energies: cells computed by hand, and the published figures of another calculator.

The hand computations use the units of `data/tiny.lib`: one unit of energy is 0.01 pJ, one of
capacitance 0.01 pF, one of time 0.1 ns; the supply is 2 V.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.activity import Statistic, propagate, uniform_activity
from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.loads import net_loads
from flows.netlist import Netlist, read_netlist
from flows.power import PowerBreakdown, energy_per_cycle, leakage_uw

from .circuits import TINY, circuit, library_path, mapped_verilog

UNIT_PJ = 0.01


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


def of(netlist: Netlist, breakdown: PowerBreakdown, instance: str) -> tuple[float, float]:
    """Return internal and switching energy [pJ] of one instance."""
    index = netlist.instances.index(instance)
    internal, switching = breakdown.instance_internal_pj, breakdown.instance_switching_pj
    return float(internal[index]), float(switching[index])


def two_inverters(tiny: Liberty, folder: Path) -> Netlist:
    cells = {
        "u": ("NOT1", {"A": "a", "Y": "b"}),
        "front.v": ("NOT1", {"A": "b", "Y": "y"}),
    }
    return circuit(folder, tiny, cells, {"clk": "clk", "a": "a"}, {"y": "y"})


def test_slews_loads_and_tables(tiny: Liberty, tmp_path: Path) -> None:
    netlist = two_inverters(tiny, tmp_path)
    loads = net_loads(netlist, wire_load=False)
    b, y = netlist.names["b"][0], netlist.names["y"][0]
    # u drives pin A of v, 2 units.  At input slew 0 its output rises in 1 + 2/2 + 0 = 2 units and
    # falls in half of that.  v has no load; its output rises as b falls: 1 + 0 + 1/2 units, and
    # falls as b rises: (1 + 0 + 2/2) / 2.
    assert loads.load_pf[b] == pytest.approx(0.02)
    assert (loads.rise_ns[b], loads.fall_ns[b]) == pytest.approx((0.2, 0.1))
    assert (loads.rise_ns[y], loads.fall_ns[y]) == pytest.approx((0.15, 0.1))
    breakdown = energy_per_cycle(netlist, propagate(netlist), wire_load=False)
    # u: rising 4 + 2 + 0, falling 2 + 0; mean 4, at 0.5 toggles per cycle.
    # Its net: half of 0.02 pF x (2 V)^2, at 0.5 toggles.
    assert of(netlist, breakdown, "u") == pytest.approx((2 * UNIT_PJ, 0.02))
    # v: rising 4 + 0 + slew 1 of falling b, falling 2 + slew 2 of rising b; mean 4.5.
    assert of(netlist, breakdown, "front.v") == pytest.approx((2.25 * UNIT_PJ, 0.0))
    assert breakdown.internal_pj == pytest.approx({"front": 0.0225, "top": 0.02})
    assert breakdown.switching_pj == pytest.approx({"front": 0.0, "top": 0.02})
    assert breakdown.dynamic_pj == pytest.approx(0.0625)
    # Input port a drives pin A of u.
    assert breakdown.port_switching_pj == pytest.approx({"clk": 0.0, "a": 0.02})


def test_wire_load(tiny: Liberty, tmp_path: Path) -> None:
    netlist = two_inverters(tiny, tmp_path)
    loads = net_loads(netlist)
    # One load: a wire of length 1 with 0.5 units of capacitance.  An output port is a load too.
    assert loads.load_pf[netlist.names["b"][0]] == pytest.approx(0.025)
    assert loads.load_pf[netlist.names["y"][0]] == pytest.approx(0.005)


def test_the_cause_of_a_toggle_chooses_the_table(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"u": ("DIFF2", {"A": "a", "B": "b", "Y": "y"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a", "b": "b"}, {"y": "y"})
    given = {"a": Statistic(0.5, 0.5), "b": Statistic(0.25, 0.2)}
    breakdown = energy_per_cycle(netlist, propagate(netlist, given), wire_load=False)
    # a toggles 0.5 times, with b at 0 in 3/4 (10 units) and at 1 in 1/4 (20 units) of the cases;
    # b toggles 0.2 times, with a at 0 (30 units) and at 1 (40 units) in one half each.
    mean = (0.375 * 10 + 0.125 * 20 + 0.1 * 30 + 0.1 * 40) / 0.7
    # y toggles where exactly one of them does: 0.5 x 0.8 + 0.2 x 0.5.
    assert of(netlist, breakdown, "u")[0] == pytest.approx(0.5 * mean * UNIT_PJ)


def test_hidden_energy_of_an_input(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"u": ("BOTH2", {"A": "a", "B": "b", "Y": "y"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "a": "a", "b": "b"}, {"y": "y"})
    breakdown = energy_per_cycle(netlist, propagate(netlist), wire_load=False)
    # Output: 2 x 1/4 x 3/4 toggles, caused by a (6 units) and b (9 units) equally often.
    # Input a: 0.5 toggles, in half of them b is 0 and costs (1 + 3) / 2 units.
    expected = 0.375 * 7.5 + 0.5 * 0.5 * 2
    assert of(netlist, breakdown, "u")[0] == pytest.approx(expected * UNIT_PJ)


def test_a_flip_flop(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"r": ("KEEP1", {"CK": "clk", "D": "d", "Q": "q"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d"}, {"q": "q"})
    activity = propagate(netlist, {"d": Statistic(0.5, 0.3)})
    breakdown = energy_per_cycle(netlist, activity, wire_load=False)
    # Rising clock: the bit changes in 0.3 of the cycles (0 units), else 10 units.
    # Falling clock: of the 0.3 new data per cycle half have arrived and cost 60 units, else 20.
    clock = 0.7 * 10 + 0.15 * 60 + 0.85 * 20
    # Data: 0.3 toggles, half while the clock is low (8 units), half while it is high (1 unit).
    data = 0.3 * (8 + 1) / 2
    # Q and QN: 0.3 toggles each of 30 and 10 units.
    expected = clock + data + 0.3 * (30 + 10)
    assert of(netlist, breakdown, "r")[0] == pytest.approx(expected * UNIT_PJ)
    assert breakdown.leakage_uw["top"] == pytest.approx(0.1)  # 120 and 80 nW, half of the time each

    # With Q and QN as independent, each of the four states weighs 1/8 instead of 1/4.
    other = energy_per_cycle(netlist, activity, wire_load=False, independent_pins=True)
    clock = 2 * (15 + 15 + 30 + 30) / 8
    expected = clock + data + 0.3 * (30 + 10)
    assert of(netlist, other, "r")[0] == pytest.approx(expected * UNIT_PJ)


def test_a_clock_gate_and_what_it_saves(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "gate": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "r": ("KEEP1", {"CK": "g", "D": "d", "Q": "q"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d", "e": "e"}, {"q": "q"})
    given = {"d": Statistic(0.5, 0.5), "e": Statistic(0.25, 0.2)}
    breakdown = energy_per_cycle(netlist, propagate(netlist, given), wire_load=False)
    # Rising clock: the latch is closed behind the enable, off in 3/4: 3 units.
    # Falling: the gate has been off in 3/4; the enable has risen meanwhile in half of the 0.1 rises
    # per cycle, so "!E & !GCK" has 0.75 - 0.05: 5 units.  Output: 2 toggles in 1/4 of the cycles.
    gate = 0.75 * 3 + 0.70 * 5 + 0.5 * 15
    assert of(netlist, breakdown, "gate")[0] == pytest.approx(gate * UNIT_PJ)
    assert of(netlist, breakdown, "gate")[1] == pytest.approx(0.5 * 0.01 * 4 * 0.5)
    # The flip-flop has a quarter of the pulses; at each the bit changes in half of the cases, and
    # in half of 0.5 cases the data differs from the bit at the falling edge.
    clock = 0.25 * (0.5 * 10 + 0.25 * 60 + 0.75 * 20)
    # Its clock is high in 1/8 of the time: data mostly arrives while it is low.
    data = 0.5 * (7 / 8 * 8 + 1 / 8 * 1)
    expected = clock + data + 0.125 * (30 + 10)
    assert of(netlist, breakdown, "r")[0] == pytest.approx(expected * UNIT_PJ)


def test_a_clock_gate_below_another(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "group": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "word": ("GATE1", {"CK": "g", "E": "w", "GCK": "h"}),
        "r": ("KEEP1", {"CK": "h", "D": "d", "Q": "q"}),
    }
    inputs = {"clk": "clk", "d": "d", "e": "e", "w": "w"}
    netlist = circuit(tmp_path, tiny, cells, inputs, {"q": "q"})
    given = {"e": Statistic(0.2, 0.0), "w": Statistic(0.25, 0.0), "d": Statistic(0.5, 0.5)}
    breakdown = energy_per_cycle(netlist, propagate(netlist, given), wire_load=False)
    # The clock pin of the group's gate moves in every cycle, that of the word's in a fifth: where
    # the gate is off, 3 units up and 5 down.  Outputs: 15 units for each of two toggles per pulse.
    assert of(netlist, breakdown, "group")[0] == pytest.approx((0.8 * 8 + 0.4 * 15) * UNIT_PJ)
    assert of(netlist, breakdown, "word")[0] == pytest.approx((0.2 * 0.75 * 8 + 0.1 * 15) * UNIT_PJ)
    # The group's gate charges the clock pin of the word's, 2 units, and that one the flip-flop's.
    assert of(netlist, breakdown, "group")[1] == pytest.approx(0.4 * 0.5 * 0.02 * 4)
    still = energy_per_cycle(
        netlist, propagate(netlist, given | {"e": Statistic(0.0, 0.0)}), wire_load=False
    )
    assert of(netlist, still, "word") == (0.0, 0.0)
    assert of(netlist, still, "group") == pytest.approx((8 * UNIT_PJ, 0.0))


def test_a_latch(tiny: Liberty, tmp_path: Path) -> None:
    cells = {"l": ("HOLD1", {"G": "clk", "D": "d", "Q": "q"})}
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d"}, {"q": "q"})
    activity = propagate(netlist, {"d": Statistic(0.5, 0.4)})
    breakdown = energy_per_cycle(netlist, activity, wire_load=False)
    # Opening, half of the 0.4 new data wait (0 units), else 5 units.  Closing, the latch has its
    # data: 5 units.  Output: data and enable are the cause equally often, 12 and 24 units.
    expected = 0.8 * 5 + 5 + 0.4 * 18
    assert of(netlist, breakdown, "l")[0] == pytest.approx(expected * UNIT_PJ)


def test_leakage_by_state(tiny: Liberty, tmp_path: Path) -> None:
    netlist = two_inverters(tiny, tmp_path)
    assert leakage_uw(netlist) == pytest.approx({"front": 0.010, "top": 0.010})
    activity = propagate(netlist, {"a": Statistic(0.2, 0.1)})
    # 30 nW with the input at 1, 20 nW at 0.
    assert leakage_uw(netlist, activity) == pytest.approx({"front": 0.028, "top": 0.022})
    breakdown = energy_per_cycle(netlist, activity, clock_ns=2.0)
    assert breakdown.leakage_pj == pytest.approx(0.050 * 2.0 * 1e-3)
    with pytest.raises(FlowError, match="give clock_ns"):
        _ = energy_per_cycle(netlist, activity).leakage_pj
    with pytest.raises(FlowError, match="clock_ns must be a period above 0, not 0"):
        energy_per_cycle(netlist, activity, clock_ns=0)


def test_nothing_moves_nothing_is_spent(tiny: Liberty, tmp_path: Path) -> None:
    netlist = two_inverters(tiny, tmp_path)
    breakdown = energy_per_cycle(netlist, propagate(netlist, inputs=Statistic(1.0, 0.0)))
    assert breakdown.dynamic_pj == 0.0


# What OpenSTA 3.1.0 reports for two netlists of nangate45, see data/README.md.

XOR_UW = (0.889, 0.207, 0.0362)
DFF_UW = (6.42, 0.405, 0.0791)
MAC_MW = (0.580, 0.421, 0.0445)


def reference(folder: Path, name: str, top: str) -> tuple[Netlist, PowerBreakdown, PowerBreakdown]:
    """Return a netlist, its energies in the reference's way of weighting states, and in ours."""
    netlist = mapped_verilog(folder, name, top, library_path("nangate45"))
    activity = uniform_activity(netlist, toggle=0.3, p1=0.5)
    theirs = energy_per_cycle(netlist, activity, wire_load=False, independent_pins=True)
    return netlist, theirs, energy_per_cycle(netlist, activity, wire_load=False)


@pytest.mark.parametrize(("instance", "expected_uw"), [("u1", XOR_UW), ("fa", DFF_UW)])
def test_cells_of_the_reference(
    tmp_path: Path, instance: str, expected_uw: tuple[float, float, float]
) -> None:
    netlist, breakdown, ours = reference(tmp_path, "xor_between_flops.v", "t")
    internal, switching = of(netlist, breakdown, instance)
    leakage = breakdown.instance_leakage_uw[netlist.instances.index(instance)]
    # At a clock of 1 ns, 1 pJ per cycle is 1 mW.
    found = (internal * 1e3, switching * 1e3, leakage)
    exclusive_uw = of(netlist, ours, instance)[0] * 1e3
    print(
        f"{instance}: {found[0]:.3f} uW internal ({exclusive_uw:.3f} with states that add up to 1)"
        f", {found[1]:.3f} uW switching, {found[2]:.4f} uW leakage"
    )
    assert found == pytest.approx(expected_uw, rel=0.002)


def test_multiply_accumulate_of_the_reference(tmp_path: Path) -> None:
    netlist, breakdown, ours = reference(tmp_path, "mac16_nangate45.v", "mac16")
    period_ns = 2.5
    internal_mw = breakdown.internal_pj["top"] / period_ns
    switching_mw = breakdown.switching_pj["top"] / period_ns
    leakage_mw = breakdown.leakage_uw["top"] * 1e-3
    exclusive_mw = ours.internal_pj["top"] / period_ns
    print(
        f"mac16: {internal_mw:.4f} mW internal ({exclusive_mw:.4f} with states that add up to 1), "
        f"{switching_mw:.4f} mW switching, {leakage_mw:.5f} mW leakage"
    )
    # OpenSTA does not use the `when` of a gate's output tables as a weight; we do: -0.7 %.
    assert internal_mw == pytest.approx(MAC_MW[0], rel=0.01)
    assert switching_mw == pytest.approx(MAC_MW[1], rel=0.002)
    assert leakage_mw == pytest.approx(MAC_MW[2], rel=0.002)
    # All of what remains between the two ways of weighting sits in the flip-flops.
    stored = np.zeros(len(netlist.instances), dtype=bool)
    for group in netlist.groups:
        stored[group.instance] = group.cell.register is not None
    difference = ours.instance_internal_pj - breakdown.instance_internal_pj
    assert np.all(np.abs(difference[~stored]) < 1e-12)
    assert np.all(difference[stored] > 0)


def test_what_remains_of_the_difference(tmp_path: Path) -> None:
    """Without the `when` of the gates' output tables, the difference to the reference is gone."""
    netlist, _, _ = reference(tmp_path, "mac16_nangate45.v", "mac16")
    cells = {
        name: replace(
            cell,
            powers=tuple(
                power if power.related_pin is None else replace(power, when=None)
                for power in cell.powers
            ),
        )
        for name, cell in netlist.library.cells.items()
    }
    library = replace(netlist.library, cells=cells)
    without = read_netlist(tmp_path / "netlist.json", "mac16", library)
    activity = uniform_activity(without, toggle=0.3, p1=0.5)
    breakdown = energy_per_cycle(without, activity, wire_load=False, independent_pins=True)
    internal_mw = breakdown.internal_pj["top"] / 2.5
    print(f"mac16, output tables without `when`: {internal_mw:.4f} mW internal")
    assert internal_mw == pytest.approx(MAC_MW[0], rel=0.001)
