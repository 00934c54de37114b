"""Systolic arrays without simulation: matrices, golden psums, cycles and words in closed form."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest

from hw.array.matrix import (
    MatrixProduct,
    activation_matrix,
    golden_layer,
    matrix_product,
    weight_matrix,
)
from hw.array.systolic import DATAFLOWS, SystolicConfig, zero_activation
from hw.array.systolic_array import layer_cycles, layer_traffic
from hw.array.systolic_cycles import output_stationary_cycles, weight_stationary_cycles
from hw.array.systolic_tiles import layer_tiles
from hw.array.weight_stationary import latency, reload_pause
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.layer import Layer
from hw.pe.registry import PE_TYPES

from .systolic_layers import LAYERS, in_numbers, random_layer

INT8 = SystolicConfig(pe=PEConfig(pe_type="int8"), dataflow="weight_stationary", rows=3, cols=2)


def random_operands(layer: Layer, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(seed)
    activations = dice.integers(0, 256, (layer.n, layer.c, layer.h, layer.w))
    shape = (layer.m, layer.c // layer.groups, layer.r, layer.s, 1)
    return activations, dice.integers(0, 256, shape)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_matrices_give_the_convolution(layer: Layer) -> None:
    """Against sums over shifted planes, and the golden psums against both."""
    activations, weights = random_operands(layer)
    signed_a = activations.astype(np.int8).astype(np.int64)
    signed_w = weights.astype(np.int8).astype(np.int64)[..., 0]
    padded = np.pad(signed_a, ((0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2))
    wanted = np.zeros((layer.n, layer.m, layer.e, layer.f), dtype=np.int64)
    c, m = layer.c // layer.groups, layer.m // layer.groups
    for group, i, j in np.ndindex(layer.groups, layer.r, layer.s):
        rows = slice(i, i + (layer.e - 1) * layer.stride + 1, layer.stride)
        cols = slice(j, j + (layer.f - 1) * layer.stride + 1, layer.stride)
        plane = padded[:, group * c : (group + 1) * c, rows, cols]
        taps = signed_w[group * m : (group + 1) * m, :, i, j]
        wanted[:, group * m : (group + 1) * m] += np.einsum("nchw,mc->nmhw", plane, taps)

    words, present = activation_matrix(layer, signed_a)
    products = words @ weight_matrix(layer, signed_w[..., np.newaxis])
    shape = (layer.groups, layer.n, layer.e, layer.f, m)
    by_filter = products.reshape(shape).transpose(1, 0, 4, 2, 3).reshape(wanted.shape)
    assert np.array_equal(by_filter, wanted)
    assert not words[~present].any()
    golden = golden_layer(INT8.pe, layer, activations, weights)
    assert np.array_equal(golden.astype(np.int64), wanted)


def test_the_depth_goes_channel_by_channel_within_a_tap() -> None:
    layer = Layer(name="order", c=2, h=2, w=2, m=1, r=2, s=2)
    activations = np.arange(8).reshape(1, 2, 2, 2)
    words, _ = activation_matrix(layer, activations, terms=2)
    assert words[0, 0, ::2].tolist() == words[0, 0, 1::2].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_psums_saturate_in_the_order_of_summation() -> None:
    pe = PEConfig(pe_type="int8", psum_bits=16)
    layer = Layer(name="saturating", c=4, h=1, w=1, m=1, r=1, s=1)
    activations = np.array([127, 127, 127, 128]).reshape(1, 4, 1, 1)
    weights = np.full((1, 4, 1, 1, 1), 127)
    assert golden_layer(pe, layer, activations, weights).item() == 32767 - 127 * 128


@pytest.mark.parametrize("name", sorted(PE_TYPES))
def test_a_zero_activation_adds_nothing(name: str) -> None:
    kind = PE_TYPES[name]
    zero = zero_activation(kind)
    if zero is None:
        assert kind.accumulator is not None or name in ("binary", "lns8")
        return
    dice = random.Random(1)
    weights = (
        range(1 << kind.weight.bits)
        if kind.weight.bits <= 8
        else (dice.getrandbits(kind.weight.bits) for _ in range(300))
    )
    assert all(kind.product(weight, zero) == 0 for weight in weights)


def test_nothing_is_a_product_that_changes_no_psum() -> None:
    """What cells add for a masked activation of a floating-point type."""
    dice = random.Random(1)
    for kind in (kind for kind in PE_TYPES.values() if kind.accumulator is not None):
        accumulator = kind.accumulator
        nothing = 1 << (accumulator.bits - 1)
        psums = [0, nothing, 1, 0x7F800000, 0xFF800000, 0x7FC00000]
        for psum in psums + [dice.getrandbits(accumulator.bits - 9) for _ in range(100)]:
            assert accumulator.add_golden(psum, nothing) == psum


def recurrence(
    config: SystolicConfig, product: MatrixProduct, bias: bool, mapping: dict[str, Any]
) -> int:
    """Return a layer's cycles by going through its passes, one after the other."""
    tiles = list(layer_tiles(config, product, bias=bias, **mapping))
    sizes = [
        (tile.pixels.stop - tile.pixels.start, tile.depth.stop - tile.depth.start) for tile in tiles
    ]
    depth, rows, cols = config.pe.depth, config.rows, config.cols
    if config.dataflow == "output_stationary":
        begin = 1 + rows * bias
        for _, steps in sizes:
            begin += max(steps * config.adder_cycles, 2 * rows + depth)
        return begin + depth + rows + sizes[-1][0] + cols - 1
    # `free` is when new weights may begin to compute, `begin` when the first vector does.
    free = begin = sizes[0][1]
    begun = {(tiles[0].group, tiles[0].filters.start, tiles[0].pixels.start): begin}
    for (vectors, _), (_, weights), tile in zip(sizes, sizes[1:], tiles[1:], strict=False):
        begin = free = max(begin + vectors, free + weights + reload_pause(config))
        psums = tile.group, tile.filters.start, tile.pixels.start
        if tile.depth.start:
            begin = max(free, begun[psums] + latency(config) + 1)
        begun[psums] = begin
    return begin + sizes[-1][0] + latency(config)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_closed_forms_equal_the_passes(dataflow: str) -> None:
    dice = random.Random(dataflow)
    slow = [name for name, kind in PE_TYPES.items() if kind.accumulator and not kind.scaling]
    for _ in range(3000):
        config = SystolicConfig(
            pe=PEConfig(pe_type=dice.choice(["int8", *slow]), pipeline_depth=dice.randint(1, 3)),
            dataflow=dataflow,
            rows=dice.randint(1, 12),
            cols=dice.randint(1, 12),
        )
        product = MatrixProduct(
            groups=dice.randint(1, 3),
            pixels=dice.randint(1, 40),
            depth=dice.randint(1, 60),
            filters=dice.randint(1, 30),
        )
        bias, pixels = dice.random() < 0.5, dice.choice([None, dice.randint(1, 40)])
        mapping = {"pass_pixels": pixels, "filters_first": dice.random() < 0.5}
        wanted = recurrence(config, product, bias, mapping)
        got = layer_cycles(config, product, bias=bias, **mapping)
        assert got == wanted, (config, product, bias, mapping)


def test_cycles_of_many_points_at_once() -> None:
    layer = dataclasses.asdict(MatrixProduct(groups=1, pixels=49, depth=72, filters=24))
    sizes = np.array([4, 8, 16, 32])
    array = {"pipeline_depth": 2, "adder_cycles": 1}
    for cycles in (weight_stationary_cycles, output_stationary_cycles):
        at_once = cycles(rows=sizes[:, np.newaxis], cols=sizes, **array, **layer)
        assert at_once.shape == (4, 4)
        for (i, j), value in np.ndenumerate(at_once):
            assert value == cycles(rows=sizes[i], cols=sizes[j], **array, **layer)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_words_equal_those_of_the_tiles(dataflow: str) -> None:
    dice = random.Random(dataflow)
    for _ in range(100):
        layer = random_layer(dice)
        config = dataclasses.replace(INT8, dataflow=dataflow, cols=dice.randint(1, 4))
        product = matrix_product(layer, config.kind)
        bias, pixels = dice.random() < 0.5, dice.choice([None, 3])
        counted = dict.fromkeys(("weight", "activation", "psum_in", "psum_out"), 0)
        for tile in layer_tiles(config, product, bias=bias, pass_pixels=pixels):
            p, k, m = (s.stop - s.start for s in (tile.pixels, tile.depth, tile.filters))
            counted["weight"] += k * m
            counted["activation"] += p * k
            counted["psum_in"] += p * m * tile.accumulate
            counted["psum_out"] += p * m
        traffic = layer_traffic(config, product, bias=bias, pass_pixels=pixels)
        assert {port: getattr(traffic, f"{port}_words") for port in counted} == counted


def test_lanes_must_be_full() -> None:
    layer = Layer(name="odd", c=24, h=3, w=3, m=4, r=1, s=1)
    with pytest.raises(ConfigError) as error:
        matrix_product(layer, PE_TYPES["binary"])
    assert str(error.value) == (
        "layer 'odd': channels of a group must be a multiple of the 16 lanes of binary, not 24"
    )
    with pytest.raises(ConfigError, match=r"^terms of int8 must be 1 to 1, not 2$"):
        matrix_product(layer, PE_TYPES["int8"], terms=2)
    assert in_numbers(layer, PE_TYPES["binary"]).c == 24 * 16


def test_operands_of_another_shape_are_refused() -> None:
    layer = LAYERS[0]
    activations, weights = random_operands(layer)
    with pytest.raises(ConfigError) as error:
        activation_matrix(layer, activations[:, :, 1:])
    assert str(error.value) == "activations must have the shape (1, any, 5, 5), not (1, 2, 4, 5)"
    with pytest.raises(ConfigError) as error:
        weight_matrix(layer, weights[..., 0])
    assert str(error.value) == "weights must have the shape (any, any, 3, 3, any), not (4, 2, 3, 3)"


def test_passes_longer_than_the_counters_are_refused() -> None:
    product = MatrixProduct(groups=1, pixels=(1 << 20) + 1, depth=4, filters=1)
    with pytest.raises(ConfigError) as error:
        next(layer_tiles(INT8, product))
    assert str(error.value) == (
        "a pass must have 1 to 1048576 vectors, not 1048577; limit its pixels"
    )
    with pytest.raises(ConfigError, match="must have 1 to 1048576 vectors, not 0"):
        next(layer_tiles(INT8, product, pass_pixels=0))
    assert next(layer_tiles(INT8, product, pass_pixels=1 << 20)).pixels == slice(0, 1 << 20)


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("rows", 0, "rows must be an integer from 1 to 256, not 0"),
        ("cols", True, "cols must be an integer from 1 to 256, not True"),
        ("pe", "int8", "pe must be a PEConfig, not 'int8'"),
        (
            "dataflow",
            "weight",
            "dataflow must be one of output_stationary, weight_stationary, not 'weight'",
        ),
    ],
)
def test_wrong_configurations(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        dataclasses.replace(INT8, **{field: value})
    assert str(error.value) == message


def test_types_with_shared_scales_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        dataclasses.replace(INT8, pe=PEConfig(pe_type="mxint8"))
    assert str(error.value) == (
        "pe_type of a systolic array must have no shared scales, not 'mxint8'"
    )


def test_a_digest_names_one_array() -> None:
    assert INT8.digest() == dataclasses.replace(INT8).digest()
    assert INT8.digest() != dataclasses.replace(INT8, cols=3).digest()
