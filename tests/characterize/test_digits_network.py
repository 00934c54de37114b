"""The digits network: it learns, quantizes for all types, and its sums are those of PEs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from characterize.digits_network import (
    QUANTIZABLE,
    SHAPES,
    FloatNetwork,
    convolve,
    digits,
    main,
    quantize,
    shaped,
    train,
)
from dse.workloads import load_network
from hw.errors import ConfigError
from hw.formats import BINARY32, FixedPoint, Float
from hw.layer import Layer
from hw.pe.golden import to_signed
from hw.pe.registry import PE_TYPES
from hw.shell.float_requantizer import requantize_float
from hw.shell.requantizer import requantize

LEAST = {"int16": 0.95, "int8": 0.95, "lightpe2": 0.95, "lightpe1": 0.9, "bf16": 0.95}
INTEGERS = [name for name in QUANTIZABLE if PE_TYPES[name].accumulator is None]


@pytest.fixture(scope="module")
def network() -> FloatNetwork:
    return train()


def test_training_and_test_images_are_different() -> None:
    train_images, train_labels, images, labels = digits()
    assert (len(train_images), len(images)) == (len(train_labels), len(labels)) == (1297, 500)
    assert set(labels) == set(train_labels) == set(range(10))
    seen = {image.tobytes() for image in train_images}
    assert sum(image.tobytes() in seen for image in images) == 0
    assert (images.min(), images.max()) == (0, 1)


def test_the_exploration_knows_the_same_layers() -> None:
    assert load_network("digits").layers == SHAPES


def test_the_network_learns(network: FloatNetwork) -> None:
    _, _, images, labels = digits()
    assert network.accuracy(images, labels) > 0.96


def test_training_repeats_itself(network: FloatNetwork) -> None:
    again, other = train.__wrapped__(1), train.__wrapped__(2)
    for values in ("weights", "biases"):
        for a, b, c in zip(*(getattr(n, values) for n in (network, again, other)), strict=True):
            assert (a == b).all()
            assert (a != c).all()


def direct(inputs: np.ndarray, weights: np.ndarray, layer: Layer) -> np.ndarray:
    """Return a convolution, tap by tap."""
    padded = np.pad(inputs, ((0, 0), (0, 0), *[(layer.padding, layer.padding)] * 2))
    sums, u = np.zeros((len(inputs), layer.m, layer.e, layer.f)), layer.stride
    for c in range(layer.c):
        for y in range(layer.r):
            for x in range(layer.s):
                seen = padded[:, c, y : y + u * layer.e : u, x : x + u * layer.f : u]
                sums += seen[:, np.newaxis] * weights[:, c, y, x][:, np.newaxis, np.newaxis]
    return sums


@pytest.mark.parametrize("layer", SHAPES, ids=lambda layer: layer.name)
def test_convolutions_are_convolutions(layer: Layer) -> None:
    dice = np.random.default_rng(3)
    inputs = dice.integers(-99, 99, (4, layer.c, layer.h, layer.w)).astype(float)
    weights = dice.integers(-99, 99, (layer.m, layer.c, layer.r, layer.s)).astype(float)
    assert (convolve(inputs, weights, layer) == direct(inputs, weights, layer)).all()


@pytest.mark.parametrize("pe_type", QUANTIZABLE)
def test_accuracy(pe_type: str, network: FloatNetwork) -> None:
    _, _, images, labels = digits()
    assert quantize(network, pe_type).accuracy(images, labels) > LEAST.get(pe_type, 0.4)


@pytest.mark.parametrize("pe_type", INTEGERS)
def test_sums_are_those_of_pes(pe_type: str, network: FloatNetwork) -> None:
    """Random outputs of all layers, from golden products and the golden requantizer."""
    quantized, kind = quantize(network, pe_type), PE_TYPES[pe_type]
    images, dice = digits()[2][:3], random.Random(pe_type)
    inputs = [quantized.inputs(images), *quantized.run(images)]
    for codes, outputs, q in zip(inputs, inputs[1:], quantized.layers, strict=False):
        layer = q.layer
        codes = shaped(codes, layer)
        assert codes.min() >= 0 and codes.max() < 1 << kind.activation.bits
        assert outputs.shape == (3, layer.m, layer.e, layer.f)
        padded = np.pad(codes, ((0, 0), (0, 0), *[(layer.padding, layer.padding)] * 2))
        for _ in range(40):
            n, m, y, x = (dice.randrange(size) for size in outputs.shape)
            window = padded[n, :, y * layer.stride :, x * layer.stride :]
            psum = to_signed(int(q.bias[m]), quantized.psum_width)
            for (c, i, j), activation in np.ndenumerate(window[:, : layer.r, : layer.s]):
                for weight in np.atleast_1d(q.weights[m, c, i, j]):
                    psum += kind.product(int(weight), int(activation))
            how = q.requantization
            if how is None:
                wanted = psum & ((1 << quantized.psum_width) - 1)
            else:
                assert isinstance(kind.activation, FixedPoint)
                wanted = requantize(
                    psum, kind.activation, scale=how.scale, shift=how.shift, relu=how.relu
                )
            assert outputs[n, m, y, x] == wanted
    assert quantized.layers[-1].requantization is None


@pytest.mark.parametrize("pe_type", [name for name in QUANTIZABLE if name not in INTEGERS])
def test_floating_point_is_rounded_as_by_the_requantizer(
    pe_type: str, network: FloatNetwork
) -> None:
    quantized, fmt = quantize(network, pe_type), PE_TYPES[pe_type].activation
    assert isinstance(fmt, Float)
    first, images = quantized.layers[0], digits()[2][:2]
    values = fmt.decode(quantized.inputs(images))
    sums = direct(values, PE_TYPES[pe_type].weight.decode(first.weights), first.layer)
    sums += BINARY32.decode(first.bias)[:, np.newaxis, np.newaxis]
    words = BINARY32.encode(sums).ravel()[::11]
    wanted = [requantize_float(int(word), fmt, relu=True) for word in words]
    near = fmt.decode(quantized.run(images)[0].ravel()[::11]), fmt.decode(np.array(wanted))
    # The order of float64 sums may turn a tie, in one of many.
    assert np.mean(near[0] == near[1]) > 0.99
    assert (near[0] >= 0).all() and near[0].max() > 0


def test_scales_have_16_bits(network: FloatNetwork) -> None:
    for pe_type in INTEGERS:
        for layer in quantize(network, pe_type).layers[:-1]:
            how = layer.requantization
            assert how is not None and how.relu
            assert 1 << 15 <= how.scale < 1 << 16


@pytest.mark.parametrize("pe_type", ["binary", "lp4", "mxint8", "lns8"])
def test_types_that_do_not_fit_are_refused(pe_type: str, network: FloatNetwork) -> None:
    with pytest.raises(ConfigError, match=f"^pe_type must have one product .*, not '{pe_type}'$"):
        quantize(network, pe_type)


def test_unknown_types_are_refused(network: FloatNetwork) -> None:
    with pytest.raises(ConfigError, match=r"^pe_type must be .*int8.*, not 'int9'$"):
        quantize(network, "int9")


def test_sums_that_do_not_fit_are_refused(network: FloatNetwork) -> None:
    narrow = quantize(network, "int8", psum_width=14)
    with pytest.raises(
        ConfigError, match=r"must hold the sums of layer 'conv1', up to .* 14 bits$"
    ):
        narrow.run(digits()[2])


def test_the_command_prints_accuracies(capsys: pytest.CaptureFixture[str]) -> None:
    main(["int8"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["float64", "int8"]
    assert all(float(line.split()[1]) > 0.95 for line in lines[2:])
