"""A PE's netlist in simulation: passes through its streams, every psum against the golden model.

All lanes share the handshakes of one schedule and differ in their data, as a PE's control does not
depend on data; lanes that disagree in a handshake are a netlist that computes wrongly, like a wrong
psum, and end the run with an error that names the first one.  Memories of `macro` scratchpads stand
beside the netlist, as in the bench of the RTL, whose rules for streams are the same: a word that
is offered stays until it is taken, inputs change behind the rising edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.bitwise import ONES, Words, pack_codes, unpack_codes
from flows.errors import FlowError
from flows.gate_simulation import GateSimulation, Trace
from flows.netlist import Netlist
from hw.config import PEConfig
from hw.pe.control import PassLayout

from .stimuli import PassOperands

__all__ = ["Actions", "PERun", "Segment"]

_RESET_CYCLES = 3
_WORKING = ("products", "pass")
"""Segments that end with the pass."""
_PATIENCE = 100
"""Cycles that a pass may take longer than it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What a PE did in some cycles, counted."""

    cycles: int = 0
    products: int = 0
    """Slots with a product."""
    filter_words: int = 0
    """Filter words stored."""
    ifmap_words: int = 0
    """Ifmap words stored."""
    chained: int = 0
    """Products, or scaled sums where there are some, that are added to psums which came in."""
    scaled: int = 0
    """Sums of blocks that get their scales (Microscaling)."""
    taps: int = 0
    """Ifmap words read, each for all products of a tap."""
    empty: int = 0
    """Slots without a product, at the end of taps with few filters."""
    psums_in: int = 0
    """Psums taken in."""
    psums: int = 0
    """Psums that left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Some cycles of a run: their trace and what was done in them."""

    name: str
    trace: Trace
    actions: Actions


class _Stream:
    """Offers words to a stream of the PE, the same word of all lanes at a time."""

    def __init__(self, name: str, words: Words) -> None:
        self.name, self.words = name, words
        self.next = 0
        self.open = True
        """Whether words are offered at all."""

    def offered(self) -> bool:
        return self.open and self.next < len(self.words)

    def inputs(self) -> dict[str, Words]:
        valid = {f"{self.name}__valid": _all_lanes(int(self.offered()))}
        if self.offered():
            valid[f"{self.name}__payload"] = self.words[self.next]
        return valid


class PERun:
    """A netlist of a PE out of reset.

    Parameters
    ----------
    config, netlist
        The PE point and its mapped netlist.
    lanes
        Independent data, a multiple of 64.
    seed
        Of what registers hold before they are written.
    """

    def __init__(self, config: PEConfig, netlist: Netlist, *, lanes: int, seed: int = 1) -> None:
        self.config = config
        self.netlist = netlist
        self.simulation = GateSimulation(netlist, lanes=lanes, seed=seed)
        names = [n.removesuffix("__read_data") for n in netlist.ports if n.endswith("__read_data")]
        self._memories = [_Memory(self.simulation, name) for name in names]
        zeros = {n: _all_lanes(0) for n, p in netlist.ports.items() if p.direction == "input"}
        for _ in range(_RESET_CYCLES):
            self.simulation.cycle(zeros | {"rst": _all_lanes(1)})
        self.simulation.cycle({"rst": _all_lanes(0), "psum_out__ready": _all_lanes(1)})

    def idle(self, cycles: int) -> Segment:
        """Run cycles in which no stream has a word."""
        recorder = self.simulation.record(cycles)
        for _ in range(cycles):
            self._cycle(recorder.cycle, {})
        return Segment(name="idle", trace=recorder.trace(), actions=Actions(cycles=cycles))

    def run(self, operands: PassOperands, *, apart: bool = False) -> list[Segment]:
        """Run one pass and compare all psums.

        Parameters
        ----------
        operands
            The words of the pass.
        apart
            Offer filter words after the ifmap words that find room, and take the time until then as
            segments of their own: `ifmap`, `filter`, `products`; otherwise all is one, `pass`.

        Raises
        ------
        FlowError
            A psum is wrong, lanes disagree, or the pass does not end.
        """
        streams = self._streams(operands)
        received: list[Words] = []
        names = ("ifmap", "filter", "products") if apart else ("pass",)
        segments = []
        for name in names:
            for stream in streams.values():
                stream.open = not apart or name == "products" or stream.name == name
            streams["config"].open = name != "ifmap"
            segments.append(self._segment(name, operands, streams, received))
        _compare(self.config, operands, received)
        left = [stream.name for stream in streams.values() if stream.next < len(stream.words)]
        if left:
            raise FlowError(f"words of {' and '.join(left)} were never taken by the netlist")
        return segments

    def _streams(self, operands: PassOperands) -> dict[str, _Stream]:
        config, lanes = self.config, operands.filters.shape[1]
        layout = PassLayout(config)
        setting = int(layout.const(operands.row.fields(config)).as_value().value)
        words = {
            "config": np.full((1, lanes), setting, dtype=object),
            "filter": operands.filters,
            "ifmap": operands.ifmap,
            "psum_in": operands.psums,
        }
        bits = {n: len(self.netlist.ports[f"{n}__payload"].nets) for n in words}
        return {n: _Stream(n, pack_codes(codes, bits[n])) for n, codes in words.items()}

    def _segment(
        self,
        name: str,
        operands: PassOperands,
        streams: dict[str, _Stream],
        received: list[Words],
    ) -> Segment:
        row = operands.row
        before = {n: s.next for n, s in streams.items()}
        psums_before, quiet, started = len(received), 0, False
        recorder = self.simulation.record(self._most_cycles(operands))
        cycles = 0
        while not recorder.full:
            inputs: dict[str, Words] = {}
            for stream in streams.values():
                inputs |= stream.inputs()
            self._cycle(recorder.cycle, inputs)
            cycles += 1
            quiet += 1
            for stream in streams.values():
                if stream.offered() and self._flag(f"{stream.name}__ready"):
                    stream.next += 1
                    quiet = 0
            if self._flag("psum_out__valid"):
                received.append(self.simulation.port("psum_out__payload").copy())
                quiet = 0
            busy = self._flag("busy")
            if _ended(name, streams, quiet) or (name in _WORKING and started and not busy):
                break
            started |= busy
        else:
            raise FlowError(f"the netlist of {self.config.pe_type} is stuck in a pass")
        moved = {n: s.next - before[n] for n, s in streams.items()}
        taps = row.positions * row.window if name in _WORKING else 0
        products = taps * row.terms * row.filters
        slots = taps * row.terms * self.config.psum_interval(row.filters)
        scaled = products // row.column if row.scale_words else 0
        return Segment(
            name=name,
            trace=recorder.trace(),
            actions=Actions(
                cycles=cycles,
                products=products,
                chained=(scaled or products) if row.accumulate else 0,
                scaled=scaled,
                taps=taps,
                empty=slots - products,
                filter_words=moved["filter"],
                ifmap_words=moved["ifmap"],
                psums_in=moved["psum_in"],
                psums=len(received) - psums_before,
            ),
        )

    def _most_cycles(self, operands: PassOperands) -> int:
        words = len(operands.filters) + len(operands.ifmap) + len(operands.psums)
        return operands.row.cycles(self.config) + words + _PATIENCE

    def _cycle(self, cycle: object, inputs: dict[str, Words]) -> None:
        assert callable(cycle)
        for memory in self._memories:
            inputs = inputs | memory.access()
        cycle(inputs)

    def _flag(self, port: str) -> bool:
        return _flag(self.simulation, port, self.config.pe_type)


class _Memory:
    """A single-ported synchronous memory at a macro port; its output holds between reads."""

    def __init__(self, simulation: GateSimulation, name: str) -> None:
        self.simulation, self.name = simulation, name
        ports = simulation.netlist.ports
        addresses = 1 << len(ports[f"{name}__addr"].nets)
        shape = (addresses, len(ports[f"{name}__write_data"].nets), simulation.values.shape[1])
        self.words = np.zeros(shape, dtype=np.uint64)

    def access(self) -> dict[str, Words]:
        """Do what the ports ask for at the coming edge; return the inputs behind it."""
        simulation, name = self.simulation, self.name
        if not _flag(simulation, f"{name}__en", "memory"):
            return {}
        addresses = set(unpack_codes(simulation.port(f"{name}__addr")).tolist())
        if len(addresses) > 1:
            raise FlowError(f"the lanes of the netlist disagree in the address of {name}")
        address = addresses.pop()
        if _flag(simulation, f"{name}__write", "memory"):
            self.words[address] = simulation.port(f"{name}__write_data")
            return {}
        return {f"{name}__read_data": self.words[address].copy()}


def _ended(name: str, streams: dict[str, _Stream], quiet: int) -> bool:
    """Return whether a segment that only brings words has brought all that find room."""
    words = streams.get(name)
    return words is not None and (words.next == len(words.words) or quiet > 1)


def _all_lanes(bit: int) -> Words:
    """Return one bit for all lanes and all words; broadcasts over a port."""
    return np.array([[bit * ONES]], dtype=np.uint64)


def _flag(simulation: GateSimulation, port: str, what: str) -> bool:
    words = simulation.port(port)
    if words.any() and not (words == ONES).all():
        raise FlowError(f"the lanes of the netlist of {what} disagree in {port}")
    return bool(words.any())


def _compare(config: PEConfig, operands: PassOperands, received: Sequence[Words]) -> None:
    expected: NDArray[np.object_] = operands.expected
    packed = pack_codes(expected, config.psum_width)
    for index, (got, want) in enumerate(zip(received, packed, strict=False)):
        if not np.array_equal(got, want):
            codes = unpack_codes(got)
            lane = int(np.flatnonzero(codes != expected[index])[0])
            raise FlowError(
                f"the netlist of {config.pe_type} computes wrongly: psum {index} of lane {lane} "
                f"must be {expected[index][lane]:#x}, not {codes[lane]:#x}"
            )
    if len(received) != len(expected):
        raise FlowError(
            f"the netlist of {config.pe_type} must give {len(expected)} psums, not {len(received)}"
        )
