"""Netlists of PEs in simulation: proved right, wrong ones found, energies and their cross-check."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from characterize.actions import FILTERS_PER_TAP
from characterize.energy_points import EnergyTask, MappedPE, mapped_pe, measure_energy
from characterize.energy_table import ROW_ENERGIES, check_energy_row
from characterize.glitch_points import check_glitch_row, measure_glitch
from characterize.pe_runs import PERun
from characterize.schema import PARTS, REFERENCE_PSUM, REFERENCE_TAP
from characterize.simulated_energy import SLOTS_PER_PSUM, TERMS, simulated_energies
from characterize.stimuli import PassOperands, make_operands
from flows.errors import FlowError, LibraryNotFound, ToolMissing
from flows.functions import Function
from flows.libraries import CellLibrary, find_library
from flows.netlist import CellGroup, Netlist, Step
from flows.state_energy import EnergyMeter
from flows.tools import iverilog_command, yosys_command
from hw.config import PEConfig
from hw.pe.pe_type import PEType
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

SMALL: dict[str, Any] = {"ifmap_spad": 6, "filter_spad": 24, "psum_spad": 4}
MACRO: dict[str, Any] = {f"{name}_spad_kind": "macro" for name in ("ifmap", "filter", "psum")}
LATCH: dict[str, Any] = {f"{name}_spad_kind": "latch" for name in ("ifmap", "filter", "psum")}


@functools.cache
def library(name: str) -> CellLibrary:
    try:
        yosys_command()
        return find_library(name)
    except (LibraryNotFound, ToolMissing) as error:
        pytest.skip(f"needs Yosys and {name}: {str(error).splitlines()[0]}")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


def small_pass(kind: PEType, *, accumulate: bool = False, **fields: int) -> RowPass:
    scale_words = kind.scaling.words if kind.scaling else 0
    shape: dict[str, Any] = {"filters": 3, "channels": 1, "taps": 2, "positions": 4} | fields
    return RowPass(**shape, accumulate=accumulate, scale_words=scale_words)


def draw(config: PEConfig, row: RowPass, data_set: str = "digits", seed: int = 1) -> PassOperands:
    return make_operands(config, row, data_set, lanes=64, dice=np.random.default_rng(seed))


def with_wrong_gate(netlist: Netlist, instance: int) -> Netlist:
    """Return the netlist with one gate computing the opposite."""
    groups = []
    for group in netlist.groups:
        if instance not in group.instance:
            groups.append(group)
            continue
        row = int(np.flatnonzero(group.instance == instance)[0])
        others = np.arange(group.instance.size) != row
        pin, function = next(iter(group.cell.functions.items()))
        opposite = Function(function.names, function.bits ^ ((1 << (1 << len(function.names))) - 1))
        pins = dict(group.cell.pins) | {
            pin: dataclasses.replace(group.cell.pins[pin], function=opposite)
        }
        cell = dataclasses.replace(group.cell, pins=pins)
        for chosen, kept in ((others, group.cell), (~others, cell)):
            groups.append(
                CellGroup(
                    cell=kept,
                    instance=group.instance[chosen],
                    nets={name: nets[chosen] for name, nets in group.nets.items()},
                )
            )
    steps = _same_order(netlist, groups)
    return dataclasses.replace(netlist, groups=tuple(groups), steps=steps)


def _same_order(netlist: Netlist, groups: list[CellGroup]) -> tuple[Step, ...]:
    """Return the steps of a netlist whose cells stand in other groups."""
    place = {
        int(index): (number, row)
        for number, group in enumerate(groups)
        for row, index in enumerate(group.instance)
    }
    steps = []
    for step in netlist.steps:
        found: dict[int, list[int]] = {}
        for index in netlist.groups[step.group].instance[step.rows].tolist():
            number, row = place[index]
            found.setdefault(number, []).append(row)
        steps += [
            dataclasses.replace(step, group=number, rows=np.array(rows))
            for number, rows in found.items()
        ]
    return tuple(steps)


@pytest.mark.parametrize("kinds", [{}, LATCH, MACRO], ids=["flipflop", "latch", "macro"])
@pytest.mark.parametrize("name", ["osu018", "nangate45"])
def test_a_netlist_computes_what_the_golden_model_does(
    name: str, kinds: dict[str, Any], build: Path
) -> None:
    config = PEConfig(pe_type="lightpe1", **SMALL, **kinds)
    mapped = mapped_pe(config, library(name), build)
    run = PERun(config, mapped.netlist, lanes=64)
    kind = PE_TYPES["lightpe1"]
    for number, row in enumerate(
        [
            small_pass(kind),
            small_pass(kind, accumulate=True, stride=2),
            small_pass(kind, filters=4, channels=3, positions=2),
            small_pass(kind, filters=1, taps=1),
        ]
    ):
        for apart in (True, False):
            segments = run.run(draw(config, row, "uniform", number), apart=apart)
            done = [segment.actions for segment in segments]
            assert sum(d.products for d in done) == row.positions * row.window * row.filters
            assert sum(d.filter_words for d in done) == row.filter_words
            assert sum(d.ifmap_words for d in done) == row.ifmap_words
            assert sum(d.psums for d in done) == row.positions * row.filters
            assert sum(d.psums_in for d in done) == (sum(d.psums for d in done) * row.accumulate)
            assert [d.cycles for d in done] == [segment.trace.cycles for segment in segments]


@pytest.mark.parametrize("part", ["datapath", "filter_spad", "control"])
def test_a_netlist_that_computes_wrongly_fails(part: str, build: Path) -> None:
    config = PEConfig(pe_type="lightpe1", **SMALL)
    netlist = mapped_pe(config, library("osu018"), build).netlist
    gates = np.concatenate(
        [group.instance for group in netlist.groups if group.cell.register is None]
    )
    inside = gates[netlist.part[gates] == netlist.parts.index(part)]
    operands = draw(config, small_pass(PE_TYPES["lightpe1"], filters=4, channels=3), "uniform")
    wrong, tried = 0, np.random.default_rng(2).choice(inside, 6, replace=False).tolist()
    for instance in tried:
        run = PERun(config, with_wrong_gate(netlist, instance), lanes=64)
        try:
            run.run(operands)
        except FlowError as error:
            assert any(
                reason in str(error)
                for reason in (
                    "computes wrongly: psum",
                    "stuck",
                    "disagree",
                    "psums",
                    "never taken",
                )
            ), error
            wrong += 1
    assert wrong >= len(tried) - 1  # a gate may be out of use in this pass


def test_a_failed_netlist_is_a_failed_row(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PEConfig(pe_type="lightpe1", **SMALL)
    task = EnergyTask(config=config, library=library("osu018"), data_set="digits", build=build)
    mapped = mapped_pe(config, task.library, build)
    gate = next(g for g in mapped.netlist.groups if g.cell.register is None)
    parts = mapped.netlist.parts.index("datapath")
    inside = gate.instance[mapped.netlist.part[gate.instance] == parts]
    broken = dataclasses.replace(mapped, netlist=with_wrong_gate(mapped.netlist, int(inside[0])))

    def broken_pe(*_: object) -> MappedPE:
        return broken

    monkeypatch.setattr("characterize.energy_points.mapped_pe", broken_pe)
    row = check_energy_row(measure_energy(task), "here")
    assert row["status"] == "failed"
    assert "the netlist of lightpe1 computes wrongly: psum 0 of lane" in row["message"]


def test_energies_of_a_small_pe(build: Path) -> None:
    config = PEConfig(pe_type="int8", **SMALL)
    mapped = mapped_pe(config, library("osu018"), build)
    found = simulated_energies(mapped.netlist, config, data_set="uniform", loads=mapped.loads)
    columns = found.columns()
    assert columns["product_pj"] == pytest.approx(sum(columns[f"product_{p}_pj"] for p in PARTS))
    assert columns["product_pj"] > columns["idle_pj"] > 0
    assert columns["filter_load_pj"] > 0 and columns["ifmap_load_pj"] > 0
    assert columns["leakage_uw"] > 0
    assert found.term_pj("cycles") == columns["idle_pj"]
    assert found.term_pj("scaled") == 0.0
    assert set(found.by_part_pj["control"]) == set(TERMS)
    print(f"check {found.check_error:.3f}, actions of a row {found.row_error:.3f}")
    assert found.mean_error <= found.check_error < 0.1
    again = simulated_energies(mapped.netlist, config, data_set="uniform", loads=mapped.loads)
    assert again == found


def test_zeros_cost_less_than_random_operands(build: Path) -> None:
    config = PEConfig(pe_type="int8", **SMALL)
    mapped = mapped_pe(config, library("osu018"), build)
    meter = EnergyMeter(mapped.netlist, mapped.loads)
    spent = []
    operands = draw(config, small_pass(PE_TYPES["int8"], filters=4, channels=3), "uniform")
    still = dataclasses.replace(operands, ifmap=operands.ifmap * 0, expected=operands.expected * 0)
    for each in (operands, still):
        products = PERun(config, mapped.netlist, lanes=64).run(each, apart=True)[-1]
        energy = meter.measure(products.trace)
        spent.append(dict(zip(energy.parts, energy.dynamic_pj.sum(axis=1), strict=True)))
    assert spent[1]["datapath"] < 0.6 * spent[0]["datapath"]
    assert spent[1]["control"] == pytest.approx(spent[0]["control"])


def test_a_row_and_a_glitch_factor(build: Path) -> None:
    try:
        iverilog_command()
    except ToolMissing as error:
        pytest.skip(str(error))
    config = PEConfig(pe_type="int8", **SMALL)
    task = EnergyTask(config=config, library=library("osu018"), data_set="digits", build=build)
    row = check_energy_row(measure_energy(task), "here")
    assert row["status"] == "ok", row["message"]
    for name in ROW_ENERGIES:
        assert row[f"stated_{name}"] > 0
    assert row["method"] == "simulated"
    glitches = check_glitch_row(measure_glitch(task), "here")
    assert glitches["status"] == "ok", glitches["message"]
    assert 1.0 < glitches["glitch_factor"] < 5.0
    assert glitches["all_toggles"] > glitches["settled_toggles"]


def test_the_reference_pass_is_the_documented_one() -> None:
    assert (REFERENCE_TAP, REFERENCE_PSUM) == (FILTERS_PER_TAP, SLOTS_PER_PSUM)
