"""Scratchpads of words: random accesses to the Verilog and to netlists, and their word clocks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.activity import Statistic, propagate
from flows.errors import LibraryNotFound, ToolMissing
from flows.liberty import read_liberty
from flows.libraries import CellLibrary, find_library
from flows.netlist import Netlist, read_netlist
from flows.recipe import Recipe
from flows.simulation import run_bench
from flows.synthesis import Synthesis, synthesize
from flows.tools import yosys_command
from hw.pe.part import to_verilog
from hw.pe.spad import WordSpad
from hw.verilog import start_processes
from tests.flows.cell_models import cell_model

BUILD = Path("build/sim")
SIZES = [(2, 3), (7, 1), (8, 2), (9, 8), (33, 4)]
"""Words and bits: one group and more, whole groups and not."""


def text_of(spad: WordSpad) -> str:
    return to_verilog(spad, spad.module_name) + spad.extra_verilog()


def simulate(spad: WordSpad, verilog: str) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    values = {"SPAD_WORDS": spad.words, "SPAD_BITS": spad.bits, "SPAD_SEED": 5}
    settings = {name: str(value) for name, value in values.items()}
    bench = "tests.hw.pe.spad_bench"
    assert run_bench(verilog, spad.module_name, bench, BUILD, settings=settings) == 1


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["flipflop", "latch"])
def test_every_read_is_the_last_write(kind: str, size: tuple[int, int]) -> None:
    spad = WordSpad(kind, *size)
    simulate(spad, start_processes(text_of(spad)))


def test_words_of_flip_flops_do_without_clock_gates() -> None:
    spad = WordSpad("flipflop", 33, 4)
    simulate(spad, start_processes("`define SYNTHESIS\n" + text_of(spad)))


def library(name: str) -> CellLibrary:
    try:
        yosys_command()
        return find_library(name)
    except (LibraryNotFound, ToolMissing) as error:
        pytest.skip(f"needs Yosys and {name}: {str(error).splitlines()[0]}")


def mapped(spad: WordSpad, cells: CellLibrary, folder: Path, recipe: Recipe) -> Synthesis:
    modules = {spad.module_name: text_of(spad)}
    top = spad.module_name
    return synthesize(modules, top, cells, recipe=recipe, work_dir=folder, cache_dir=folder)


@pytest.mark.parametrize("gating", [True, False])
@pytest.mark.parametrize("kind", ["flipflop", "latch"])
@pytest.mark.parametrize("name", ["osu018", "nangate45"])
def test_netlists_do_the_same(name: str, kind: str, gating: bool, tmp_path: Path) -> None:
    cells, spad = library(name), WordSpad(kind, 19, 3)
    made = mapped(spad, cells, tmp_path, Recipe(clock_gating=gating))
    used = {group.cell.name: group.cell for group in netlist_of(spad, cells, made).groups}
    simulate(spad, made.netlist_verilog.read_text() + "".join(map(cell_model, used.values())))


def netlist_of(spad: WordSpad, cells: CellLibrary, made: Synthesis) -> Netlist:
    return read_netlist(made.netlist_json, spad.module_name, read_liberty(cells.path))


@pytest.mark.parametrize("kind", ["flipflop", "latch"])
def test_a_write_clocks_one_group_and_one_word(kind: str, tmp_path: Path) -> None:
    """Enables of the three levels must be independent, as the signal statistics take them."""
    cells, spad = library("nangate45"), WordSpad(kind, 32, 5)
    netlist = netlist_of(spad, cells, mapped(spad, cells, tmp_path, Recipe()))
    clock = netlist.ports["clk"].nets[0]
    for writes in (1.0, 0.0):
        pins: dict[str, Statistic | list[Statistic]] = {
            "write_en": Statistic(writes, 0.0),
            "write_addr": [Statistic(0.5, 2.0**-bit) for bit in range(5)],
            "read_en": Statistic(0.0, 0.0),
        }
        activity = propagate(netlist, pins)
        on_port = below = 0.0
        for group in netlist.groups:
            if (gate := group.cell.clock_gate) is not None:
                pulses = activity.toggle[group.nets[gate.out]] / 2
                first_level = group.nets[gate.clock] == clock
                on_port += float(pulses[first_level].sum())
                below += float(pulses[~first_level].sum())
        assert on_port == pytest.approx(writes)  # the scratchpad
        assert below == pytest.approx(2 * writes)  # one group of four, one word of eight
