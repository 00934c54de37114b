"""Energy per cycle of a netlist, from the power tables of its library and signal statistics.

Three kinds of energy are added up for every instance, as Liberty defines them:

* internal: what a transition costs inside the cell.  An output's tables are looked up at the
  slew of the input that causes the transition and the load of the output; of several tables each
  counts with the probability that its input, in its state, is the cause.  An input's own tables are
  for transitions that cost energy although no output need follow, weighted by the probability of
  their state; at a clock pin of a stored bit rise and fall are weighted apart, because whether
  the bit is about to change decides what an edge costs.
* switching: half C V^2 for each toggle of the net that the instance drives.
* leakage: state by state.

States are states of the whole cell: an output named in a `when` is replaced by its function, so
that the probabilities of a flip-flop's states (`Q & !QN`, `!Q & QN`) add up to 1.  Some
calculators take such pins as independent, which weights these states by one half;
`independent_pins` does the same, for comparisons.  `docs/energy.md` has the method and what it
leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .activity import Activity
from .errors import FlowError
from .functions import Function
from .liberty import Liberty
from .liberty_cells import Cell, PowerTable, Register
from .liberty_tables import interpolate
from .loads import Loads, net_loads
from .netlist import CellGroup, Netlist

__all__ = ["PowerBreakdown", "energy_per_cycle", "leakage_uw"]

FloatArray = NDArray[np.float64]

ARRIVING_HIGH = 0.5
"""Fraction of data transitions that arrive while the clock is high: settled values do not tell
when in the cycle, so half is assumed."""

_ALWAYS = Function((), 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PowerBreakdown:
    """Energy per cycle and leakage, per part and per instance."""

    internal_pj: Mapping[str, float]
    """Energy inside the cells of each part [pJ per cycle]."""
    switching_pj: Mapping[str, float]
    """Energy in the nets that each part drives [pJ per cycle]."""
    leakage_uw: Mapping[str, float]
    """Leakage power of each part [uW]."""
    port_switching_pj: Mapping[str, float]
    """Energy in the nets of each input port, paid by who drives it [pJ per cycle]; in no total."""
    clock_ns: float | None
    """Clock period [ns], None where only energies are asked for."""
    instance_internal_pj: FloatArray
    """Shape (instances,)."""
    instance_switching_pj: FloatArray
    """Shape (instances,)."""
    instance_leakage_uw: FloatArray
    """Shape (instances,)."""

    @property
    def dynamic_pj(self) -> float:
        """Internal and switching energy of all parts [pJ per cycle]."""
        return sum(self.internal_pj.values()) + sum(self.switching_pj.values())

    @property
    def leakage_pj(self) -> float:
        """Leakage energy of all parts in one cycle [pJ per cycle]."""
        if self.clock_ns is None:
            raise FlowError("leakage energy needs the clock period: give clock_ns")
        return sum(self.leakage_uw.values()) * self.clock_ns * 1e-3


def energy_per_cycle(
    netlist: Netlist,
    activity: Activity,
    liberty: Liberty | None = None,
    *,
    clock_ns: float | None = None,
    wire_load: bool = True,
    loads: Loads | None = None,
    independent_pins: bool = False,
) -> PowerBreakdown:
    """Compute the energy per clock cycle.

    Parameters
    ----------
    netlist, activity : the netlist and the statistic of its nets
    liberty : the netlist's library; need not be repeated
    clock_ns : clock period [ns], for `PowerBreakdown.leakage_pj`
    wire_load : charge the wires of the library's default wire-load model; ignored with `loads`
    loads : what `net_loads` returned, when several activities of one netlist are evaluated
    independent_pins : take all pins in a `when` as independent, also where one is a function of
        others (as OpenSTA does); for comparisons only
    """
    library = netlist.library if liberty is None else liberty
    if clock_ns is not None and not clock_ns > 0:
        raise FlowError(f"clock_ns must be a period above 0, not {clock_ns!r}")
    if loads is None:
        clock = next(
            name for name, port in netlist.ports.items() if activity.clock[port.nets].any()
        )
        loads = net_loads(netlist, wire_load=wire_load, clock=clock)
    charge_pj = 0.5 * loads.load_pf * library.voltage_v**2
    internal, switching = np.zeros(len(netlist.instances)), np.zeros(len(netlist.instances))
    for group in netlist.groups:
        cell = _StatedCell(group, activity, loads, independent_pins)
        internal[group.instance] = cell.output_energy() + cell.input_energy()
        for pin in group.cell.functions:
            net = group.nets[pin]
            switching[group.instance] += charge_pj[net] * activity.toggle[net]
    leakage = _instance_leakage(netlist, activity, independent_pins)
    return PowerBreakdown(
        internal_pj=_by_part(netlist, internal),
        switching_pj=_by_part(netlist, switching),
        leakage_uw=_by_part(netlist, leakage),
        port_switching_pj={
            name: float(np.sum(charge_pj[port.nets] * activity.toggle[port.nets]))
            for name, port in netlist.ports.items()
            if port.direction == "input"
        },
        clock_ns=clock_ns,
        instance_internal_pj=internal,
        instance_switching_pj=switching,
        instance_leakage_uw=leakage,
    )


def leakage_uw(netlist: Netlist, activity: Activity | None = None) -> dict[str, float]:
    """Return the leakage power of each part [uW].

    It is weighted by state when the activity is given; else each cell has its default, which is
    the mean over its states where the library states none.
    """
    if activity is not None:
        return _by_part(netlist, _instance_leakage(netlist, activity, False))
    leakage = np.zeros(len(netlist.instances))
    for group in netlist.groups:
        leakage[group.instance] = _default_leakage(group.cell)
    return _by_part(netlist, leakage)


def _by_part(netlist: Netlist, values: FloatArray) -> dict[str, float]:
    sums = np.bincount(netlist.part, weights=values, minlength=len(netlist.parts))
    return dict(zip(netlist.parts, sums.tolist(), strict=True))


class _StatedCell:
    """The instances of one cell type with the statistics of their pins."""

    def __init__(
        self, group: CellGroup, activity: Activity, loads: Loads, independent_pins: bool
    ) -> None:
        self.group = group
        self.cell = group.cell
        self.activity = activity
        self.loads = loads
        self.functions = {} if independent_pins else group.cell.functions
        self.independent_pins = independent_pins
        self.p1 = {name: activity.p1[net] for name, net in group.nets.items()}
        self.toggle = {name: activity.toggle[net] for name, net in group.nets.items()}
        self.size = group.instance.size

    def state(self, when: Function | None) -> Function:
        """Return a condition over inputs and stored bit."""
        return _ALWAYS if when is None else when.substitute(self.functions)

    def output_energy(self) -> FloatArray:
        """Return the internal energy [pJ per cycle] of the transitions of the outputs."""
        energy = np.zeros(self.size)
        by_pin: dict[tuple[str, str], list[PowerTable]] = {}
        for power in self.cell.powers:
            if power.pin in self.cell.functions and power.related_pin in self.cell.inputs:
                by_pin.setdefault((power.pin, power.supply), []).append(power)
        for (pin, _), powers in by_pin.items():
            weights = np.stack([self._cause(power) for power in powers])
            total = weights.sum(axis=0)
            # An output that toggles though no cause has been seen (its statistic was given).
            weights = np.where(total > 0, weights, 1.0)
            weights /= weights.sum(axis=0)
            rise, fall = self._output_slews(powers)
            load = self.loads.load_pf[self.group.nets[pin]]
            mean = (
                interpolate([p.rise for p in powers], rise, load)
                + interpolate([p.fall for p in powers], fall, load)
            ) / 2
            energy += self.toggle[pin] * (weights * mean).sum(axis=0)
        return energy

    def input_energy(self) -> FloatArray:
        """Return the internal energy [pJ per cycle] of the transitions of the inputs."""
        energy = np.zeros(self.size)
        register = self.cell.register
        for power in self.cell.powers:
            if power.pin not in self.cell.inputs:
                continue
            net = self.group.nets[power.pin]
            nothing = np.zeros(self.size)
            rise = interpolate([power.rise], self.loads.rise_ns[net][np.newaxis], nothing)[0]
            fall = interpolate([power.fall], self.loads.fall_ns[net][np.newaxis], nothing)[0]
            if register is not None and power.pin in register.clock_pins and self.functions:
                at_rise, at_fall = self._clock_edges(power, register)
            else:
                at_rise = at_fall = self.state(power.when).probability(self.p1)
            energy += self.toggle[power.pin] / 2 * (rise * at_rise + fall * at_fall)
        return energy

    def _cause(self, power: PowerTable) -> FloatArray:
        """Return how often the input of an output's table is the cause, in the table's state."""
        assert power.related_pin is not None
        function = self.cell.functions[power.pin]
        state = self.state(power.when)
        pin = power.related_pin
        if pin in function.names:
            often = self.toggle[pin] * (state & function.difference(pin)).probability(self.p1)
        elif self.cell.register is not None and pin in self.cell.register.async_pins:
            often = np.zeros(1)
        else:  # acts through the stored bit: clock and, of a latch, data are causes alike
            often = state.probability(self.p1)
        return np.broadcast_to(often, (self.size,))

    def _output_slews(self, powers: list[PowerTable]) -> tuple[FloatArray, FloatArray]:
        """Return the slews of the causes of rising and of falling outputs, shape (t, n)."""
        rise, fall = np.empty((len(powers), self.size)), np.empty((len(powers), self.size))
        for index, power in enumerate(powers):
            assert power.related_pin is not None
            net = self.group.nets[power.related_pin]
            function = self.cell.functions[power.pin]
            state = self.state(power.when)
            low = function.given(power.related_pin, False)
            high = function.given(power.related_pin, True)
            follows = (state & ~low & high).bits != 0
            inverts = (state & low & ~high).bits != 0
            up, down = self.loads.rise_ns[net], self.loads.fall_ns[net]
            if follows == inverts:
                rise[index] = fall[index] = (up + down) / 2
            else:
                rise[index], fall[index] = (up, down) if follows else (down, up)
        return rise, fall

    def _clock_edges(self, power: PowerTable, register: Register) -> tuple[FloatArray, FloatArray]:
        """Return the probability of a table's state at a rising and at a falling clock edge."""
        net = self.group.nets[register.state]
        pulses = np.maximum(self.toggle[power.pin] / 2, 1e-12)
        change = np.minimum(self.activity.toggle[net] / pulses, 1.0)
        if register.transparent:
            # Opening, a latch takes what arrived while it was closed; closing, it holds it.
            first, second = ARRIVING_HIGH * change, np.zeros(self.size)
        else:
            # At its active edge a flip-flop changes; before the other one new data may arrive.
            first, second = change, ARRIVING_HIGH * self.activity.next_toggle[net]
        low, high = (register.clock.given(power.pin, value) for value in (False, True))
        if low.bits.bit_count() > high.bits.bit_count():  # active when the pin is low
            first, second = second, first
        state = self.state(power.when)
        return (
            self._given_change(state.given(power.pin, False), register, first),
            self._given_change(state.given(power.pin, True), register, second),
        )

    def _given_change(self, state: Function, register: Register, chance: FloatArray) -> FloatArray:
        """Return the probability of `state`, if the data differs from the stored bit with `chance`.

        Data and bit are 1 equally often, so `chance` fixes the probabilities of their four
        combinations; within each, the pins are independent.
        """
        bit = Function((register.state,), 0b10)
        p1 = self.p1[register.state]
        half = np.minimum(chance / 2, np.minimum(p1, 1 - p1))
        result = np.zeros(self.size)
        for combination, probability in (
            (~register.data & ~bit, 1 - p1 - half),
            (~register.data & bit, half),
            (register.data & ~bit, half),
            (register.data & bit, p1 - half),
        ):
            whole = combination.probability(self.p1)
            share = (state & combination).probability(self.p1) / np.where(whole > 0, whole, 1.0)
            result += probability * share
        return result


def _default_leakage(cell: Cell) -> float:
    if cell.default_leakage_uw is not None:
        return cell.default_leakage_uw
    values = [leakage.leakage_uw for leakage in cell.leakages]
    return sum(values) / len(values) if values else 0.0


def _instance_leakage(netlist: Netlist, activity: Activity, independent_pins: bool) -> FloatArray:
    """Return the state-weighted leakage of each instance [uW]; states without a value have the
    default."""
    leakage = np.zeros(len(netlist.instances))
    for group in netlist.groups:
        p1 = {name: activity.p1[net] for name, net in group.nets.items()}
        functions = {} if independent_pins else group.cell.functions
        covered, total = np.zeros(group.instance.size), np.zeros(group.instance.size)
        for item in group.cell.leakages:
            probability = item.when.substitute(functions).probability(p1)
            covered += probability
            total += probability * item.leakage_uw
        total += np.maximum(1.0 - covered, 0.0) * _default_leakage(group.cell)
        leakage[group.instance] = total
    return leakage
