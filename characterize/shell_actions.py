"""What the shell around an array does in a cycle, and the signal statistics of it.

As in `array_actions`, an activity is described at named signals and followed through the netlist
from there (`flows.activity`).  All handshakes between components are stated, so that each component
is seen apart from the others.  The stated activity:

- words and psums are uniformly random; one word waits in each queue;
- a stream moves whenever its slowest part can: rows at the rate of the beats that they consist of;
- the registers of a layer, its loop nest, counters and the tags of words stand still;
- the first bank of the global buffer is read or written, the others keep their data.

Several components are busy in one activity; `FIGURES` says what is taken from which of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from flows.activity import Activity, Statistic, propagate
from flows.errors import FlowError
from flows.netlist import Netlist
from hw.accelerator_config import HardwareConfig

__all__ = [
    "COMPONENTS", "FIGURES", "PARTS", "Figure", "ShellActivity", "figure_pj", "shell_activity",
]  # fmt: skip

COMPONENTS = {
    "registers": "registers",
    "sequencer": "sequencer",
    "buffer": "banks",
    "tiles": "tiles",
    "queue": "filters",
    "psums": "psums",
    "filter_feeder": "feeders",
    "ifmap_feeder": "feeders",
    "filter_packer": "streams",
    "ifmap_packer": "streams",
    "sender": "streams",
    "requantizer": "requantizer",
    "packer": "requantizer",
    "top": "joints",
}
"""Part that each component of a shell belongs to."""
PARTS = tuple(dict.fromkeys(COMPONENTS.values()))
"""Parts of a shell; docs/shell-costs.md says what each is."""
SETTLED = 0.02
"""Largest change of a register's statistic that is left when its iteration ends."""

_MISSED = 0.5
"""Share by which the toggles of a queue's words may miss what is stated."""
_ON, _OFF, _STILL = Statistic(1.0, 0.0), Statistic(0.0, 0.0), Statistic(0.5, 0.0)
_RANDOM = Statistic(0.5, 0.5)

Pins = dict[str, Statistic | Sequence[Statistic]]


class ShellActivity(Enum):
    """What a shell is busy with."""

    IDLE = "idle"
    FILL = "fill"
    """Filters and tiles come from off chip, filters leave their queue."""
    FEED = "feed"
    """Both networks get beats, tiles are read for them; psums leave the accelerator."""
    LEAVE = "leave"
    """Psums leave the columns for the memory."""
    ENTER = "enter"
    """Psums come from the memory and enter the columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The energy of some components in an activity, for each of what moves."""

    activity: ShellActivity
    components: tuple[str, ...]
    per: str
    """What moves; `moves` says how often in a cycle."""
    port: str | None = None
    """Input port whose wires are part of it."""
    above: ShellActivity = ShellActivity.IDLE
    """What has been counted already of these components."""


FIGURES = {
    "filter_row": Figure(
        activity=ShellActivity.FILL, components=("filter_packer", "queue"), per="row in",
        port="filter__payload",),
    "ifmap_row": Figure(
        activity=ShellActivity.FILL, components=("ifmap_packer", "tiles", "buffer"), per="row in",
        port="ifmap__payload",),
    "ifmap_read_row": Figure(
        activity=ShellActivity.FEED, components=("tiles", "buffer"), per="ifmap row",),
    "filter_word": Figure(
        activity=ShellActivity.FEED, components=("filter_feeder",), per="filter word",),
    "ifmap_word": Figure(
        activity=ShellActivity.FEED, components=("ifmap_feeder",), per="ifmap word",),
    "psum_read_row": Figure(activity=ShellActivity.ENTER, components=("buffer",), per="psum row",),
    "psum_enter": Figure(activity=ShellActivity.ENTER, components=("psums",), per="psum",),
    "psum_leave": Figure(
        activity=ShellActivity.LEAVE, components=("psums", "requantizer", "packer"), per="psum",),
    "psum_write_row": Figure(activity=ShellActivity.LEAVE, components=("buffer",), per="psum row",),
    "requantize": Figure(
        activity=ShellActivity.FEED, components=("requantizer", "packer"), per="psum out",
        above=ShellActivity.LEAVE,),
    "output_row": Figure(activity=ShellActivity.FEED, components=("sender",), per="row out",),
}  # fmt: skip
"""Figures by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """How often things move in a cycle of their activity."""

    row_in: float
    filter_row: float
    ifmap_row: float
    row_final: float
    """Rows of psums that leave the accelerator."""
    row_out: float

    @classmethod
    def of(cls, config: HardwareConfig) -> _Rates:
        beats = config.row_bits // config.off_chip_bits
        packed = config.rows_per_output if config.requantizes else 1
        final = min(1.0, packed / beats)
        return cls(
            row_in=1 / beats,
            filter_row=1 / config.filter_beats_per_row,
            ifmap_row=1 / config.ifmap_beats_per_row,
            row_final=final,
            row_out=final / packed,
        )


def figure_pj(
    figure: Figure,
    spent_pj: Mapping[ShellActivity, Mapping[str, float]],
    config: HardwareConfig,
) -> float | None:
    """Return a figure [pJ] of the energies of components in activities [pJ per cycle], None where
    the shell has none of the components."""
    there = [name for name in figure.components if name in spent_pj[ShellActivity.IDLE]]
    if not there:
        return None
    rates = _moves(config)

    def above_idle(activity: ShellActivity, per: str) -> float:
        idle = spent_pj[ShellActivity.IDLE]
        names = [*there, *((figure.port,) if figure.port in spent_pj[activity] else ())]
        return sum(spent_pj[activity][name] - idle[name] for name in names) / rates[per]

    made = above_idle(figure.activity, figure.per)
    if figure.above is not ShellActivity.IDLE:
        made -= above_idle(figure.above, "psum")
    # A difference of two nearly equal sums can end below zero.
    return max(made, 0.0)


def _moves(config: HardwareConfig) -> dict[str, float]:
    """Return how many of what figures are about move in a cycle of the figure's activity."""
    rates, psums = _Rates.of(config), config.psums_per_row
    return {
        "row in": rates.row_in,
        "ifmap row": rates.ifmap_row,
        "filter word": config.array.filter_lanes,
        "ifmap word": config.array.ifmap_lanes,
        "psum row": 1.0,
        "psum": psums,
        "psum out": psums * rates.row_final,
        "row out": rates.row_out,
    }


def shell_activity(netlist: Netlist, config: HardwareConfig, what: ShellActivity) -> Activity:
    """Return the statistic of every net of a shell in parts (`shell_modules`).

    Raises `FlowError` where a signal the activity is stated at is not there, the statistics do not
    settle, or the words of a queue do not move as stated.
    """
    pins, pinned = _still(netlist), _Pinned(netlist)
    stated = _STATED[what](pinned, config) if what in _STATED else {}
    # A net with several names has the statistic that is stated last.
    pins = {name: pin for name, pin in pins.items() if name not in stated} | stated
    activity = propagate(
        netlist, pins, inputs=_STILL, registers=_STILL, tolerance=SETTLED, iterations=200
    )
    if activity.residual > SETTLED:
        raise FlowError(
            f"the activity {what.value} must settle within {SETTLED:g}, but still changes by "
            f"{activity.residual:.2g} after {activity.iterations} iterations"
        )
    for name, expected in pinned.moving.items():
        of_bits = activity.toggle[netlist.names[name]]
        used = of_bits[of_bits > 0]  # a row may have more bits than anybody reads
        toggles = float(used.mean()) if used.size else 0.0
        if abs(toggles - expected) > _MISSED * expected:
            raise FlowError(
                f"in the activity {what.value}, bits of {name} must toggle {expected:.3g} times "
                f"per cycle, not {toggles:.3g}: the pins no longer fit the shell"
            )
    return activity


def _still(netlist: Netlist) -> Pins:
    """Return the pins of a shell that waits."""
    pins: Pins = {"rst": _OFF}
    for name in netlist.names:
        owner, _, last = name.rpartition(".")
        if last.endswith(("__valid", "__ready", "__en")) or last == "start":
            pins[name] = _OFF
        elif (
            last in ("layer", "chains")
            or last.endswith(("_left", "_level"))
            or re.fullmatch(r"tag\d+_(row|col)", last)
        ):
            pins[name] = _STILL
        elif last in ("read", "write") and f"{owner}.words_level" in netlist.names:
            pins[name] = Statistic(1 / len(netlist.names[name]), 0.0)  # one bit is set
        elif last.endswith(("_ends", "_at_last", "_at_end")) or last == "left":
            pins[name] = _OFF
    return pins


def _rate(share: float) -> Statistic:
    """Return what is on in a share of the cycles, as evenly as it can."""
    return Statistic(share, 2 * min(share, 1 - share))


def _word(share: float) -> Statistic:
    """Return a bit of a word that is another one in a share of the cycles."""
    return Statistic(0.5, 0.5 * share)


class _Pinned:
    """Makes pins from names of a netlist."""

    def __init__(self, netlist: Netlist) -> None:
        self.names = netlist.names
        self.moving: dict[str, float] = {}
        """Toggles per cycle that bits of the words in queues must have."""

    def bits(self, name: str) -> int:
        if name not in self.names:
            raise FlowError(f"a shell in parts must have the net {name!r}")
        return len(self.names[name])

    def one_of(self, *names: str) -> str:
        """Return the name that a net has kept."""
        for name in names:
            if name in self.names:
                return name
        raise FlowError(f"a shell in parts must have one of the nets {', '.join(names)}")

    def stream(self, name: str, share: float = 1.0, *, payload: bool = True) -> Pins:
        """Return a stream that moves in a share of the cycles."""
        pins: Pins = {f"{name}__valid": _rate(share), f"{name}__ready": _ON}
        return pins | ({f"{name}__payload": _word(share)} if payload else {})

    def address(self, name: str, share: float, bank_bits: int) -> Pins:
        """Return an address that counts up within the first bank."""
        low = self.bits(name) - bank_bits
        bits = [Statistic(0.5, min(1.0, share * 2.0**-bit)) for bit in range(low)]
        return {name: [*bits, *[_OFF] * bank_bits]}

    def queue(self, name: str, share: float) -> Pins:
        """Return a queue (`hw.shell.queue`) in which one word waits and words move on."""
        places = self.bits(f"{name}.write")
        turn = Statistic(1 / places, share * 2 / places)
        pins: Pins = {
            f"{name}.write": turn,
            f"{name}.read": turn,
            f"{name}.words_level": [_ON, *[_OFF] * (self.bits(f"{name}.words_level") - 1)],
        }
        # Of several names of a net synthesis may keep only one.
        ends = ("source__ready", "words_room", "sink__valid", "words_some")
        found = [f"{name}.{end}" for end in ends if f"{name}.{end}" in self.names]
        self.moving[f"{name}.word0"] = 0.5 * share / places
        return pins | dict.fromkeys(found, _ON)

    def columns(self, end: str, config: HardwareConfig) -> Pins:
        """Return queues at one end of the columns, of which those of one row move."""
        pins: Pins = {
            f"psums.{end}_passes__valid": _ON,
            f"psums.{end}_passes__payload": _OFF,
            f"psums.{end}_reaches": _ON,
        }
        group = f"psums.{end}_group"
        pins[group] = [_ON, *[_OFF] * (self.bits(group) - 1)]
        for x in range(config.psums_per_row):
            pins |= self.queue(f"psums.{end}{x}", 1.0)
        return pins

    def landing(self, name: str, share: float) -> Pins:
        """Return rows that land in a share of the cycles (`hw.shell.memory.Landing`)."""
        under_way = f"{name}.under_way_level"
        asked = [net for net in self.names if net.startswith(f"{name}.asked")]
        return {
            **self.queue(f"{name}.queue", share),
            under_way: [_ON, *[_OFF] * (self.bits(under_way) - 1)],
            self.one_of(f"{name}.under_way_room", f"{name.partition('.')[0]}.free"): _rate(share),
            **{net: _rate(share) for net in asked},
        }


def _fill(pinned: _Pinned, config: HardwareConfig) -> Pins:
    share = _Rates.of(config).row_in
    pins: Pins = {"filter__payload": _RANDOM, "ifmap__payload": _RANDOM, "queue.stored_some": _ON}
    for packer in ("filter_packer", "ifmap_packer"):
        pins |= pinned.stream(f"{packer}.beats")
        pins |= pinned.stream(f"{packer}.rows", share, payload=False)
    for bank in range(2):
        pins |= {f"queue__{bank}__read_data": _word(share / 2), f"queue.bank__{bank}__en": _ON}
    pins |= {"buffer.tile__en": _rate(share), "buffer.tile__write": _ON}
    return (
        pins
        | pinned.address("buffer.tile__addr", share, _bank_bits(config))
        | pinned.landing("queue.landing", share)
        | pinned.stream("queue.sink", share, payload=False)
    )


def _bank_bits(config: HardwareConfig) -> int:
    return (config.banks - 1).bit_length()


def _feed(pinned: _Pinned, config: HardwareConfig) -> Pins:
    rates = _Rates.of(config)
    pins: Pins = {
        "buffer.bank__0__read_data": _word(rates.ifmap_row),
        "buffer.ifmap_bank": _OFF,
        "tiles.passes__valid": _ON,
    }
    for network, source, share in (
        ("filter", "queue", rates.filter_row),
        ("ifmap", "tiles", rates.ifmap_row),
    ):
        pins |= pinned.stream(f"{network}_feeder.beats", payload=False)
        part = f"{network}_feeder.part"
        pins |= {
            part: _rate(1 / pinned.bits(part)),
            f"{network}_feeder.passes__valid": _ON,
            f"{source}.sink__valid": _ON,
            f"{source}.sink__ready": _rate(share),
        }
    pins["queue.sink__payload"] = _word(rates.filter_row)
    pins |= pinned.landing("tiles.landing", rates.ifmap_row)
    pins["tiles.read__en"] = _rate(rates.ifmap_row)
    pins |= pinned.address("tiles.read__addr", rates.ifmap_row, _bank_bits(config))
    pins |= pinned.stream("psums.finished", rates.row_final)
    if config.requantizes:
        pins |= pinned.stream("requantizer.psums", rates.row_final, payload=False)
        pins |= pinned.stream("requantizer.codes", rates.row_final, payload=False)
        pins |= pinned.stream("packer.rows", rates.row_out, payload=False)
    return (
        pins
        | pinned.stream("sender.rows", rates.row_out)
        | {
            "sender.beats__valid": _ON,
            "sender.beats__ready": _ON,
        }
    )


def _enter(pinned: _Pinned, config: HardwareConfig) -> Pins:
    pins = pinned.columns("entering", config) | pinned.landing("psums.landing", 1.0)
    for x in range(config.psums_per_row):
        pins |= pinned.stream(f"psums.to_columns__{x}", payload=False)
    for address in ("memory__addr", "read_address"):
        pins |= pinned.address(f"psums.{address}", 1.0, _bank_bits(config))
    return pins | {
        "buffer.bank__0__read_data": _RANDOM,
        "buffer.psum_bank": _OFF,
        "psums.memory__en": _ON,
        "psums.memory__write": _OFF,
        "psums.reads": _ON,
    }


def _leave(pinned: _Pinned, config: HardwareConfig) -> Pins:
    pins = pinned.columns("leaving", config)
    for x in range(config.psums_per_row):
        pins |= pinned.stream(f"psums.from_columns__{x}")
    for address in ("memory__addr", "write_address"):
        pins |= pinned.address(f"psums.{address}", 1.0, _bank_bits(config))
    pins |= {"psums.memory__en": _ON, "psums.memory__write": _ON, "psums.writes": _ON}
    # The requantizer is free, and sees the psums that pass it by.
    return pins | ({"requantizer.psums__ready": _ON} if config.requantizes else {})


_STATED = {
    ShellActivity.FILL: _fill,
    ShellActivity.FEED: _feed,
    ShellActivity.ENTER: _enter,
    ShellActivity.LEAVE: _leave,
}
