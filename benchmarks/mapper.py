"""Layer-design pairs per second: the mapping heuristic and the exhaustive search, in one run.

    python -m benchmarks.mapper [--network vgg16] [--designs 20000] [--pairs 60]

The heuristic maps all distinct layers of the network on random designs of the default space; the
exhaustive search maps one layer on one design at a time, on a seeded choice of the same pairs, and
both are compared there.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from tabulate import tabulate

from dse.designs import DesignArrays
from dse.exhaustive import search_mappings
from dse.mapper import MappingArrays, map_layer
from dse.passes import GroupShape, count_passes
from dse.performance import layer_performance
from dse.workloads import load_network
from hw.layer import Layer

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
    designs = DesignArrays(**columns, weight_bits=8, activation_bits=8, psum_bits=29)  # type: ignore[arg-type]
    layers = [layer for layer, _ in load_network(args.network).unique_layers()]

    start = time.perf_counter()
    mappings = [map_layer(layer, designs) for layer in layers]
    mapping_s = time.perf_counter() - start
    start = time.perf_counter()
    for layer, found in zip(layers, mappings, strict=True):
        layer_performance(layer, designs, found)
    performance_s = time.perf_counter() - start

    chosen = [
        (int(rng.integers(len(layers))), int(rng.integers(len(designs)))) for _ in range(args.pairs)
    ]
    ratios, search_s = [], 0.0
    for number, index in chosen:
        one = designs.select([index])
        start = time.perf_counter()
        best = search_mappings(layers[number], one)
        search_s += time.perf_counter() - start
        if best is not None:
            least = _cycles(layers[number], one, MappingArrays.of(best), 0)
            ratios.append(_cycles(layers[number], one, mappings[number], index) / least)

    pairs = len(layers) * len(designs)
    rows = [
        ["mapper", pairs, mapping_s, pairs / mapping_s],
        ["performance model", pairs, performance_s, pairs / performance_s],
        ["exhaustive search", len(chosen), search_s, len(chosen) / search_s],
    ]
    print(
        tabulate(
            rows, headers=["", "pairs", "seconds", "pairs/s"], floatfmt=(".0f", ".0f", ".2f", ".0f")
        )
    )
    equal = sum(ratio == 1 for ratio in ratios)
    print(f"as few cycles as the exhaustive search: {equal} of {len(ratios)} mappable pairs, "
          f"worst ratio {max(ratios):.4f}")  # fmt: skip


def _cycles(layer: Layer, one: DesignArrays, found: MappingArrays, index: int) -> float:
    integers = {name: int(getattr(found, name)[index]) for name in "mnepqrt"}
    return float(count_passes(GroupShape.of(layer), one, **integers).compute_cycles)


if __name__ == "__main__":
    main()
