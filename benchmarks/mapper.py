"""Layer-design pairs per second: the mapping heuristic and the exhaustive search, in one run.

    python -m benchmarks.mapper [--network vgg16] [--designs 20000] [--pairs 60]

The heuristic maps all distinct layers of the network on random designs of the default space, once
for the shortest latency and once for the fewest compute cycles; the exhaustive search maps one
layer on one design at a time, on a seeded choice of the same pairs, and all are compared there.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from tabulate import tabulate

from dse.designs import DesignArrays
from dse.exhaustive import search_mappings
from dse.mapper import MappingArrays, map_layer
from dse.objective import Objective, criteria
from dse.passes import GroupShape, count_passes
from dse.performance import layer_performance
from dse.workloads import load_network
from hw.layer import Layer
from hw.mapping import Mapping

OBJECTIVES: tuple[Objective, ...] = ("latency", "compute")

SPACE: dict[str, tuple[float, ...]] = {
    "rows": (4, 8, 12, 16, 24, 32),
    "cols": (4, 8, 12, 14, 16, 24, 32),
    "ifmap_spad": (8, 12, 16, 24, 32),
    "filter_spad": (64, 128, 192, 224, 256, 384, 512),
    "psum_spad": (8, 16, 24, 32, 48, 64),
    "glb_kib": (32, 64, 108, 128, 256, 512, 1024),
    "glb_bytes_per_cycle": (8, 16, 32, 64),
    "dram_bytes_per_cycle": (3.2, 6.4, 12.8, 25.6),
}


def main() -> None:
    """Run both and print one table."""
    parser = argparse.ArgumentParser(
        description="Speed of the mapper and of the exhaustive search."
    )
    parser.add_argument("--network", default="resnet50", help="zoo name or layer table")
    parser.add_argument("--designs", type=int, default=20_000, help="random design points")
    parser.add_argument("--pairs", type=int, default=60, help="pairs for the exhaustive search")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    columns = {name: rng.choice(values, args.designs) for name, values in SPACE.items()}
    designs = DesignArrays(**columns, weight_bits=8, activation_bits=8, psum_bits=29)
    layers = [layer for layer, _ in load_network(args.network).unique_layers()]

    rows: list[list[Any]] = []
    found: dict[Objective, list[MappingArrays]] = {}
    for objective in OBJECTIVES:
        start = time.perf_counter()
        found[objective] = [map_layer(layer, designs, objective) for layer in layers]
        seconds = time.perf_counter() - start
        rows.append([f"mapper, {objective}", len(layers) * len(designs), seconds])
    start = time.perf_counter()
    for layer, mappings in zip(layers, found["latency"], strict=True):
        layer_performance(layer, designs, mappings)
    rows.append(
        ["performance model", len(layers) * len(designs), time.perf_counter() - start]
    )  # fmt: skip

    chosen = [
        (int(rng.integers(len(layers))), int(rng.integers(len(designs)))) for _ in range(args.pairs)
    ]
    texts = []
    for objective in OBJECTIVES:
        ratios, seconds = [], 0.0
        for number, index in chosen:
            layer, one = layers[number], designs.select([index])
            start = time.perf_counter()
            best = search_mappings(layer, one, objective)
            seconds += time.perf_counter() - start
            if best is not None:
                mine = found[objective][number].mapping(index)
                ratios.append(
                    _cycles(layer, one, mine, objective) / _cycles(layer, one, best, objective)
                )
        rows.append([f"exhaustive search, {objective}", len(chosen), seconds])
        equal = sum(ratio == 1 for ratio in ratios)
        texts.append(
            f"{objective}: as few cycles as the exhaustive search for {equal} of {len(ratios)} "
            f"mappable pairs, mean ratio {np.mean(ratios):.4f}, worst {max(ratios):.4f}"
        )
    rows = [[*row, row[1] / row[2]] for row in rows]
    print(
        tabulate(
            rows, headers=["", "pairs", "seconds", "pairs/s"], floatfmt=(".0f", ".0f", ".2f", ".0f")
        )
    )
    print("\n".join(texts))


def _cycles(layer: Layer, one: DesignArrays, mapping: Mapping, objective: Objective) -> float:
    integers = {name: getattr(mapping, name) for name in "mnepqrt"}
    counts = count_passes(GroupShape.of(layer), one, **integers)
    cycles = criteria(
        layer, one, counts, mapping.e, objective,
        port_rate=one.glb_bytes_per_cycle[0], dram_rate=one.dram_bytes_per_cycle[0],
    )[0]  # fmt: skip
    return float(cycles)


if __name__ == "__main__":
    main()
