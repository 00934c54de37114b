"""Energies of a PE from its simulated netlist (`method: simulated`).

Some passes through the netlist calibrate what each action costs: the energies of their phases
(ifmap words in, filter words in, products) are fitted by a sum of actions times energies, each
phase with the same relative weight.  Other passes, of other shapes and data, check the sum.
`TERMS` are these actions: besides cycles, products and words what a new tap costs, a slot that
stays empty, products that add to large psums, the first and last product of a psum.  A datapoint
row states the product of the reference pass, `FILTERS_PER_TAP` products a tap and `SLOTS_PER_PSUM`
products a psum, and what taps and psums cost by themselves, for passes with others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from flows.bitwise import LANES_PER_WORD
from flows.clock import clock_pins_pj
from flows.errors import FlowError
from flows.loads import Loads, net_loads
from flows.netlist import Netlist
from flows.state_energy import EnergyMeter
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

from .actions import FILTERS_PER_TAP, SLOTS_PER_SCALE
from .pe_runs import Actions, PERun
from .schema import PARTS
from .stimuli import PassOperands, make_operands

__all__ = ["LANES", "SLOTS_PER_PSUM", "TERMS", "SimulatedEnergy", "simulated_energies"]

FloatArray = NDArray[np.float64]
Shape = tuple[int, int, int, int, int, bool]
"""Filters p, channels q, columns S, stride U, positions F, whether psums come in."""

TERMS = tuple(field.name for field in fields(Actions))
"""Actions with an energy of their own: `cycles` is what every cycle costs, the others add to it."""
SLOTS_PER_PSUM = 12
"""Products a psum stays for in the reference pass (q S of the Eyeriss mappings)."""
LANES = {"digits": 2 * LANES_PER_WORD, "uniform": LANES_PER_WORD}
"""Independent data of each set; those of a network differ more from each other."""
_IDLE_CYCLES = 16
_MOST_KEPT = 200
_CALIBRATING: tuple[Shape, ...] = (
    (16, 4, 3, 1, 1, False),
    (16, 2, 3, 1, 2, True),
    (8, 3, 3, 1, 2, False),
    (10, 1, 9, 1, 1, True),
    (16, 2, 1, 1, 3, False),
    (16, 2, 1, 1, 3, True),
    (12, 8, 1, 1, 1, True),
    (4, 4, 3, 1, 2, True),
    (2, 4, 3, 1, 2, False),
    (1, 2, 3, 1, 4, True),
)
_CHECKING: tuple[Shape, ...] = (
    (18, 4, 3, 1, 1, True),
    (10, 2, 3, 1, 2, False),
    (6, 2, 5, 2, 2, True),
    (12, 1, 11, 4, 1, True),
    (16, 12, 1, 1, 1, False),
    (3, 3, 3, 1, 4, True),
)
"""Other shapes than those that calibrate: a VGG row, strides, AlexNet's first layer, 1 x 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEnergy:
    """What the actions of a PE cost, by part, and how well their sum predicts other passes."""

    by_part_pj: Mapping[str, Mapping[str, float]]
    """Energy of each of `TERMS` [pJ] by part of the PE."""
    leakage_uw: Mapping[str, float]
    """Leakage while the PE works [uW] by part."""
    check_error: float
    """Largest relative error of actions times energies in the checking passes."""
    mean_error: float
    """Root mean square of these errors."""
    row_error: float
    """Largest relative error if only the actions of a datapoint row are used."""
    lane_cycles: int
    """Cycles simulated, in all lanes."""

    def term_pj(self, name: str) -> float:
        """Return the energy of one of `TERMS`, all parts [pJ]."""
        return sum(energies[name] for energies in self.by_part_pj.values())

    def columns(self) -> dict[str, float]:
        """Return the energy columns of a datapoint row."""
        product = {part: _reference_product(own) for part, own in self.by_part_pj.items()}
        return {
            "leakage_uw": sum(self.leakage_uw.values()),
            **{f"leakage_{part}_uw": self.leakage_uw[part] for part in PARTS},
            "product_pj": sum(product.values()),
            **{f"product_{part}_pj": product[part] for part in PARTS},
            "filter_load_pj": self.term_pj("filter_words"),
            "ifmap_load_pj": self.term_pj("ifmap_words"),
            "psum_pass_pj": sum(_reference_psum(own) for own in self.by_part_pj.values()),
            "tap_pj": self.term_pj("taps"),
            "psum_out_pj": self.term_pj("psums"),
            "idle_pj": self.term_pj("cycles"),
        }


def _reference_product(energy_pj: Mapping[str, float]) -> float:
    """Return the energy of a product's cycle in the reference pass."""
    return (
        energy_pj["cycles"]
        + energy_pj["products"]
        + energy_pj["scaled"] / SLOTS_PER_SCALE
        + energy_pj["taps"] / FILTERS_PER_TAP
        + energy_pj["psums"] / SLOTS_PER_PSUM
    )


def _reference_psum(energy_pj: Mapping[str, float]) -> float:
    """Return what a psum that comes in costs in the reference pass, above one that begins at 0.

    The word itself and what its products cost more can hardly be told apart; their sum can.
    """
    blocks = SLOTS_PER_SCALE if energy_pj["scaled"] else 1
    return energy_pj["psums_in"] + SLOTS_PER_PSUM / blocks * energy_pj["chained"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sample:
    """Energy by part [pJ] and actions of some cycles."""

    actions: FloatArray
    energy_pj: FloatArray
    leakage_uw: FloatArray


def simulated_energies(
    netlist: Netlist,
    config: PEConfig,
    *,
    data_set: str = "digits",
    lanes: int | None = None,
    seed: int = 1,
    loads: Loads | None = None,
) -> SimulatedEnergy:
    """Simulate a PE's netlist and return what its actions cost.

    Parameters
    ----------
    netlist, config
        The mapped netlist of the PE point, and the point.
    data_set
        `digits` or `uniform`.
    lanes
        Independent data in every run, a multiple of 64; `LANES` of the data set by default.
    seed
        Of data and of the first values of registers.
    loads
        What `net_loads` returned for the netlist, if that is known.

    Raises
    ------
    FlowError
        The netlist computes wrongly, or too few passes fit the PE to tell its actions apart.
    """
    lanes = lanes or LANES.get(data_set, LANES_PER_WORD)  # a wrong name is refused further down
    meter = EnergyMeter(netlist, net_loads(netlist) if loads is None else loads)
    run = PERun(config, netlist, lanes=lanes, seed=seed)
    run.idle(_IDLE_CYCLES)  # reset leaves the pipeline within these
    clock_pj = clock_pins_pj(netlist)
    calibrating = _passes(config, _CALIBRATING)
    checking = _passes(config, _CHECKING)
    if not calibrating or not checking:
        raise FlowError("the PE's scratchpads must have room for some calibrating passes")
    samples: dict[bool, list[_Sample]] = {True: [], False: []}
    cycles = 0
    for number, (row, apart) in enumerate(
        [(row, True) for row in calibrating] + [(row, False) for row in checking]
    ):
        operands = _operands(config, row, data_set, lanes, (seed, number))
        segments = run.run(operands, apart=apart)
        if apart:
            segments.append(run.idle(_IDLE_CYCLES))
        for segment in segments:
            found = meter.measure(segment.trace)
            per_cycle = np.array([clock_pj[part] for part in found.parts])
            cycles += segment.trace.cycles
            samples[apart].append(
                _Sample(
                    actions=np.array([getattr(segment.actions, t) for t in TERMS], np.float64),
                    energy_pj=found.dynamic_pj.sum(axis=1) + per_cycle * segment.trace.cycles,
                    leakage_uw=found.leakage_uw,
                )
            )
    energies = _fit(samples[True])
    errors = _errors(samples[False], energies)
    parts = [_part(name) for name in netlist.parts]
    fitted = {
        part: dict(zip(TERMS, _sum(energies, parts, part).tolist(), strict=True)) for part in PARTS
    }
    leakage = np.mean([sample.leakage_uw for sample in samples[False]], axis=0)
    return SimulatedEnergy(
        by_part_pj=fitted,
        leakage_uw={part: float(_sum(leakage, parts, part)) for part in PARTS},
        check_error=float(np.abs(errors).max()),
        mean_error=float(np.sqrt(np.mean(errors**2))),
        row_error=float(np.abs(_errors(samples[False], _as_row(energies))).max()),
        lane_cycles=cycles * lanes,
    )


_kept: dict[object, PassOperands] = {}
"""Operands of passes of the last PE type: PEs that differ in their scratchpads share them."""


def _operands(
    config: PEConfig, row: RowPass, data_set: str, lanes: int, seed: tuple[int, int]
) -> PassOperands:
    """Return operands of a pass, drawn when they are first asked for."""
    own = (config.pe_type, config.psum_width, config.saturating, config.decoders)
    key = (own, row, data_set, lanes, seed)
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        dice = np.random.default_rng(seed)
        _kept[key] = make_operands(config, row, data_set, lanes=lanes, dice=dice)
    return _kept[key]


def _passes(config: PEConfig, shapes: tuple[Shape, ...]) -> list[RowPass]:
    """Return passes of these shapes, made smaller where the PE is, without those that are equal."""
    kind = PE_TYPES[config.pe_type]
    scale_words = kind.scaling.words if kind.scaling else 0
    found: list[RowPass] = []
    for p, q, s, u, f, accumulate in shapes:
        taps = min(s, config.ifmap_spad // (1 + scale_words))
        if taps == 0:
            continue
        channels = max(1, min(q, config.ifmap_spad // taps) - scale_words)
        window = (channels + scale_words) * taps
        terms = kind.terms if p % 4 == 0 else 1
        filters = min(p, config.psum_spad, config.filter_spad // (window * terms))
        if filters == 0:
            continue
        row = RowPass(
            filters=filters,
            channels=channels,
            taps=taps,
            stride=min(u, taps),
            positions=f,
            accumulate=accumulate,
            terms=terms,
            scale_words=scale_words,
        )
        try:
            row.check(config)
        except ConfigError:
            continue
        if row not in found:
            found.append(row)
    return found


def _fit(samples: list[_Sample]) -> FloatArray:
    """Return the energies of the actions, shape (terms, parts); 0 of those that never happen."""
    actions = np.stack([sample.actions for sample in samples])
    energy = np.stack([sample.energy_pj for sample in samples])
    weight = 1 / energy.sum(axis=1, keepdims=True)
    happen = actions.any(axis=0)
    found = np.zeros((actions.shape[1], energy.shape[1]))
    # Least norm where actions cannot be told apart: their sum is right all the same.
    found[happen] = np.linalg.lstsq(actions[:, happen] * weight, energy * weight, rcond=None)[0]
    return found


def _errors(samples: list[_Sample], energies: FloatArray) -> FloatArray:
    """Return how far actions times energies are from simulated energy, relative."""
    told = np.array([float((sample.actions @ energies).sum()) for sample in samples])
    errors: FloatArray = told / [float(sample.energy_pj.sum()) for sample in samples] - 1
    return errors


def _as_row(energies: FloatArray) -> FloatArray:
    """Return energies in which the terms that a row does not have are part of its product."""
    by_part = [dict(zip(TERMS, energy.tolist(), strict=True)) for energy in energies.T]
    kept = ("cycles", "filter_words", "ifmap_words", "taps", "psums")
    row = np.where(np.isin(TERMS, kept)[:, np.newaxis], energies, 0.0)
    for part, own in enumerate(by_part):
        row[TERMS.index("products"), part] = own["products"] + own["scaled"] / SLOTS_PER_SCALE
        row[TERMS.index("psums_in"), part] = _reference_psum(own)
    return row


def _part(name: str) -> str:
    """Return the part of a datapoint row in which a netlist's part counts."""
    return {"top": "control", "block_spad": "psum_spad"}.get(name, name)


def _sum(values: FloatArray, parts: list[str], part: str) -> FloatArray:
    """Return the sum over the netlist's parts (last axis) that count in one part."""
    total: FloatArray = values[..., [name == part for name in parts]].sum(axis=-1)
    return total
