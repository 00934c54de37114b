"""Seeded design points and layers of every kind, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.designs import DesignArrays
from dse.workloads import load_network, network_names
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
"""The columns of the default space."""

TINY: dict[str, tuple[float, ...]] = {
    **SPACE,
    "rows": (1, 2, 3, 5, 7),
    "cols": (1, 2, 3, 5),
    "ifmap_spad": (2, 3, 5, 11),
    "filter_spad": (4, 9, 24, 50),
    "psum_spad": (2, 3, 5),
    "glb_kib": (12, 16, 20, 32),
}
"""Arrays, scratchpads and buffers in which most things do not fit."""

WIDTHS: tuple[dict[str, Any], ...] = (
    {"weight_bits": 16, "activation_bits": 16, "psum_bits": 45},
    {"weight_bits": 16, "activation_bits": 16, "psum_bits": 16, "psum_latency": 4, "macro": True},
    {"weight_bits": 8, "activation_bits": 8, "psum_bits": 29},
    {"weight_bits": 4, "activation_bits": 8, "psum_bits": 28, "psum_latency": 4, "macro": True},
    {"weight_bits": 4, "activation_bits": 8, "psum_bits": 30, "terms": 2},
    {
        "weight_bits": 8, "activation_bits": 8, "psum_bits": 32, "psum_latency": 6, "macro": True,
        "write_stage": 7, "scale_words": 1, "block": 4, "requantizes": False,
    },
    {
        "weight_bits": 16, "activation_bits": 16, "psum_bits": 19, "link_cycles": 3,
        "requantizes": False,
    },
)  # fmt: skip


def sample(
    count: int, seed: int, space: dict[str, tuple[float, ...]], **scalars: Any
) -> DesignArrays:
    """Return `count` random designs of `space`."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.choice(values, count) for name, values in space.items()}
    return DesignArrays(**columns, **(scalars or WIDTHS[0]))


def special_layers() -> list[Layer]:
    """Return small layers of odd kinds: strides, groups, batches, skipped columns, one output."""
    return [
        Layer(name="stride4", c=3, h=31, w=31, m=20, r=11, s=11, stride=4),
        Layer(name="skips", c=10, h=9, w=9, m=12, r=1, s=1, stride=2),
        Layer(name="skips3", c=4, h=17, w=20, m=6, r=2, s=3, stride=4, padding=1),
        Layer(name="grouped", c=12, h=10, w=8, m=8, r=3, s=3, padding=1, groups=4),
        Layer(name="depthwise", c=16, h=7, w=7, m=16, r=3, s=3, padding=1, groups=16),
        Layer(name="batch", n=3, c=5, h=6, w=6, m=7, r=3, s=3, padding=1),
        Layer(name="dense", n=2, c=50, h=1, w=1, m=30, r=1, s=1),
        Layer(name="covering", c=6, h=4, w=4, m=9, r=4, s=4),
        Layer(name="row", c=2, h=1, w=12, m=3, r=1, s=5, stride=2),
        Layer(name="one", c=1, h=1, w=1, m=1, r=1, s=1),
    ]


def zoo_layers() -> list[Layer]:
    """Return the distinct layers of the zoo."""
    layers = []
    for name in network_names():
        layers += [layer for layer, _ in load_network(name).unique_layers()]
    return layers
