"""`python -m benchmarks.simulators [TYPE]`: how fast each simulator runs arrays under their bench.

Prints for row-stationary arrays of growing size what Icarus and Verilator take to build, and the
cycles and products they simulate in a second, the bench in Python included.  All PEs work all the
time.  Runs for about three minutes.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from flows.simulation import SIMULATORS, build_bench, run_bench
from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_pass import ArrayPass
from hw.config import PEConfig
from hw.pe.row_pass import RowPass
from tests.hw.array.row_stationary_jobs import BENCH, array_verilog, random_job

SIZES = (1, 2, 4, 8)
LONG_ENOUGH_S = 4.0
"""Run time from which starting the simulator (half a second) hardly counts."""


def full_pass(config: RowStationaryConfig) -> ArrayPass:
    """Return a pass that uses all PEs: filters one row high, channels in each row of PEs."""
    return ArrayPass(
        row=RowPass(filters=8, channels=2, taps=3, stride=1, positions=16),
        filter_rows=1,
        strip=config.cols,
        channel_sets=config.rows,
    )


def measure(config: RowStationaryConfig, simulator: str, folder: Path) -> tuple[float, ...]:
    """Return build time [s], cycles and products a second."""
    array_pass, (top, verilog) = full_pass(config), array_verilog(config)
    begin = time.perf_counter()
    build_bench(verilog, top, folder, simulator=simulator)
    build_s = time.perf_counter() - begin
    job, result, passes = folder / "job.json", folder / "result.json", 1
    words = random_job(config, array_pass, random.Random(1))
    head = {"columns": config.cols, "chance": 1.0, "seed": 1}
    settings = {"ARRAY_JOB": str(job.resolve()), "ARRAY_RESULT": str(result.resolve())}
    while True:
        job.write_text(json.dumps(head | {"passes": [words] * passes}))
        begin = time.perf_counter()
        run_bench(verilog, top, BENCH, folder, settings=settings, simulator=simulator)
        run_s = time.perf_counter() - begin
        if run_s >= LONG_ENOUGH_S:
            break
        passes = 1 + int(passes * min(10, 1.5 * LONG_ENOUGH_S / run_s))
    counted = json.loads(result.read_text())
    cycles = sum(item["cycles"] + item["setup_cycles"] for item in counted)
    row = array_pass.row
    products = array_pass.active_pes * row.positions * row.filters * row.channels * row.taps
    return build_s, cycles / run_s, passes * products / run_s


def main() -> None:
    pe_type = sys.argv[1] if len(sys.argv) > 1 else "int8"
    rows = []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".simulators-") as folder:
        for size in SIZES:
            config = RowStationaryConfig(
                pe=PEConfig(pe_type=pe_type, ifmap_spad=8, filter_spad=64, psum_spad=8),
                rows=size,
                cols=size,
                filter_lanes=4,
                ifmap_lanes=4,
            )
            figures = [measure(config, simulator, Path(folder)) for simulator in SIMULATORS]
            for simulator, (build_s, cycles, products) in zip(SIMULATORS, figures, strict=True):
                ratio = products / figures[0][2]
                rows.append([f"{size}x{size}", simulator, build_s, cycles, products, ratio])
    header = ["array", "simulator", "build s", "cycles/s", "products/s", "to Icarus"]
    print(tabulate(rows, header, floatfmt=("", "", ".1f", ".0f", ".0f", ".1f")))


if __name__ == "__main__":
    main()
