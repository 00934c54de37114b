"""Layer-design pairs per second, and what the mapping heuristic loses, in one run.

    python -m benchmarks.mapper [--network vgg16] [--designs 20000] [--pairs 60] [--most-mmacs 3]

The heuristic maps all distinct layers of the network on random designs of the default space, with
every DRAM rate of each.  On a seeded choice of pairs it is compared with

- all places and channels that it ever looks at, every one by the hardware's own counts: what the
  estimate and the choice of places lose;
- the exhaustive search, on layers of few products: what the heuristic loses in all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tabulate import tabulate

from dse.designs import DesignArrays
from dse.estimate import fill_in
from dse.exhaustive import search_mappings
from dse.group_shape import GroupShape
from dse.hardware import hardware_counts, layer_cycles
from dse.mapper import MappingArrays, map_layer
from dse.performance import layer_performance
from dse.places import all_places
from dse.rules import unmappable
from dse.space import AXES
from dse.workloads import load_network
from hw.layer import Layer

_RATES = np.array([3.2, 6.4, 12.8, 25.6])


def main() -> None:
    """Run all and print one table."""
    parser = argparse.ArgumentParser(
        description="Speed of the mapper, and its latency beside the best that is known."
    )
    parser.add_argument("--network", default="resnet20", help="zoo name or layer table")
    parser.add_argument("--designs", type=int, default=20_000, help="random design points")
    parser.add_argument("--pairs", type=int, default=60, help="pairs that are compared")
    parser.add_argument(
        "--most-mmacs", type=float, default=3, metavar="N",
        help="millions of products of a layer that is searched exhaustively, at most",
    )  # fmt: skip
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {
        name: np.repeat(rng.choice(values, args.designs // 4), 4)
        for name, values in AXES.items()
        if name != "dram_gb_per_s"
    }
    columns["dram_bytes_per_cycle"] = np.tile(_RATES, args.designs // 4)
    designs = DesignArrays(**columns, weight_bits=8, activation_bits=8, psum_bits=29)
    layers = [layer for layer, _ in load_network(args.network).unique_layers()]

    rows: list[list[Any]] = []
    start = time.perf_counter()
    found = [map_layer(layer, designs) for layer in layers]
    rows.append(["mapper", len(layers) * len(designs), time.perf_counter() - start])
    start = time.perf_counter()
    for layer, mappings in zip(layers, found, strict=True):
        layer_performance(layer, designs, mappings)
    rows.append(["performance model", len(layers) * len(designs), time.perf_counter() - start])

    small = [i for i, layer in enumerate(layers) if layer.macs <= args.most_mmacs * 1e6]
    texts = []
    for title, best, numbers in (
        ("all candidates", _best_candidate, range(len(layers))),
        ("exhaustive search", _exhaustive, small),
    ):
        if not numbers:
            continue
        chosen = [(int(rng.choice(numbers)), int(rng.integers(len(designs))))
                  for _ in range(args.pairs)]  # fmt: skip
        start = time.perf_counter()
        ratios = _ratios(best, [(layers[i], designs.select([k]), found[i], k) for i, k in chosen])
        rows.append([title, len(chosen), time.perf_counter() - start])
        texts.append(
            f"{title}: as few cycles for {sum(ratios <= 1)} of {ratios.size} mappable pairs, mean "
            f"ratio {ratios.mean():.4f}, worst {ratios.max():.4f}"
        )
    rows = [[*row, row[1] / row[2]] for row in rows]
    print(
        tabulate(
            rows, headers=["", "pairs", "seconds", "pairs/s"], floatfmt=(".0f", ".0f", ".2f", ".0f")
        )
    )
    print("\n".join(texts))


def _ratios(
    best: Callable[[Layer, DesignArrays], float | None],
    pairs: list[tuple[Layer, DesignArrays, MappingArrays, int]],
) -> Any:
    """Return the mapper's cycles as multiples of the best, of pairs that can be mapped."""
    ratios = []
    for layer, one, mappings, index in pairs:
        least = best(layer, one)
        if least is not None:
            mine = MappingArrays.of(mappings.mapping(index))
            ratios.append(float(layer_performance(layer, one, mine).cycles[0]) / least)
    return np.array(ratios)


def _exhaustive(layer: Layer, one: DesignArrays) -> float | None:
    mapping = search_mappings(layer, one)
    if mapping is None:
        return None
    return float(layer_performance(layer, one, MappingArrays.of(mapping)).cycles[0])


def _best_candidate(layer: Layer, one: DesignArrays) -> float | None:
    """Return the fewest cycles of all mappings that are filled in for all places of the array."""
    if unmappable(layer, one)[0]:
        return None
    g = GroupShape.of(layer)
    k = fill_in(g, one, all_places(g, int(one.rows[0]), int(one.cols[0]))[None, :, None])
    integers = {
        name: np.broadcast_to(getattr(k, name), k.fits.shape)[k.fits].astype(np.int64)
        for name in "mnepqrt"
    }
    many = one.select(np.zeros(integers["m"].size, dtype=np.int64))
    counts = hardware_counts(layer, many, integers)
    return float(np.min(layer_cycles(many, counts), initial=np.inf, where=counts.fits)) or None


if __name__ == "__main__":
    main()
