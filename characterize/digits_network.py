"""A small network on scikit-learn's digits, quantized for any PE type: tensors of a real task.

Three convolutions and a classifier are trained in floating point, in seconds and from one seed.
Quantized afterwards, weights are codes of the PE type's weight format, activations codes of its
activation format and psums what the accelerator adds up; between layers its requantizer stands
(`hw.shell`).  With integer activations every sum is exact, so `run` is the result of hardware bit
for bit, in whatever order that adds; floating-point sums depend on the order and `run` rounds once.

    python -m characterize.digits_network [TYPE ...]

prints the accuracy of each type on images the training has not seen.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from hw.command import run_command
from hw.config import PEConfig
from hw.errors import ConfigError, nearest
from hw.formats import BINARY32, FixedPoint, FLightNN, Float
from hw.layer import Layer
from hw.layer_program import Requantization
from hw.pe.pe_type import PEType
from hw.pe.registry import PE_TYPES

__all__ = [
    "QUANTIZABLE",
    "SHAPES",
    "FloatNetwork",
    "QuantizedLayer",
    "QuantizedNetwork",
    "digits",
    "quantize",
    "shaped",
    "train",
]

Reals = NDArray[np.float64]
Codes = NDArray[np.int64]

SHAPES = (
    Layer(name="conv1", c=1, h=8, w=8, m=8, r=3, s=3, padding=1),
    Layer(name="conv2", c=8, h=8, w=8, m=16, r=3, s=3, padding=1, stride=2),
    Layer(name="conv3", c=16, h=4, w=4, m=16, r=3, s=3, padding=1),
    Layer(name="fc", c=256, h=1, w=1, m=10, r=1, s=1),
)
"""The network's layers for one image (`digits` of `dse`): ReLU follows all but the last, which
takes channels, rows and columns flattened in this order."""
_TRAINING_IMAGES = 1297
_EPOCHS, _BATCH, _RATE = 20, 64, 4e-3
_SCALE_BITS = 16


def _can_run(kind: PEType) -> bool:
    one_product = kind.lanes == 1 and kind.scaling is None
    return one_product and isinstance(kind.activation, FixedPoint | Float)


QUANTIZABLE = tuple(name for name, kind in PE_TYPES.items() if _can_run(kind))
"""PE types the network can be quantized for: one product a cycle, and activations that the
requantizer makes."""


@functools.cache
def digits(seed: int = 1) -> tuple[Reals, Codes, Reals, Codes]:
    """Return images from 0 to 1, shape (n, 1, 8, 8), and their digits: for training, for tests."""
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images, labels = data.images[order, np.newaxis] / 16, data.target[order].astype(np.int64)
    cut = _TRAINING_IMAGES
    return images[:cut], labels[:cut], images[cut:], labels[cut:]


def shaped(outputs: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Return what a layer before gave as this layer takes it, shape (N, C, H, W)."""
    return outputs.reshape(-1, layer.c, layer.h, layer.w)


def windows(inputs: NDArray[Any], layer: Layer) -> NDArray[Any]:
    """Return what each output sees, shape (N, C, E, F, R, S), of inputs of shape (N, C, H, W)."""
    p, u = layer.padding, layer.stride
    padded = np.pad(inputs, ((0, 0), (0, 0), (p, p), (p, p)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (layer.r, layer.s), (2, 3))
    return view[:, :, ::u, ::u]


def convolve(inputs: Reals, weights: Reals, layer: Layer) -> Reals:
    """Return the sums of a layer, shape (N, M, E, F), over inputs of shape (N, C, H, W)."""
    sums = np.tensordot(windows(inputs, layer), weights, ((1, 4, 5), (1, 2, 3)))
    return sums.transpose(0, 3, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatNetwork:
    """The trained network: for each layer weights, shape (M, C, R, S), and biases, shape (M,)."""

    weights: tuple[Reals, ...]
    biases: tuple[Reals, ...]

    def run(self, images: Reals) -> list[Reals]:
        """Return the outputs of all layers, shape (N, M, E, F) each."""
        outputs = []
        for layer, weights, bias in zip(SHAPES, self.weights, self.biases, strict=True):
            images = shaped(images, layer)
            images = convolve(images, weights, layer) + bias[:, np.newaxis, np.newaxis]
            if layer is not SHAPES[-1]:
                images = np.maximum(images, 0)
            outputs.append(images)
        return outputs

    def accuracy(self, images: Reals, labels: Codes) -> float:
        """Return the share of images whose digit is found."""
        return float((self.run(images)[-1].argmax(1).ravel() == labels).mean())


def _gradients(network: FloatNetwork, images: Reals, labels: Codes) -> list[Reals]:
    """Return the gradients of the cross entropy, weights first, then biases."""
    outputs = network.run(images)
    inputs = [images, *outputs[:-1]]
    powers = np.exp(outputs[-1] - outputs[-1].max(1, keepdims=True))
    error = powers / powers.sum(1, keepdims=True)
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    weights, biases = [], []
    for number in reversed(range(len(SHAPES))):
        layer = SHAPES[number]
        taken = shaped(inputs[number], layer)
        seen = windows(taken, layer)
        weights.append(np.tensordot(error, seen, ((0, 2, 3), (0, 2, 3))))
        biases.append(error.sum((0, 2, 3)))
        if number:
            spread = np.tensordot(error, network.weights[number], (1, 0))
            p, u = layer.padding, layer.stride
            back = np.zeros((len(labels), layer.c, layer.padded_h, layer.padded_w))
            for y in range(layer.r):
                for x in range(layer.s):
                    at = np.s_[:, :, y : y + u * layer.e : u, x : x + u * layer.f : u]
                    back[at] += spread[..., y, x].transpose(0, 3, 1, 2)
            back = back[:, :, p : p + layer.h, p : p + layer.w]
            error = (back * (taken > 0)).reshape(inputs[number].shape)
    return weights[::-1] + biases[::-1]


@functools.cache
def train(seed: int = 1) -> FloatNetwork:
    """Return the network trained by Adam (Kingma and Ba, 2015); equal for equal seeds."""
    with threadpool_limits(1):  # sums must not depend on the number of cores
        return _train(seed)


def _train(seed: int) -> FloatNetwork:
    dice = np.random.default_rng(seed)
    images, labels, _, _ = digits()
    values = [
        dice.normal(
            0, np.sqrt(2 / (layer.c * layer.r * layer.s)), (layer.m, layer.c, layer.r, layer.s)
        )
        for layer in SHAPES
    ] + [np.zeros(layer.m) for layer in SHAPES]
    means, squares = ([np.zeros_like(value) for value in values] for _ in range(2))
    step, steps = 0, _EPOCHS * (len(labels) // _BATCH)
    for _ in range(_EPOCHS):
        order = dice.permutation(len(labels))
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            batch = order[start : start + _BATCH]
            network = FloatNetwork(
                weights=tuple(values[: len(SHAPES)]), biases=tuple(values[len(SHAPES) :])
            )
            step += 1
            rate = _RATE * (1 - step / (steps + 1))
            rate *= np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            for i, slope in enumerate(_gradients(network, images[batch], labels[batch])):
                means[i] = 0.9 * means[i] + 0.1 * slope
                squares[i] = 0.999 * squares[i] + 0.001 * slope**2
                values[i] = values[i] - rate * means[i] / (np.sqrt(squares[i]) + 1e-8)
    return FloatNetwork(weights=tuple(values[: len(SHAPES)]), biases=tuple(values[len(SHAPES) :]))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedLayer:
    """One layer as codes."""

    layer: Layer
    """The shape for one image."""
    weights: Codes
    """Weight codes, shape (M, C, R, S), with a last axis of terms if the PE type has several."""
    bias: Codes
    """Psum codes, shape (M,)."""
    requantization: Requantization | None
    """How psums become activations; None leaves the psums of the last layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedNetwork:
    """The network in the codes of a PE type."""

    pe_type: str
    psum_width: int
    """Bits of a psum."""
    layers: tuple[QuantizedLayer, ...]

    @property
    def kind(self) -> PEType:
        """The PE type."""
        return PE_TYPES[self.pe_type]

    def inputs(self, images: Reals) -> Codes:
        """Return images from 0 to 1 as activation codes, same shape."""
        fmt = self.kind.activation
        return fmt.encode(images * fmt.max_int if isinstance(fmt, FixedPoint) else images)

    def run(self, images: Reals) -> list[Codes]:
        """Return the codes that leave each layer, shape (N, M, E, F): activations, at last psums.

        Raises
        ------
        ConfigError
            A sum does not fit `psum_width`.
        """
        return [codes for _, codes in self._run(images)]

    def psums(self, images: Reals) -> list[Codes]:
        """Return the psum codes of each layer, shape (N, M, E, F); raises as `run` does."""
        return [psums for psums, _ in self._run(images)]

    def accuracy(self, images: Reals, labels: Codes) -> float:
        """Return the share of images whose digit is found."""
        psums = self.run(images)[-1]
        if self.kind.accumulator is None:
            scores = FixedPoint(self.psum_width).decode(psums)
        else:
            scores = BINARY32.decode(psums)
        return float((scores.argmax(1).ravel() == labels).mean())

    def _run(self, images: Reals) -> Iterator[tuple[Codes, Codes]]:
        codes = self.inputs(images)
        for layer in self.layers:
            psums = self._psums(layer, shaped(codes, layer.layer))
            codes = self._requantized(psums, layer.requantization)
            yield psums, codes

    def _psums(self, layer: QuantizedLayer, codes: Codes) -> Codes:
        kind = self.kind
        # Integers as float64 are exact: all sums stay below 2**53.
        weights = kind.weight.decode(layer.weights) * 2.0**kind.fraction_bits
        if kind.terms > 1:
            weights = weights.sum(-1)
        psum_format = BINARY32 if kind.accumulator else FixedPoint(self.psum_width)
        bias = psum_format.decode(layer.bias)[:, np.newaxis, np.newaxis]
        psums = convolve(kind.activation.decode(codes), weights, layer.layer) + bias
        if isinstance(psum_format, FixedPoint) and np.abs(psums).max() > psum_format.max_int:
            raise ConfigError(
                f"psum_width must hold the sums of layer {layer.layer.name!r}, up to "
                f"{np.abs(psums).max():.0f}, not {self.psum_width} bits"
            )
        return psum_format.encode(psums)

    def _requantized(self, psums: Codes, how: Requantization | None) -> Codes:
        """Return the codes of psums, by the rule of `hw.shell`."""
        fmt = self.kind.activation
        if how is None:
            return psums
        if isinstance(fmt, Float):
            reals = BINARY32.decode(psums)
            reals = np.where(np.signbit(reals) & how.relu, 0, reals)
            overflow = "saturate" if fmt.infinity_code is None else "special"
            return fmt.encode(reals, overflow=overflow)
        assert isinstance(fmt, FixedPoint)
        values = FixedPoint(self.psum_width).decode(psums).astype(np.int64)
        half = (1 << how.shift) >> 1
        values = (values * how.scale + half) >> how.shift
        low = 0 if how.relu else fmt.min_int
        return np.clip(values, low, fmt.max_int) & ((1 << fmt.bits) - 1)


def quantize(
    network: FloatNetwork, pe_type: str, *, psum_width: int | None = None
) -> QuantizedNetwork:
    """Return the network in the codes of a PE type, scaled by what the training images show.

    Parameters
    ----------
    network
        What `train` returns.
    pe_type
        One of `QUANTIZABLE`.
    psum_width
        Bits of a psum; those of the PE type's usual point by default.

    Raises
    ------
    ConfigError
        The PE type is unknown, or has activations or lanes that the network does not fit.
    """
    if pe_type not in PE_TYPES:
        raise ConfigError(f"pe_type must be {nearest(pe_type, QUANTIZABLE)}, not {pe_type!r}")
    if pe_type not in QUANTIZABLE:
        raise ConfigError(
            f"pe_type must have one product a cycle and integer or floating-point activations "
            f"without shared scales ({', '.join(QUANTIZABLE)}), not {pe_type!r}"
        )
    kind, width = PE_TYPES[pe_type], psum_width or PEConfig(pe_type=pe_type).psum_width
    layers = []
    largest = getattr(kind.activation, "max_int", 1)  # unused where activations are reals
    activation_unit = 1 / largest
    outputs = network.run(digits()[0])
    for number, shape in enumerate(SHAPES):
        weights, last = network.weights[number], number == len(SHAPES) - 1
        if kind.accumulator:
            codes, bias = kind.weight.encode(weights), BINARY32.encode(network.biases[number])
            how = Requantization(relu=True)
        else:
            unit, codes = _encode(kind, weights)
            psum_unit = unit * activation_unit / 2.0**kind.fraction_bits
            whole = np.rint(network.biases[number] / psum_unit).astype(np.int64)
            bias = whole & ((1 << width) - 1)
            activation_unit = outputs[number].max() / largest
            how = _requantization(psum_unit / activation_unit)
        layers.append(
            QuantizedLayer(
                layer=shape, weights=codes, bias=bias, requantization=None if last else how
            )
        )
    return QuantizedNetwork(pe_type=pe_type, psum_width=width, layers=tuple(layers))


def _encode(kind: PEType, weights: Reals) -> tuple[float, Codes]:
    """Return the unit under which a format's values come nearest to weights, and their codes."""
    fmt = FLightNN(kind.terms) if kind.terms > 1 else kind.weight
    largest = fmt.quantize([np.inf])[0]  # saturates
    units = np.abs(weights).max() / largest * np.geomspace(0.1, 2, 200)
    errors = [np.square(fmt.quantize(weights / unit) * unit - weights).sum() for unit in units]
    unit = float(units[int(np.argmin(errors))])
    codes = fmt.encode(weights / unit)
    if kind.terms > 1:
        assert isinstance(fmt, FLightNN)
        codes = np.array([fmt.terms(int(code)) for code in codes.flat], np.int64)
        codes = codes.reshape(*weights.shape, kind.terms)
    return unit, codes


def _requantization(ratio: float) -> Requantization:
    """Return the scale of 16 bits and the shift that multiply by `ratio`, with ReLU."""
    shift = _SCALE_BITS - 1 - int(np.floor(np.log2(ratio)))
    scale = round(ratio * 2.0**shift)
    if scale == 1 << _SCALE_BITS:  # rounded up
        scale, shift = scale >> 1, shift - 1
    return Requantization(scale=scale, shift=shift, relu=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="characterize.digits_network",
        description="Train a small network on scikit-learn's digits, quantize it for PE types and "
        "print how many of the images it has not seen each finds.",
    )
    usual = ("int16", "int8", "lightpe1", "lightpe2")
    parser.add_argument(
        "pe_types", nargs="*", metavar="TYPE", help=f"PE types; {', '.join(usual)} by default"
    )
    chosen = parser.parse_args(arguments).pe_types or usual
    network = train()
    _, _, images, labels = digits()
    rows: list[tuple[str, float]] = [("float64", network.accuracy(images, labels))]
    for pe_type in chosen:
        rows.append((pe_type, quantize(network, pe_type).accuracy(images, labels)))
    print(tabulate(rows, ["numbers", f"accuracy on {len(labels)} images"], floatfmt=".3f"))


if __name__ == "__main__":
    sys.exit(run_command(main))
