"""A pass of products through the netlist of a whole PE: is it right, and what does a product cost.

The PE gets one `RowPass` with uniformly random operands in every lane and no stall on any stream;
each psum that leaves must be the golden model's.  What the nets do from the first product to the
last psum is the activity of a product, with all that belongs to it: operands read, psums
read and written, ifmap words that follow, the pipeline that fills and empties.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.activity import Activity
from flows.netlist import Netlist
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.control import PassLayout
from hw.pe.golden import run_pass
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

from .errors import CharacterizeError
from .flattened_signals import LANES, SettledNetlist, lane_words, words_of_lanes

__all__ = ["PassActivity", "run_netlist", "typical_pass"]

_FILTERS, _TAPS, _WORDS, _SLOTS = 16, 3, 64, 128
"""Most filters, taps and filter words of a pass, and the slots it has at least."""
_CHECKED = 8
"""Lanes whose psums are compared with the golden model."""
_SCALES = (120, 134)
"""Codes of shared scales: 2**-7 to 2**7."""
_PATIENCE = 1000
"""Cycles without a psum, beyond those of the loads, after which a pass is taken as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassActivity:
    """What a pass did to a netlist."""

    activity: Activity
    """Of a cycle between the end of the load and the last psum."""
    cycles: int
    """Such cycles."""
    products: int
    """Slots that held a product."""


def typical_pass(config: PEConfig) -> RowPass:
    """Return a pass of a PE with many products and few words to load."""
    kind = PE_TYPES[config.pe_type]
    scale_words = kind.scaling.words if kind.scaling else 0
    found = []
    for filters in range(1, min(_FILTERS, config.psum_spad) + 1):
        for taps in range(1, _TAPS + 1):
            for channels in range(1, config.ifmap_spad + 1):
                row = RowPass(
                    filters=filters, channels=channels, taps=taps, positions=1,
                    terms=kind.terms, scale_words=scale_words,
                )  # fmt: skip
                if row.filter_words <= _WORDS and _fits(row, config):
                    found.append(row)
    best = max(found, key=lambda row: (row.filters * row.window, row.filters, row.taps))
    slots = best.window * best.terms * config.psum_interval(best.filters)
    positions = -(-_SLOTS // slots)
    return RowPass(
        filters=best.filters, channels=best.channels, taps=best.taps, positions=positions + 1,
        terms=best.terms, scale_words=scale_words,
    )  # fmt: skip


def _fits(row: RowPass, config: PEConfig) -> bool:
    try:
        row.check(config)
    except ConfigError:
        return False
    return True


def run_netlist(netlist: Netlist, config: PEConfig, *, seed: int = 1) -> PassActivity:
    """Run a typical pass through a netlist with the ports of a PE.

    Raises
    ------
    CharacterizeError
        A psum that leaves is not the golden model's, or nothing comes out.
    """
    row = typical_pass(config)
    dice = random.Random(seed)
    filters = [_words(config, row, "filter", dice) for _ in range(LANES)]
    ifmap = [_words(config, row, "ifmap", dice) for _ in range(LANES)]
    layout = PassLayout(config).const(row.fields(config)).as_value().value
    streams = {
        "config": [[layout] * LANES],
        "filter": [list(words) for words in zip(*filters, strict=True)],
        "ifmap": [list(words) for words in zip(*ifmap, strict=True)],
    }
    signals = SettledNetlist(netlist, seed=seed)
    left, cycles = _run(signals, streams, row.positions * row.filters)
    mask = (1 << config.psum_width) - 1
    for lane in range(_CHECKED):
        wanted = run_pass(config, row, filters[lane], ifmap[lane])
        for index, (psum, got) in enumerate(zip(wanted, left, strict=True)):
            if psum & mask != got[lane]:
                raise CharacterizeError(
                    f"psum {index} of a pass must be {psum & mask:#x}, not {got[lane]:#x}: the "
                    f"netlist of {netlist.name} computes wrongly"
                )
    products = row.positions * row.filters * row.window * row.terms
    return PassActivity(activity=signals.activity(), cycles=cycles, products=products)


def _words(config: PEConfig, row: RowPass, stream: str, dice: random.Random) -> list[int]:
    """Return the random operands of a stream.

    Codes are uniform; where psums are floating point, values are normal, because uniform codes
    would soon have no sum but infinity.  Scales are near 1.
    """
    kind = PE_TYPES[config.pe_type]
    form, together, count = {
        "filter": (kind.weight, row.filters, row.filter_words),
        "ifmap": (kind.activation, 1, row.ifmap_words),
    }[stream]
    if kind.accumulator is not None and kind.scaling is None:
        values = [dice.gauss(0.0, 1.0) for _ in range(count)]
        return [int(code) for code in form.encode(values)]
    words = [dice.getrandbits(form.bits) for _ in range(count)]
    if not row.scale_words:
        return words
    for start in range(row.channels * together, count, row.column * together):
        for lane in range(together):
            scale = dice.randint(*_SCALES)
            for index in range(row.scale_words):
                word = scale >> form.bits * index & ((1 << form.bits) - 1)
                words[start + index * together + lane] = word
    return words


def _run(
    signals: SettledNetlist, streams: Mapping[str, Sequence[Sequence[int]]], psums: int
) -> tuple[list[list[int]], int]:
    """Run until all psums have left; return them by lane, and how many cycles were recorded."""
    for name in (*streams, "psum_in"):
        signals.drive(f"{name}__valid", 0)
        signals.drive(f"{name}__payload", 0)
    signals.drive("psum_out__ready", 1)
    for reset in (1, 1, 0):
        signals.drive("rst", reset)
        signals.settle()
        signals.cycle()
    taken = dict.fromkeys(streams, 0)
    left: list[list[int]] = []
    recorded = quiet = 0
    while len(left) < psums:
        for name, words in streams.items():
            offered = taken[name] < len(words)
            signals.drive(f"{name}__valid", int(offered))
            if offered:
                width = signals.netlist.ports[f"{name}__payload"].nets.size
                signals.drive(f"{name}__payload", lane_words(words[taken[name]], width))
        signals.settle()
        moved = [
            name
            for name, words in streams.items()
            if taken[name] < len(words) and signals.flag(f"{name}__ready")
        ]
        loaded = taken["filter"] == len(streams["filter"])
        if signals.flag("psum_out__valid"):
            left.append(words_of_lanes(signals.read("psum_out__payload")))
            quiet = 0
        quiet += 1
        if quiet > _PATIENCE + sum(map(len, streams.values())):
            raise CharacterizeError(f"a pass must end, but {psums - len(left)} psums never came")
        signals.cycle(record=loaded)
        recorded += loaded
        for name in moved:
            taken[name] += 1
    return left, recorded
