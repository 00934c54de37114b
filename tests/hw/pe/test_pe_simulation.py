"""The PE types in simulation: products exhaustively, convolutions with stalls, bit for bit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from flows.simulation import run_bench
from hw.config import PEConfig
from hw.pe.datapath import Datapath
from hw.pe.part import to_verilog
from hw.pe.pe import PE, pe_modules
from hw.pe.registry import PE_TYPES
from hw.verilog import start_processes

BUILD = Path("build/sim")


def simulate(config: PEConfig, bench: str, **settings: object) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    if bench.endswith("datapath_bench"):
        part = Datapath(config)
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
    if "pe_type" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--pe")
        metafunc.parametrize("pe_type", [chosen] if chosen else sorted(PE_TYPES))


@pytest.mark.parametrize("depth", [1, 2])
def test_products(pe_type: str, depth: int) -> None:
    simulate(PEConfig(pe_type=pe_type, pipeline_depth=depth), "tests.hw.pe.datapath_bench")


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
    "mixed": {"ifmap_spad": 6, "filter_spad": 48, "psum_spad": 8, "filter_spad_kind": "macro"},
    "saturating": {"ifmap_spad": 8, "filter_spad": 64, "psum_spad": 8, "psum_bits": 16},
}


@pytest.mark.parametrize("point", POINTS)
def test_convolutions(pe_type: str, point: str) -> None:
    config = PEConfig(pe_type=pe_type, **POINTS[point])
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=7, BENCH_PASSES=12)


def test_the_first_words_are_zero() -> None:
    """Passes whose first words equal the registers' initial values: all logic must have started."""
    config = PEConfig(pe_type="flint4", **POINTS["tiny"])
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=11, BENCH_PASSES=60)


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("point", POINTS)
def test_many_convolutions(pe_type: str, point: str, seed: int) -> None:
    config = PEConfig(pe_type=pe_type, **POINTS[point])
    simulate(config, "tests.hw.pe.pe_bench", BENCH_SEED=seed, BENCH_PASSES=60)
