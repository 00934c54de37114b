"""The Eyeriss chip as a preset of its own: mapping rules, layers and latency with its overhead.

Source: Chen et al., "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep Convolutional
Neural Networks", IEEE JSSC 52(1), 2017, Tables III and V (65 nm, 200 MHz core clock, batch 4).
The chip is not our hardware, and nothing here is fitted to its measurements.
`python -m dse.eyeriss` prints the mappings found and the latencies and GLB traffic they give.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from tabulate import tabulate

from hw.command import run_command
from hw.layer import Layer
from hw.mapping import Mapping

from .designs import DesignArrays
from .eyeriss_search import search_published
from .group_shape import GroupShape, ceil_div
from .passes import Passes, count_passes
from .rules import active_pes
from .workloads import load_network

__all__ = [
    "BATCH", "CLOCK_MHZ", "FILTER_WORDS_PER_CYCLE", "best_mapping", "chip_design", "chip_layers",
    "glb_megabytes", "latency_ms", "product_ms",
]  # fmt: skip

CLOCK_MHZ = 200.0
BATCH = 4
FILTER_WORDS_PER_CYCLE = 4
"""Filter words that reach the array per cycle before a pass (a 64-bit bus; our assumption)."""


def chip_design() -> DesignArrays:
    """Return the chip as one design: what its mapping rules need.

    The filter buffer of 8 KiB lies beside the 100 KiB (25 banks of 4 KiB) of the rules.  The two
    bandwidths are those of 64-bit links; no rule and no figure of this module uses them.
    """
    one = np.ones(1, dtype=np.int64)
    return DesignArrays(
        rows=12 * one, cols=14 * one, ifmap_spad=12 * one, filter_spad=224 * one,
        psum_spad=24 * one, glb_kib=108 * one, glb_bytes_per_cycle=np.full(1, 8.0),
        dram_bytes_per_cycle=np.full(1, 8.0), weight_bits=16, activation_bits=16, psum_bits=16,
    )  # fmt: skip


def chip_layers() -> tuple[Layer, ...]:
    """Return the five convolutions of AlexNet with the published batch."""
    return load_network("alexnet").batched(BATCH).layers[:5]


def best_mapping(layer: Layer) -> Mapping:
    """Return the best mapping on the chip: exhaustive, every pass with all its filters.

    The objective is the published one, which looks at no bandwidth.
    """
    mapping = search_published(layer, chip_design(), no_idle_filters=True)
    assert mapping is not None  # the layers of this module are known to fit
    return mapping


def product_ms(layer: Layer, mapping: Mapping) -> float:
    """Return the time of the products alone, one per PE and cycle [ms]."""
    return float(_counts(layer, mapping).compute_cycles) / (CLOCK_MHZ * 1e3)


def latency_ms(layer: Layer, mapping: Mapping) -> float:
    """Return the modelled processing latency [ms]: products, and filter loads before each pass."""
    k = mapping
    words = k.p * k.t * k.q * k.r * layer.r * layer.s
    loads = _counts(layer, mapping).passes * ceil_div(words, FILTER_WORDS_PER_CYCLE)
    return product_ms(layer, mapping) + float(loads) / (CLOCK_MHZ * 1e3)


def glb_megabytes(layer: Layer, mapping: Mapping) -> float:
    """Return ifmap reads, psum writes and psum reads of the GLB [10^6 byte], without filters."""
    counts = _counts(layer, mapping)
    return float(counts.ifmap_glb_words + 2 * counts.psum_glb_words) * 2e-6


def _counts(layer: Layer, mapping: Mapping) -> Passes:
    integers = {name: getattr(mapping, name) for name in "mnepqrt"}
    return count_passes(GroupShape.of(layer), chip_design(), **integers)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dse.eyeriss",
        description="Map AlexNet's convolutions on the Eyeriss chip by the published rules and "
        "objective; print the mappings with active PEs, latency and traffic, then those that idle "
        "filters would change. The first table's mappings are the published ones.",
    )
    parser.parse_args(argv)
    return run_command(_print_mappings)


def _print_mappings() -> None:
    full = [(layer, best_mapping(layer)) for layer in chip_layers()]
    free = [(layer, search_published(layer, chip_design())) for layer in chip_layers()]
    print("every pass with all its filters")
    print(_table(full))
    print("\nidle filters allowed, where that changes the mapping")
    print(_table([(x, k) for (x, k), (_, same) in zip(free, full, strict=True) if k and k != same]))


def _table(mappings: list[tuple[Layer, Mapping]]) -> str:
    rows = []
    for layer, k in mappings:
        figures = (product_ms(layer, k), latency_ms(layer, k), glb_megabytes(layer, k))
        words = float(_counts(layer, k).dram_words) * 1e-6
        integers = [getattr(k, name) for name in "mnepqrt"]
        rows.append([layer.name, *integers, active_pes(layer.r, k.e, k.r, k.t), *figures, words])
    headers = ["layer", *"mnepqrt", "PEs", "products ms", "latency ms", "GLB MB", "DRAM Mwords"]
    return tabulate(rows, headers=headers, floatfmt=".1f")


if __name__ == "__main__":
    sys.exit(main())
