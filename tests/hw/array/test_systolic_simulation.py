"""Systolic arrays in simulation: layers bit for bit with stalls, cycles and words as predicted.

`make rtl-table` prints what was predicted and what was simulated.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flows.errors import ToolMissing
from flows.simulation import run_bench
from hw.array.systolic import DATAFLOWS, SystolicConfig
from hw.array.systolic_array import systolic_modules
from hw.config import PEConfig
from hw.layer import Layer
from hw.pe.registry import PE_TYPES
from hw.verilog import start_processes
from tests.rtl_table import add_row

from .systolic_layers import LARGER, LAYERS, TINY, in_numbers, random_layer

BUILD = Path("build/sim")
SYSTOLIC_TYPES = sorted(name for name, kind in PE_TYPES.items() if kind.scaling is None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pe_type" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--pe")
        types = [name for name in SYSTOLIC_TYPES if chosen in (None, name)]
        metafunc.parametrize("pe_type", types)


def systolic(dataflow: str, pe_type: str, rows: int, cols: int, **pe: Any) -> SystolicConfig:
    return SystolicConfig(
        pe=PEConfig(pe_type=pe_type, **pe), dataflow=dataflow, rows=rows, cols=cols
    )


def simulate(
    config: SystolicConfig,
    layers: Sequence[Layer],
    table: Path,
    seed: int = 1,
    simulator: str = "icarus",
    **settings: Any,
) -> None:
    top, modules = systolic_modules(config)
    jobs = [
        {
            "layer": dataclasses.asdict(in_numbers(layer, config.kind)),
            "terms": config.kind.terms,
            **settings,
        }
        for layer in layers
    ]
    job = {
        "config": dataclasses.asdict(config),
        "layers": jobs,
        "seed": seed,
        "table": str(table / "table.json"),
    }
    verilog = start_processes("\n".join(modules.values()))
    bench = "tests.hw.array.systolic_bench"
    environment = {"SYSTOLIC_JOB": json.dumps(job)}
    try:
        assert run_bench(verilog, top, bench, BUILD, settings=environment, simulator=simulator) == 2
    except ToolMissing as error:
        pytest.skip(str(error))
    rows = json.loads((table / "table.json").read_text())
    assert [row[0] for row in rows] == [layer.name for layer in layers]
    for name, products, simulated, predicted in rows:
        add_row(top, name, f"{products} products", predicted, 0, simulated)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("name, rows, cols", [("int16", 3, 2), ("lightpe1", 2, 3)])
def test_layers(dataflow: str, name: str, rows: int, cols: int, tmp_path: Path) -> None:
    settings = {"bias": name == "int16", "mapping": {"filters_first": name == "lightpe1"}}
    simulate(systolic(dataflow, name, rows, cols), LAYERS, tmp_path, **settings)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_every_pe_type(dataflow: str, pe_type: str, tmp_path: Path) -> None:
    simulate(systolic(dataflow, pe_type, 2, 2), [TINY], tmp_path, bias=True)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_verilog_has_no_warnings(dataflow: str, tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    top, modules = systolic_modules(systolic(dataflow, "int8", 2, 3))
    (tmp_path / "array.v").write_text(start_processes("\n".join(modules.values())))
    command = ["iverilog", "-Wall", "-Wno-timescale", "-t", "null", "-s", top, "array.v"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.long
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_all_layers(dataflow: str, pe_type: str, tmp_path: Path) -> None:
    simulate(systolic(dataflow, pe_type, 3, 3), LAYERS, tmp_path, seed=5, bias=True)


ARRAYS = {
    "one cell": {"rows": 1, "cols": 1},
    "one row": {"rows": 1, "cols": 4},
    "one column": {"rows": 4, "cols": 1},
    "4x4": {"rows": 4, "cols": 4},
    "saturating": {"rows": 3, "cols": 2, "psum_bits": 16},
    "depth 1": {"rows": 2, "cols": 3, "pipeline_depth": 1},
    "depth 3": {"rows": 3, "cols": 3, "pipeline_depth": 3},
}


@pytest.mark.long
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_arrays(dataflow: str, array: str, tmp_path: Path) -> None:
    simulate(systolic(dataflow, "int8", **ARRAYS[array]), LAYERS, tmp_path, bias=True)


@pytest.mark.long
@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("name", ["int8", "lightpe1", "bf16"])
def test_large_arrays(dataflow: str, name: str, tmp_path: Path) -> None:
    layers = [*LAYERS, *LARGER]
    simulate(systolic(dataflow, name, 8, 8), layers, tmp_path, simulator="verilator", bias=True)


@pytest.mark.long
@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize(
    "name", [name for name in SYSTOLIC_TYPES if PE_TYPES[name].weight_decoder is not None]
)
def test_decoders_at_the_edge(dataflow: str, name: str, tmp_path: Path) -> None:
    simulate(systolic(dataflow, name, 2, 3, decoders="edge"), LAYERS, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_random_layers_on_random_arrays(dataflow: str, seed: int, tmp_path: Path) -> None:
    dice = random.Random(f"{dataflow} {seed}")
    slow_adders = [name for name in SYSTOLIC_TYPES if PE_TYPES[name].accumulator is not None]
    config = systolic(
        dataflow,
        dice.choice(["int8", "pot4", "lns8", *slow_adders]),
        dice.randint(1, 4),
        dice.randint(1, 4),
        pipeline_depth=dice.randint(1, 3),
    )
    layers = [random_layer(dice) for _ in range(12)]
    mapping = {
        "pass_pixels": dice.choice([None, 1, 2, 5]),
        "filters_first": dice.random() < 0.5,
    }
    settings = {"bias": dice.random() < 0.5, "mapping": mapping}
    simulate(config, layers, tmp_path, seed=seed, **settings)
