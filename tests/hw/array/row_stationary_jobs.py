"""Jobs for the bench of the row-stationary array: passes with all their words, and their run."""

from __future__ import annotations

import functools
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.errors import ToolMissing
from flows.simulation import run_bench
from hw.array.row_stationary import RowStationaryArray, array_modules
from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_golden import PassWords
from hw.array.row_stationary_node import memory_models
from hw.array.row_stationary_pass import ArrayPass
from hw.pe.control import PassLayout
from hw.verilog import start_processes

BUILD = Path("build/sim")
BENCH = "tests.hw.array.row_stationary_bench"


@dataclass(frozen=True, slots=True)
class Counted:
    """What the bench counted in one pass."""

    setup_cycles: int
    cycles: int
    words: dict[str, int]


def pass_job(
    config: RowStationaryConfig,
    array_pass: ArrayPass,
    filters: list[list[int]],
    ifmap: list[list[int]],
    psums_in: dict[tuple[int, int], list[int]],
    psums_out: dict[tuple[int, int], list[int]],
) -> dict:
    """Return what the bench needs to know of one pass."""
    row, nothing = array_pass.row, [[] for _ in range(config.cols)]
    return {
        "what": str(array_pass),
        "setup": array_pass.setup(config),
        "config": PassLayout(config.pe).const(row.fields(config.pe)).as_value().value,
        "filter": array_pass.filter_beats(config, filters) if row.load_filters else [],
        "ifmap": array_pass.ifmap_beats(config, ifmap),
        "psum_in": array_pass.column_words(config, psums_in) if psums_in else nothing,
        "psum_out": array_pass.column_words(config, psums_out),
    }


def random_job(config: RowStationaryConfig, array_pass: ArrayPass, dice: random.Random) -> dict:
    """Return a job for a pass on random codes; extreme psums are as likely as all others."""
    row, kind, a = array_pass.row, config.kind, array_pass
    width = config.pe.psum_width

    def codes(bits: int, count: int) -> list[int]:
        return [dice.getrandbits(bits) for _ in range(count)]

    filters = [codes(kind.weight.bits, row.filter_words) for _ in range(a.filter_targets)]
    ifmap = [
        codes(kind.activation.bits, row.ifmap_words) for _ in range(a.channel_sets * a.strip_rows)
    ]
    count = row.positions * row.filters
    chains = [(j, o) for j in range(a.filter_sets) for o in range(a.strip)]
    psums = {chain: codes(width, count) for chain in chains} if row.accumulate else {}
    out = a.golden(config, filters, ifmap, psums)
    return pass_job(config, a, filters, ifmap, psums, out)


def layer_job(config: RowStationaryConfig, words: PassWords) -> dict:
    """Return a job for one pass of a layer."""
    return pass_job(
        config, words.array_pass, words.filters, words.ifmap, words.psums_in, words.psums_out
    )


@functools.lru_cache(maxsize=4)
def array_verilog(config: RowStationaryConfig) -> tuple[str, str]:
    """Return the array's top module and its Verilog, with models of its memories."""
    array = RowStationaryArray(config)
    top, modules = array_modules(array)
    return top, start_processes("\n".join(modules.values())) + memory_models(array.node)


def run_jobs(
    config: RowStationaryConfig,
    jobs: list[dict],
    folder: Path,
    *,
    chance: float = 1.0,
    seed: int = 1,
    simulator: str = "icarus",
    bench: str = BENCH,
) -> list:
    """Run a bench with passes; return what it wrote.

    `chance` is that of each stream to go on in a cycle, 1 never stalls.
    """
    top, verilog = array_verilog(config)
    job, result = (folder / "job.json").resolve(), (folder / "result.json").resolve()
    columns = {"columns": config.cols, "chance": chance, "seed": seed, "passes": jobs}
    job.write_text(json.dumps(columns))
    settings = {"ARRAY_JOB": str(job), "ARRAY_RESULT": str(result)}
    try:
        run_bench(verilog, top, bench, BUILD, settings=settings, simulator=simulator)
    except ToolMissing as error:
        pytest.skip(str(error))
    return json.loads(result.read_text())


def simulate(
    config: RowStationaryConfig, jobs: list[dict], folder: Path, **how: object
) -> list[Counted]:
    """Run passes one after the other, each from rest to rest; keywords as for `run_jobs`."""
    return [Counted(**item) for item in run_jobs(config, jobs, folder, **how)]
