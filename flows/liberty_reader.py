"""Reading one cell of a Liberty file: from its group of statements to a `Cell`.

An integrated clock gate has no usable functions in most libraries; they follow from its kind and
the roles of its pins, as the Liberty format defines them: a latch that holds the enable while the
clock is active, and a gate behind it.  A cell that cannot be described by one stored bit and
functions (several bits, buses, a state table without a kind) says why in `Cell.unusable` and
matters only when a netlist uses it.
"""

from __future__ import annotations

from collections.abc import Mapping

from .functions import Function, parse_function
from .liberty_cells import Cell, ClockGate, Leakage, Pin, PowerTable, Register, TimingArc, Units
from .liberty_syntax import Group
from .liberty_tables import TableReader

__all__ = ["read_cell"]

_CONSTRAINTS = (
    "setup",
    "hold",
    "recovery",
    "removal",
    "skew",
    "min_",
    "max",
    "minimum",
    "nochange",
)
"""Beginnings of the timing types that state a constraint and drive no output."""

Scope = Mapping[str, Function]
"""Names that a `when` may use: pins and the stored bit as themselves, its inverse as `!state`."""


def read_cell(group: Group, reader: TableReader, units: Units) -> Cell:
    """Read one `cell` group; raises `LibertyError` where it is wrong."""
    pin_groups = {name: g for g in group.named("pin") for name in g.arguments}
    register, inverse, unusable = _register(group)
    if any(group.named("bus", "bundle")):
        unusable = "it has buses"
    aliases = {} if register is None or not inverse else {inverse: ~_just(register.state)}
    pins = {name: _pin(name, g, aliases, units) for name, g in pin_groups.items()}
    kind = group.get("clock_gating_integrated_cell")
    clock_gate = None
    if kind is not None and not unusable:
        clock_gate = _gate_pins(kind, pin_groups)
        if clock_gate is None:
            unusable = f"its clock_gating_integrated_cell {kind!r} is not described by its pins"
        else:
            register, pins = _clock_gate(clock_gate, pins)
    scope = {name: _just(name) for name in pins} | aliases
    if register is not None:
        scope[register.state] = _just(register.state)
    if not unusable:
        unusable = _unknown_input(pins, register)
    arcs: list[TimingArc] = []
    powers: list[PowerTable] = []
    for name, pin_group in pin_groups.items():
        for inner in pin_group.named("timing"):
            arcs += _arcs(name, inner, reader, units, scope)
        for inner in pin_group.named("internal_power"):
            powers += _powers(name, inner, reader, units, scope)
    default, leakages = _leakage(group, units, scope)
    return Cell(
        name=group.arguments[0],
        area_um2=group.number("area") or 0.0,
        default_leakage_uw=default,
        leakages=leakages,
        pins=pins,
        register=register,
        clock_gate=clock_gate,
        arcs=tuple(arcs),
        powers=tuple(powers),
        dont_use=group.get("dont_use") == "true",
        unusable=unusable,
    )


def _just(name: str) -> Function:
    return Function((name,), 0b10)


def _function(group: Group, attribute: str) -> Function | None:
    text = group.get(attribute)
    if text is None:
        return None
    try:
        return parse_function(text)
    except ValueError as error:
        group.source.fail(group.simple[attribute][1], f"{attribute} of {group.label}: {error}")


def _condition(group: Group, scope: Scope) -> Function | None:
    """Return the `when` of a group, which may only name pins and the stored bit."""
    when = _function(group, "when")
    if when is None:
        return None
    for name in when.names:
        if name not in scope:
            position = group.simple["when"][1]
            group.source.fail(
                position, f"when of {group.label} must name pins of its cell, not {name!r}"
            )
    inverses = {name: scope[name] for name in when.names if scope[name].names != (name,)}
    return when.substitute(inverses) if inverses else when


def _register(group: Group) -> tuple[Register | None, str, str]:
    """Return the stored bit, the name of its inverse, and why the cell is unusable."""
    found = list(group.named("ff", "latch", "ff_bank", "latch_bank"))
    if not found:
        gate = "clock_gating_integrated_cell" in group.simple
        stateful = any(group.named("statetable")) and not gate
        return None, "", "it has a state table" if stateful else ""
    inner = found[0]
    if len(found) > 1 or inner.name.endswith("_bank"):
        return None, "", "it stores more than one bit"
    if not inner.arguments:
        inner.fail(f"{inner.label} of {group.label} must name its state")
    state, inverse = inner.arguments[0], [*inner.arguments, ""][1]
    transparent = inner.name == "latch"
    clock = _function(inner, "enable" if transparent else "clocked_on")
    data = _function(inner, "data_in" if transparent else "next_state")
    if clock is None or data is None:
        return None, "", f"its {inner.name} group has no clock or no data"
    register = Register(
        state=state,
        transparent=transparent,
        clock=clock,
        data=data.substitute({inverse: ~_just(state)}) if inverse else data,
        clear=_function(inner, "clear"),
        preset=_function(inner, "preset"),
    )
    return register, inverse, ""


def _pin(name: str, group: Group, aliases: Mapping[str, Function], units: Units) -> Pin:
    direction = group.get("direction") or "input"
    if direction not in ("input", "output", "inout", "internal"):
        group.fail(
            f"direction of {group.label} must be input, output, inout or internal, "
            f"not {direction!r}"
        )
    capacitance = group.number("capacitance")
    if capacitance is None:
        edges = [group.number("rise_capacitance"), group.number("fall_capacitance")]
        given = [value for value in edges if value is not None]
        capacitance = sum(given) / len(given) if given else 0.0
    function = _function(group, "function") if direction in ("output", "inout") else None
    return Pin(
        name=name,
        direction=direction,
        capacitance_pf=capacitance * units.load_pf,
        function=function.substitute(aliases) if function is not None else None,
        three_state=_function(group, "three_state"),
    )


def _gate_pins(kind: str, groups: Mapping[str, Group]) -> ClockGate | None:
    """Return the pins of an integrated clock gate by role, None where they are not as expected."""
    clock, enable, test, out = (
        [n for n, g in groups.items() if g.get(f"clock_gate_{role}_pin") == "true"]
        for role in ("clock", "enable", "test", "out")
    )
    single = all(len(names) == 1 for names in (clock, enable, out)) and len(test) <= 1
    storage, _, rest = kind.partition("_")
    edge = rest.partition("_")[0]
    if storage not in ("latch", "none") or edge not in ("posedge", "negedge") or not single:
        return None
    return ClockGate(
        kind=kind, clock=clock[0], enable=enable[0], test=test[0] if test else None, out=out[0]
    )


def _clock_gate(gate: ClockGate, pins: dict[str, Pin]) -> tuple[Register | None, dict[str, Pin]]:
    """Return stored bit and pins of an integrated clock gate."""
    storage, _, rest = gate.kind.partition("_")
    edge, _, control = rest.partition("_")
    active = _just(gate.clock)
    if edge == "negedge":
        active = ~active
    enable = _just(gate.enable)
    test = Function((), 0) if gate.test is None else _just(gate.test)
    late_test = control.startswith("postcontrol")
    data = enable if late_test else enable | test
    state = "stored enable"  # no pin can have this name
    register = None
    if storage == "latch":
        register = Register(state=state, transparent=True, clock=~active, data=data)
        data = _just(state)
    passed = active & (data | test if late_test else data)
    function = passed if edge == "posedge" else ~passed  # a negedge gate idles high
    pin = Pin(
        name=gate.out,
        direction="output",
        capacitance_pf=pins[gate.out].capacitance_pf,
        function=function,
    )
    return register, {**pins, gate.out: pin}


def _unknown_input(pins: Mapping[str, Pin], register: Register | None) -> str:
    known = {n for n, p in pins.items() if p.direction == "input"}
    functions = [p.function for p in pins.values() if p.function is not None]
    if register is not None:
        functions += [register.clock, register.data]
        known.add(register.state)
    for function in functions:
        for name in function.names:
            if name not in known:
                return f"a function of it names {name!r}, which is no input pin"
    return ""


def _related(group: Group) -> list[str]:
    return (group.get("related_pin") or "").split()


def _arcs(
    pin: str, group: Group, reader: TableReader, units: Units, scope: Scope
) -> list[TimingArc]:
    kind = group.get("timing_type") or "combinational"
    if kind.startswith(_CONSTRAINTS) or not _related(group):
        return []
    tables = {
        inner.name: reader.read(inner, units.time_ns)
        for inner in group.named("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    }
    when = _condition(group, scope)
    return [
        TimingArc(
            pin=pin,
            related_pin=related,
            kind=kind,
            sense=group.get("timing_sense") or "non_unate",
            when=when,
            delay_rise=tables.get("cell_rise"),
            delay_fall=tables.get("cell_fall"),
            transition_rise=tables.get("rise_transition"),
            transition_fall=tables.get("fall_transition"),
        )
        for related in _related(group)
    ]


def _powers(
    pin: str, group: Group, reader: TableReader, units: Units, scope: Scope
) -> list[PowerTable]:
    tables = {
        inner.name: reader.read(inner, units.energy_pj)
        for inner in group.named("rise_power", "fall_power", "power")
    }
    if not tables:
        return []
    nothing = reader.scalar(0.0)
    both = tables.get("power", nothing)
    when = _condition(group, scope)
    return [
        PowerTable(
            pin=pin,
            related_pin=related,
            when=when,
            supply=group.get("related_pg_pin") or "",
            rise=tables.get("rise_power", both),
            fall=tables.get("fall_power", both),
        )
        for related in _related(group) or (None,)
    ]


def _leakage(group: Group, units: Units, scope: Scope) -> tuple[float | None, tuple[Leakage, ...]]:
    default = group.number("cell_leakage_power")
    leakages = []
    for inner in group.named("leakage_power"):
        value = inner.number("value")
        if value is None:
            inner.fail(f"{inner.label} of {group.label} must have a value")
        when = _condition(inner, scope)
        if when is not None:
            leakages.append(Leakage(when=when, leakage_uw=value * units.leakage_uw))
        elif default is None:
            default = value
    return None if default is None else default * units.leakage_uw, tuple(leakages)
