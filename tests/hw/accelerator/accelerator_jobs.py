"""Jobs for the bench of the accelerator: random layers with all their beats, and their run."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from flows.errors import ToolMissing
from flows.simulation import run_bench
from hw.accelerator import Accelerator, accelerator_models, accelerator_modules
from hw.accelerator_config import HardwareConfig
from hw.array.row_stationary_golden import run_layer
from hw.config import AcceleratorConfig, PEConfig
from hw.errors import ConfigError
from hw.formats import Float
from hw.layer import Layer
from hw.layer_program import LayerProgram, Requantization
from hw.shell.registers import write_layout
from hw.verilog import start_processes
from tests.hw.array.row_stationary_cases import random_mapping, random_tensors

BUILD = Path("build/sim")
BENCH = "tests.hw.accelerator.accelerator_bench"
PE = {"ifmap_spad": 6, "filter_spad": 32, "psum_spad": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the bench counted in one layer."""

    cycles: int
    filter: int
    ifmap: int
    output: int
    ifmap_read_rows: int | None = None
    ifmap_rows: int | None = None
    psum_read_rows: int | None = None
    psum_write_rows: int | None = None


def hardware(
    pe_type: str,
    rows: int = 3,
    cols: int = 3,
    *,
    glb_kib: int = 24,
    port: int = 16,
    pe: dict | None = None,
    **more: int,
) -> HardwareConfig:
    """Return a small accelerator."""
    point = PEConfig(pe_type=pe_type, **(PE | (pe or {})))
    design = AcceleratorConfig(
        pe=point, rows=rows, cols=cols, glb_kib=glb_kib, glb_bytes_per_cycle=port
    )
    return HardwareConfig(design=design, **more)


def random_program(config: HardwareConfig, layer: Layer, dice: random.Random) -> LayerProgram:
    """Return a layer under a random mapping that fits, requantized or not, with bias or not."""
    while True:
        bias = dice.random() < 0.3
        passes = random_mapping(layer, config.array, dice, bias=bias)
        floats = isinstance(config.kind.activation, Float)
        rule = Requantization(
            scale=1 if floats else dice.getrandbits(16),
            shift=0 if floats else dice.randint(0, 30),
            relu=dice.random() < 0.5,
        )
        try:
            return LayerProgram(
                config=config,
                layer=layer,
                mapping=passes.mapping,
                bias=bias,
                requantization=rule if config.requantizes and dice.random() < 0.7 else None,
            )
        except ConfigError:
            continue


def layer_job(program: LayerProgram, dice: random.Random) -> dict:
    """Return what the bench needs to know of a layer on random codes."""
    layer, passes = program.layer, program.passes
    weights, inputs, bias = random_tensors(passes, dice)
    outputs = np.zeros((layer.n, layer.m, layer.e, layer.f), object)
    for _ in run_layer(passes, weights, inputs, outputs, bias):
        pass
    return tensors_job(program, weights, inputs, bias, outputs)


def tensors_job(
    program: LayerProgram,
    weights: np.ndarray,
    inputs: np.ndarray,
    bias: np.ndarray | None,
    outputs: np.ndarray,
) -> dict:
    """Return what the bench needs to know of a layer on given codes and psums."""
    data = write_layout(program.config)["data"].offset
    filters = program.filter_beats(weights)
    ifmap = program.ifmap_beats_of(inputs, bias)
    return {
        "what": f"{program.layer} {program.mapping} bias {program.bias}",
        "writes": [address | value << data for address, value in program.writes()],
        "filter": filters,
        "ifmap": ifmap,
        "output": program.output_beats(outputs),
        "limit": 50 * (int(program.counts().array_cycles) + len(filters) + len(ifmap)) + 2000,
    }


@functools.lru_cache(maxsize=4)
def _verilog(config: HardwareConfig) -> tuple[str, str]:
    accelerator = Accelerator(config)
    top, modules = accelerator_modules(accelerator)
    return top, start_processes("\n".join(modules.values())) + accelerator_models(accelerator)


def simulate(
    config: HardwareConfig,
    jobs: list[dict],
    folder: Path,
    *,
    chance: float = 1.0,
    seed: int = 1,
    simulator: str = "icarus",
    resets: Sequence[int] = (),
    block: tuple[str, int, int] = ("", 0, 0),
) -> list[Counted]:
    """Run layers; `chance` is that of each stream to go on in a cycle, 1 never stalls.

    `resets` and `block` (a stream, and from when to when it stands still) as in the bench.
    """
    top, verilog = _verilog(config)
    job, result = (folder / "job.json").resolve(), (folder / "result.json").resolve()
    stream, *between = block
    how = {
        "chance": chance,
        "seed": seed,
        "watch": simulator == "icarus",
        "resets": list(resets),
        "block": stream,
        "while": between,
    }
    job.write_text(json.dumps({**how, "layers": jobs}))
    settings = {"ACCELERATOR_JOB": str(job), "ACCELERATOR_RESULT": str(result)}
    try:
        passed = run_bench(verilog, top, BENCH, BUILD, settings=settings, simulator=simulator)
    except ToolMissing as error:
        pytest.skip(str(error))
    assert passed == 1
    return [Counted(**item) for item in json.loads(result.read_text())]
