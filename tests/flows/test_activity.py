"""Signal statistics against seeded simulations of the same netlists, cycle by cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.activity import Activity, Statistic, propagate, uniform_activity
from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.netlist import Netlist

from .circuits import TINY, circuit

CYCLES = 40_000
Waves = NDArray[np.bool_]


@pytest.fixture(scope="module")
def tiny() -> Liberty:
    return read_liberty(TINY)


def wave(statistic: Statistic, rng: np.random.Generator) -> Waves:
    """Return a two-state Markov chain with that statistic, shape (CYCLES,)."""
    p, half = statistic.p1, statistic.toggle / 2
    draws = rng.random(CYCLES)
    values = np.empty(CYCLES, dtype=bool)
    value = bool(draws[0] < p)
    for cycle, draw in enumerate(draws):
        if cycle:
            value = bool(draw >= half / p) if value else bool(draw < half / (1 - p))
        values[cycle] = value
    return values


def settle(netlist: Netlist, waves: Waves) -> None:
    """Evaluate all cells in place: `waves` has the settled values, shape (nets, cycles)."""
    waves[1] = True
    for step in netlist.steps:
        group = netlist.groups[step.group]
        for pin, function in group.cell.functions.items():
            index = np.zeros((step.rows.size, waves.shape[1]), dtype=np.int64)
            for j, name in enumerate(function.names):
                index += waves[group.nets[name][step.rows]].astype(np.int64) << j
            waves[group.nets[pin][step.rows]] = function.table[index]


def measured(waves: Waves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probability of 1 and toggles per cycle of each net."""
    return waves.mean(axis=1), (waves[:, 1:] != waves[:, :-1]).mean(axis=1)


def test_a_tree_is_exact(tiny: Liberty, tmp_path: Path) -> None:
    rng = np.random.default_rng(20220615)
    free = [f"i{n}" for n in range(40)]
    given = {}
    for name in free:
        p1 = rng.uniform(0.1, 0.9)
        given[name] = Statistic(p1, rng.uniform(0.1, 1.0) * 2 * min(p1, 1 - p1))
    cells = {}
    nets = list(free)
    pins = {"NOT1": "A", "BOTH2": "AB", "DIFF2": "AB", "PICK3": "ABS"}
    while len(nets) > 2:
        kind = rng.choice(list(pins))
        sources = {pin: nets.pop(rng.integers(len(nets))) for pin in pins[kind][: len(nets)]}
        if len(sources) < len(pins[kind]):
            break
        nets.append(f"n{len(cells)}")
        cells[f"u{len(cells)}"] = (kind, {**sources, "Y": nets[-1]})
    ports = {name: name for name in free} | {"clk": "clk"}
    netlist = circuit(tmp_path, tiny, cells, ports, {"y": nets[-1]})
    activity = propagate(netlist, given)
    waves = np.zeros((netlist.n_nets, CYCLES), dtype=bool)
    for name in free:
        waves[netlist.names[name]] = wave(given[name], rng)
    settle(netlist, waves)
    p1, toggle = measured(waves)
    assert len(cells) > 20
    # 40,000 correlated samples: five standard errors of a rate of one half, tripled for memory
    np.testing.assert_allclose(activity.p1[~activity.clock], p1[~activity.clock], atol=0.04)
    np.testing.assert_allclose(activity.toggle[~activity.clock], toggle[~activity.clock], atol=0.02)


def multiplier(bits: int) -> tuple[dict[str, tuple[str, dict[str, str]]], list[str]]:
    """Return an array multiplier of AND gates and ripple-carry rows, and its product nets."""
    cells: dict[str, tuple[str, dict[str, str]]] = {}

    def gate(kind: str, *sources: str) -> str:
        name = f"n{len(cells)}"
        cells[f"u{len(cells)}"] = (kind, {**dict(zip("AB", sources, strict=False)), "Y": name})
        return name

    def either(a: str, b: str) -> str:  # of two nets that are never 1 together
        return gate("DIFF2", a, b)

    row = [gate("BOTH2", f"a{j}", "b0") for j in range(bits)]
    product = [row.pop(0)]
    for i in range(1, bits):
        added, carry = [], None
        for j in range(bits):
            x = gate("BOTH2", f"a{j}", f"b{i}")
            terms = [x] + ([row[j]] if j < len(row) else [])
            if len(terms) == 1:
                total, carried = x, None
            else:
                total, carried = gate("DIFF2", *terms), gate("BOTH2", *terms)
            if carry is not None:
                second = gate("BOTH2", total, carry)
                total = gate("DIFF2", total, carry)
                carried = second if carried is None else either(carried, second)
            added.append(total)
            carry = carried
        if carry is not None:
            added.append(carry)
        product.append(added.pop(0))
        row = added
    return cells, product + row


def test_a_multiplier_shows_the_price_of_independence(tiny: Liberty, tmp_path: Path) -> None:
    cells, product = multiplier(8)
    words = {w: [f"{w}{j}" for j in range(8)] for w in "ab"}
    netlist = circuit(tmp_path, tiny, cells, {**words, "clk": "clk"}, {"p": product})
    rng = np.random.default_rng(7)
    waves = np.zeros((netlist.n_nets, CYCLES), dtype=bool)
    a, b = rng.integers(0, 256, (2, CYCLES))
    for word, values in (("a", a), ("b", b)):
        for j, net in enumerate(netlist.ports[word].nets):
            waves[net] = values >> j & 1
    settle(netlist, waves)
    found = sum(waves[net].astype(np.int64) << j for j, net in enumerate(netlist.ports["p"].nets))
    assert np.array_equal(found, a * b)  # it is a multiplier

    activity = propagate(netlist)
    driven = np.concatenate([group.nets["Y"] for group in netlist.groups])
    _, toggle = measured(waves)
    total = activity.toggle[driven].sum() / toggle[driven].sum() - 1
    net = np.abs(activity.toggle[driven] - toggle[driven])
    print(f"8 x 8 multiplier: sum of toggles {100 * total:+.1f} %, per net {net.mean():.3f} mean "
          f"and {net.max():.3f} at most (of {toggle[driven].mean():.3f} on average)")  # fmt: skip
    assert abs(total) < 0.05
    assert net.mean() < 0.03


@pytest.mark.parametrize(("enable", "data"), [(1.0, 0.3), (0.5, 0.3), (0.2, 0.5), (0.2, 0.05)])
def test_a_gated_flip_flop(tiny: Liberty, tmp_path: Path, enable: float, data: float) -> None:
    cells = {
        "gate": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "r": ("KEEP1", {"CK": "g", "D": "d", "Q": "q"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d", "e": "e"}, {"q": "q"})
    given = {"d": Statistic(0.5, data), "e": Statistic.random(enable)}
    activity = propagate(netlist, given)
    rng = np.random.default_rng(3)
    d, e = wave(given["d"], rng), rng.random(CYCLES) < enable
    q = np.zeros(CYCLES, dtype=bool)
    for cycle in range(1, CYCLES):
        q[cycle] = d[cycle - 1] if e[cycle - 1] else q[cycle - 1]
    net, gated = netlist.names["q"][0], netlist.names["g"][0]
    assert activity.toggle[gated] == pytest.approx(2 * enable)  # rises and falls where enabled
    assert activity.p1[gated] == pytest.approx(enable / 2)  # and is high half of that time
    # Data values that the flip-flop takes at a distance are strangers to the calculation.  For a
    # Markov chain they are not quite: neighbours at distance k correlate with the k-th power.
    found = activity.toggle[net]
    assert found == pytest.approx(enable * (enable * data + (1 - enable) * 0.5))
    memory = 1 - data / 0.5
    markov = enable * 0.5 * (1 - enable * memory / (1 - (1 - enable) * memory))
    print(f"data toggles {data}, taken in {enable}: {found:.3f} per cycle, exactly {markov:.3f}")
    assert np.mean(q[1:] != q[:-1]) == pytest.approx(markov, abs=0.01)
    if enable == 1.0 or memory == 0.0:
        assert found == pytest.approx(markov)
    else:
        assert found >= markov - 0.01  # slow data is overestimated, never overlooked


def test_two_levels_of_clock_gates(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "word": ("GATE1", {"CK": "g", "E": "w", "GCK": "h"}),
        "group": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "r": ("KEEP1", {"CK": "h", "D": "d", "Q": "q"}),
    }
    inputs = {"clk": "clk", "d": "d", "e": "e", "w": "w"}
    netlist = circuit(tmp_path, tiny, cells, inputs, {"q": "q"})
    given = {name: Statistic.random(p1) for name, p1 in (("d", 0.3), ("e", 0.25), ("w", 0.4))}
    activity = propagate(netlist, given)
    rng = np.random.default_rng(5)
    d, e, w = (rng.random(CYCLES) < given[name].p1 for name in "dew")
    q = np.zeros(CYCLES, dtype=bool)
    for cycle in range(1, CYCLES):
        q[cycle] = d[cycle - 1] if e[cycle - 1] and w[cycle - 1] else q[cycle - 1]
    group, word, out = (netlist.names[name][0] for name in "ghq")
    assert activity.clock[[group, word]].all()
    assert activity.toggle[[group, word]] == pytest.approx([2 * 0.25, 2 * 0.25 * 0.4])
    assert activity.p1[word] == pytest.approx(0.25 * 0.4 / 2)
    assert activity.toggle[out] == pytest.approx(0.25 * 0.4 * 2 * 0.3 * 0.7)
    assert np.mean(q[1:] != q[:-1]) == pytest.approx(activity.toggle[out], abs=0.005)


def test_a_flip_flop_with_random_data_is_exact(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "gate": ("GATE1", {"CK": "clk", "E": "e", "GCK": "g"}),
        "r": ("KEEP1", {"CK": "g", "D": "d", "Q": "q"}),
    }
    netlist = circuit(tmp_path, tiny, cells, {"clk": "clk", "d": "d", "e": "e"}, {"q": "q"})
    given = {"d": Statistic.random(0.3), "e": Statistic.random(0.4)}
    toggle = propagate(netlist, given).toggle[netlist.names["q"][0]]
    assert toggle == pytest.approx(0.4 * 2 * 0.3 * 0.7)


@pytest.mark.parametrize(
    ("gate", "high", "toggles"),
    [
        (("NOT1", {"A": "clk"}), 0.5, 2.0),
        (("BOTH2", {"A": "clk", "B": "e"}), 0.15, 0.6),
        (("DIFF2", {"A": "clk", "B": "e"}), 0.5, 2.0),
        (("BOTH2", {"A": "clk", "B": "0"}), 0.0, 0.0),
        (("GATE1", {"CK": "clk", "E": "e"}), 0.15, 0.6),
    ],
)
def test_gates_on_the_clock(
    tiny: Liberty, tmp_path: Path, gate: tuple[str, dict[str, str]], high: float, toggles: float
) -> None:
    kind, pins = gate
    out = "GCK" if kind == "GATE1" else "Y"
    ports = ({"clk": "clk", "e": "e"}, {"g": "g"})
    netlist = circuit(tmp_path, tiny, {"u": (kind, {**pins, out: "g"})}, *ports)
    activity = propagate(netlist, {"e": Statistic.random(0.3)})
    net = netlist.names["g"][0]
    assert activity.clock[net]
    assert activity.p1[net] == pytest.approx(high)
    assert activity.toggle[net] == pytest.approx(toggles)


def test_latches_pass_what_their_enable_lets_through(tiny: Liberty, tmp_path: Path) -> None:
    cells = {
        "always": ("HOLD1", {"G": "clk", "D": "d", "Q": "q"}),
        "gated": ("BOTH2", {"A": "clk", "B": "e", "Y": "g"}),
        "seldom": ("HOLD1", {"G": "g", "D": "d", "Q": "r"}),
    }
    ports = ({"clk": "clk", "d": "d", "e": "e"}, {"q": "q", "r": "r"})
    netlist = circuit(tmp_path, tiny, cells, *ports)
    given = {"d": Statistic(0.5, 0.2), "e": Statistic.random(0.25)}
    activity = propagate(netlist, given)
    assert activity.toggle[netlist.names["q"][0]] == pytest.approx(0.2)
    expected = 0.25 * (0.25 * 0.2 + 0.75 * 0.5)
    assert activity.toggle[netlist.names["r"][0]] == pytest.approx(expected)


def shift_register(tiny: Liberty, folder: Path) -> Netlist:
    cells = {}
    for n in range(10):
        cells[f"spad._{n}_"] = ("KEEP1", {"CK": "clk", "D": f"q{n}", "Q": f"q{n + 1}"})
    word = [f"q{n}" for n in range(1, 11)]
    return circuit(folder, tiny, cells, {"clk": "clk", "in": "q0"}, {"spad.word": word})


def test_iteration_ends_when_nothing_changes(tiny: Liberty, tmp_path: Path) -> None:
    netlist = shift_register(tiny, tmp_path)
    activity = propagate(netlist, {"in": Statistic(0.3, 0.1)})
    nets = netlist.names["spad.word"]
    np.testing.assert_allclose(activity.p1[nets], 0.3)
    np.testing.assert_allclose(activity.toggle[nets], 0.1)
    assert 10 <= activity.iterations <= 12
    assert activity.residual < 1e-3
    assert propagate(netlist, iterations=2, inputs=Statistic(0.1, 0.1)).residual > 1e-3


def test_pins_of_nets_and_of_registers(tiny: Liberty, tmp_path: Path) -> None:
    netlist = shift_register(tiny, tmp_path)
    word = netlist.names["spad.word"]
    quiet, busy = Statistic(0.5, 0.0), Statistic(0.5, 1.0)
    assert np.all(propagate(netlist, {"spad.word": quiet}).toggle[word] == 0.0)
    each = [quiet, busy] * 5
    by_bit = propagate(netlist, {"spad.word": each}).toggle[word]
    np.testing.assert_allclose(by_bit, [0.0, 1.0] * 5)
    held = propagate(netlist, register_pins={"spad": Statistic(0.2, 0.4)})
    np.testing.assert_allclose(held.p1[word], 0.2)
    np.testing.assert_allclose(held.toggle[word], 0.4)


@pytest.mark.parametrize(
    ("pinned", "registers", "message"),
    [
        ({"spad.wort": Statistic(0.5, 0.5)}, {}, "not 'spad.wort'; did you mean 'spad.word'"),
        ({"spad.word": [Statistic(0.5, 0.5)]}, {}, "has 10 bits, not 1"),
        ({"clk": Statistic(0.5, 0.5)}, {}, "belongs to the clock; pin its enable instead"),
        ({}, {"spat": Statistic(0.5, 0.5)}, "part must be a name of the netlist, not 'spat'"),
    ],
)
def test_wrong_pins(
    tiny: Liberty, tmp_path: Path, pinned: dict, registers: dict, message: str
) -> None:
    with pytest.raises(FlowError, match=message):
        propagate(shift_register(tiny, tmp_path), pinned, register_pins=registers)


@pytest.mark.parametrize(("p1", "toggle"), [(1.1, 0.0), (0.5, 1.1), (0.1, 0.3), (0.5, -0.1)])
def test_statistics_that_no_signal_has(p1: float, toggle: float) -> None:
    with pytest.raises(FlowError, match="must be"):
        Statistic(p1, toggle)


def test_uniform_activity(tiny: Liberty, tmp_path: Path) -> None:
    netlist = shift_register(tiny, tmp_path)
    activity: Activity = uniform_activity(netlist, 0.3, 0.4)
    clock = netlist.names["clk"]
    assert activity.toggle[clock].tolist() == [2.0]
    assert activity.toggle[:2].tolist() == [0.0, 0.0]
    rest = np.setdiff1d(np.arange(2, netlist.n_nets), clock)
    assert set(activity.toggle[rest]) == {0.3}
    assert set(activity.p1[rest]) == {0.4}
