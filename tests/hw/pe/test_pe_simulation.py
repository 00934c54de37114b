"""The PE types in simulation: products exhaustively, convolutions with stalls, bit for bit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from flows.simulation import run_bench
from hw.config import PEConfig
from hw.pe.block_datapath import BlockDatapath
from hw.pe.datapath import Datapath
from hw.pe.part import Part, to_verilog
from hw.pe.pe import PE, pe_modules
from hw.pe.registry import PE_TYPES
from hw.verilog import start_processes

BUILD = Path("build/sim")


def simulate(config: PEConfig, bench: str, **settings: object) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    if bench.endswith("datapath_bench"):
        part: Part = Datapath(config) if "block" not in bench else BlockDatapath(config)
        top, verilog = part.module_name, to_verilog(part, part.module_name)
    else:
        top, modules = pe_modules(PE(config))
        verilog = "\n".join(modules.values())
    values = {
        "PE_CONFIG": json.dumps(dataclasses.asdict(config)),
        **{name: str(value) for name, value in settings.items()},
    }
    assert run_bench(start_processes(verilog), top, bench, BUILD, settings=values) > 0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test every PE type with the points or pipelines that the type can have."""
    if "pe_type" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--pe")
    names = [chosen] if chosen else sorted(PE_TYPES)
    fixture, settings = SETTINGS[metafunc.function.__name__]
    pairs = [(n, s) for n in names for s in settings if possible(n, settings[s])]
    metafunc.parametrize(("pe_type", fixture), pairs)


def possible(pe_type: str, setting: dict[str, object]) -> bool:
    """Return whether a PE type has the choice that a setting makes."""
    kind = PE_TYPES[pe_type]
    decoded = kind.weight_decoder or kind.activation_decoder
    return bool(
        ("decoders" not in setting or decoded)
        and ("psum_bits" not in setting or kind.accumulator is None)
    )


DEPTHS = {f"depth{depth}": {"pipeline_depth": depth} for depth in (1, 2, 3)}
PLACES = {"own": {}, "edge": {"decoders": "edge"}}


def test_products(pe_type: str, place: str) -> None:
    simulate_products(PEConfig(pe_type=pe_type, **PLACES[place]))


@pytest.mark.long
def test_products_at_every_depth(pe_type: str, depth: str) -> None:
    simulate_products(PEConfig(pe_type=pe_type, **DEPTHS[depth]))


def simulate_products(config: PEConfig) -> None:
    kind = "block_datapath" if PE_TYPES[config.pe_type].scaling else "datapath"
    simulate(config, f"tests.hw.pe.{kind}_bench")


POINTS = {
    "eyeriss": {},
    "tiny": {"ifmap_spad": 2, "filter_spad": 5, "psum_spad": 3, "pipeline_depth": 1},
    "odd": {"ifmap_spad": 7, "filter_spad": 33, "psum_spad": 5},
    "latch": {
        "ifmap_spad": 9,
        "filter_spad": 40,
        "psum_spad": 6,
        **{f"{name}_spad_kind": "latch" for name in ("ifmap", "filter", "psum")},
    },
    "macro": {f"{name}_spad_kind": "macro" for name in ("ifmap", "filter", "psum")},
    "macro_shallow": {
        "ifmap_spad": 5,
        "filter_spad": 16,
        "psum_spad": 7,
        "pipeline_depth": 1,
        **{f"{name}_spad_kind": "macro" for name in ("ifmap", "filter", "psum")},
    },
    "deep": {"ifmap_spad": 10, "filter_spad": 30, "psum_spad": 4, "pipeline_depth": 3},
    "mixed": {"ifmap_spad": 6, "filter_spad": 48, "psum_spad": 8, "filter_spad_kind": "macro"},
    "saturating": {"ifmap_spad": 8, "filter_spad": 64, "psum_spad": 8, "psum_bits": 16},
    "edge": {"ifmap_spad": 8, "filter_spad": 32, "psum_spad": 6, "decoders": "edge"},
}


def pe_point(pe_type: str, name: str) -> PEConfig:
    """Return a PE point; its ifmap scratchpad holds at least a channel with its scale."""
    config = PEConfig(pe_type=pe_type, **POINTS[name])
    scaling = PE_TYPES[pe_type].scaling
    column = 1 + scaling.words if scaling else 1
    return dataclasses.replace(config, ifmap_spad=max(config.ifmap_spad, column))


def test_convolutions(pe_type: str, point: str) -> None:
    config = pe_point(pe_type, point)
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=7, BENCH_PASSES=12)


def test_the_first_words_are_zero() -> None:
    """Passes whose first words equal the registers' initial values: all logic must have started."""
    config = PEConfig(pe_type="flint4", **POINTS["tiny"])
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=11, BENCH_PASSES=60)


@pytest.mark.long
def test_many_convolutions(pe_type: str, point: str) -> None:
    config = pe_point(pe_type, point)
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=11, BENCH_PASSES=60)


SETTINGS: dict[str, tuple[str, dict[str, dict[str, object]]]] = {
    "test_products": ("place", PLACES),
    "test_products_at_every_depth": ("depth", DEPTHS),
    "test_convolutions": ("point", POINTS),
    "test_many_convolutions": ("point", POINTS),
}
"""What a test is repeated for besides the PE types."""
