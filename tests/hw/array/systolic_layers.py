"""Small layers of many kinds; channels and filters count words of the PE type."""

from __future__ import annotations

import dataclasses
import random

from hw.layer import Layer
from hw.pe.pe_type import PEType

__all__ = ["LARGER", "LAYERS", "TINY", "in_numbers", "random_layer"]


def _layer(name: str, c: int, size: tuple[int, int], m: int, r: int, s: int, **more: int) -> Layer:
    return Layer(name=name, c=c, h=size[0], w=size[1], m=m, r=r, s=s, **more)


LAYERS = (
    _layer("plain", 2, (5, 5), 4, 3, 3),
    _layer("stride 2", 2, (7, 7), 3, 3, 3, stride=2),
    _layer("stride 3, wide", 1, (4, 10), 2, 2, 2, stride=3),
    _layer("padding", 2, (4, 4), 3, 3, 3, padding=1),
    _layer("padding 2, 5x5", 1, (4, 3), 2, 5, 5, padding=2),
    _layer("1x1", 5, (3, 4), 4, 1, 1),
    _layer("1x1 stride 2", 3, (5, 5), 2, 1, 1, stride=2),
    _layer("depthwise", 4, (5, 4), 4, 3, 3, groups=4, padding=1),
    _layer("depthwise, twice", 2, (4, 4), 4, 2, 2, groups=2),
    _layer("groups", 4, (4, 4), 6, 2, 2, groups=2),
    _layer("odd sizes", 3, (5, 6), 7, 2, 3),
    _layer("fully connected", 13, (1, 1), 7, 1, 1),
    _layer("fully connected from image", 2, (3, 3), 5, 3, 3),
    _layer("batch", 2, (3, 3), 3, 2, 2, n=3),
    _layer("one product", 1, (1, 1), 1, 1, 1),
    _layer("row filter", 2, (1, 9), 3, 1, 4, stride=2),
)

LARGER = (
    _layer("3x3, 12 channels", 12, (11, 10), 10, 3, 3, padding=1),
    _layer("5x5 stride 2", 3, (15, 12), 9, 5, 5, padding=2, stride=2),
    _layer("1x1, 24 channels", 24, (9, 7), 17, 1, 1, n=2),
    _layer("fully connected, 50 to 30", 50, (1, 1), 30, 1, 1),
)

TINY = _layer("tiny", 2, (3, 3), 3, 2, 2, padding=1, stride=2)


def in_numbers(layer: Layer, kind: PEType) -> Layer:
    """Return a layer whose channels and filters fill the lanes of a PE type."""
    return dataclasses.replace(layer, c=layer.c * kind.channel_lanes, m=layer.m * kind.filter_lanes)


def random_layer(dice: random.Random) -> Layer:
    """Return a small layer of no particular kind."""
    groups = dice.choice((1, 1, 1, 2, 3))
    r, s, padding = dice.randint(1, 3), dice.randint(1, 3), dice.randint(0, 1)
    return _layer(
        "random",
        groups * dice.randint(1, 4),
        (r + dice.randint(0, 3), s + dice.randint(0, 3)),
        groups * dice.randint(1, 5),
        r,
        s,
        stride=dice.randint(1, 3),
        padding=padding,
        groups=groups,
        n=dice.randint(1, 2),
    )
