"""Operands for simulated netlists: rows of the digits network's tensors, and uniform random codes.

Every lane of a simulation gets a piece of its own of one pass: some filters, channels and filter
columns of a convolution of the network, and the activations that the network has there for one of
the images that its training has not seen.  Neighbours in a stream are neighbours in the tensors, so
activations are as sparse and as alike as ReLU leaves them.  Tensors are brought to the PE type's
codes by `hw.formats`, scaled per layer by the unit that loses least; shared scales are those of the
Microscaling format.  Rows of the image follow each other, which gives passes any length.

Uniform operands are uniform over a format's codes; of floating-point and Microscaling formats
the values are uniform from -1 to 1.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hw.config import PEConfig
from hw.errors import ConfigError
from hw.formats import FLightNN, Float, Microscaling, NumberFormat, canonical_codes
from hw.formats.binary import Binary
from hw.formats.packed import Packed
from hw.pe.golden import run_pass
from hw.pe.pe_type import PEType
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

from .digits_network import SHAPES, digits, shaped, train

__all__ = ["DATA_SETS", "PassOperands", "make_operands"]

Reals = NDArray[np.float64]
Codes = NDArray[Any]

DATA_SETS = ("digits", "uniform")
_LAYERS = (1, 2, 2)
"""Layers of the lanes in turn, about by their products; the first convolution has one channel, the
classifier no filter columns."""
_DRAWS = 8
_SEARCHED_VALUES = 4096
_LANES_PER_PSUM = 4
"""Lanes that share their incoming psums, which the golden model takes its time for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassOperands:
    """The words of one pass in all lanes, and the psums that must come out."""

    row: RowPass
    filters: Codes
    """Words of the filter stream, shape (filter words, lanes)."""
    ifmap: Codes
    """Words of the ifmap stream, shape (ifmap words, lanes)."""
    psums: Codes
    """Words of the psum stream, shape (positions * filters, lanes); none without `accumulate`."""
    expected: Codes
    """Psums by the golden model, shape (positions * filters, lanes)."""


def make_operands(
    config: PEConfig, row: RowPass, data_set: str, *, lanes: int, dice: np.random.Generator
) -> PassOperands:
    """Draw operands of one pass and compute its psums.

    Parameters
    ----------
    config, row
        The PE point and the pass.
    data_set
        `digits` or `uniform`.
    lanes
        Independent draws.
    dice
        What they are drawn with.

    Raises
    ------
    ConfigError
        The data set is none, or the pass does not fit the PE.
    """
    if data_set not in DATA_SETS:
        raise ConfigError(f"data set must be {' or '.join(DATA_SETS)}, not {data_set!r}")
    row.check(config)
    draw = _draw_digits if data_set == "digits" else _draw_uniform
    filters, ifmap = draw(config, row, lanes, dice)
    psums: Codes = np.zeros((0, lanes), dtype=object)
    if row.accumulate:  # what another PE of the chain has added up before
        few = -(-lanes // _LANES_PER_PSUM)
        start = dataclasses.replace(row, accumulate=False)
        before = _golden(config, start, *draw(config, row, few, dice), psums[:, :few])
        psums = before[:, np.arange(lanes) % few]
    expected = _golden(config, row, filters, ifmap, psums)
    mask = (1 << config.psum_width) - 1
    kind = PE_TYPES[config.pe_type]
    if config.decoders == "edge":
        filters = _at_edge(filters, kind.weight_decoder)
        ifmap = _at_edge(ifmap, kind.activation_decoder)
    return PassOperands(
        row=row, filters=filters, ifmap=ifmap, psums=psums & mask, expected=expected & mask
    )


def _at_edge(codes: Codes, decoder: Any) -> Codes:
    if decoder is None:
        return codes
    return np.asarray(np.frompyfunc(lambda code: decoder.golden(int(code)), 1, 1)(codes))


class _Known:
    """What the golden model asks of a PE point with every product, looked up once."""

    def __init__(self, config: PEConfig) -> None:
        self.pe_type = config.pe_type
        self.ifmap_spad, self.filter_spad = config.ifmap_spad, config.filter_spad
        self.psum_spad = config.psum_spad
        self.lane_width, self.saturating = config.lane_width, config.saturating


def _golden(config: PEConfig, row: RowPass, filters: Codes, ifmap: Codes, psums: Codes) -> Codes:
    """Return the golden psums of all lanes, as `run_pass` gives them."""
    known = cast(PEConfig, _Known(config))
    columns = [
        run_pass(known, row, f, i, p)
        for f, i, p in zip(filters.T.tolist(), ifmap.T.tolist(), psums.T.tolist(), strict=True)
    ]
    return np.array(columns, dtype=object).T


def _draw_uniform(
    config: PEConfig, row: RowPass, lanes: int, dice: np.random.Generator
) -> tuple[Codes, Codes]:
    kind = PE_TYPES[config.pe_type]

    def words(fmt: NumberFormat, count: int) -> Codes:
        if isinstance(fmt, Packed):
            each = dice.choice(canonical_codes(fmt.element), (count, lanes, fmt.lanes))
            return np.asarray((each << fmt.element.bits * np.arange(fmt.lanes)).sum(-1))
        if isinstance(fmt, Float):
            return fmt.encode(dice.uniform(-1, 1, (count, lanes)))
        return dice.choice(canonical_codes(fmt), (count, lanes))

    if kind.scaling is None:
        return words(kind.weight, row.filter_words), words(kind.activation, row.ifmap_words)
    columns = row.ifmap_words // row.column
    weights = dice.uniform(-1, 1, (row.taps, row.channels, 1, row.filters, lanes))
    activations = dice.uniform(-1, 1, (columns, row.channels, 1, 1, lanes))
    return _scaled_words(kind, row, weights), _scaled_words(kind, row, activations)


def _draw_digits(
    config: PEConfig, row: RowPass, lanes: int, dice: np.random.Generator
) -> tuple[Codes, Codes]:
    kind = PE_TYPES[config.pe_type]
    channels, filters = row.channels * kind.channel_lanes, row.filters * kind.filter_lanes
    columns = row.ifmap_words // row.column
    weights = np.empty((row.taps, channels, filters, lanes))
    activations = np.empty((columns, channels, lanes))
    for layer in sorted(set(_LAYERS)):
        own = [lane for lane in range(lanes) if _LAYERS[lane % len(_LAYERS)] == layer]
        units = _units(config.pe_type, layer)
        values = _tensors(layer)[1]
        mean = values.mean() if _centred(kind.activation) else 0.0
        seen = _activations(values, channels, columns, len(own), dice)
        for lane, (window, first_channel) in zip(own, seen, strict=True):
            activations[..., lane] = (window - mean) / units[1]
            weights[..., lane] = _weights(layer, first_channel, row, filters, channels, dice)
            weights[..., lane] /= units[0]
    if kind.scaling is not None:
        return (
            _scaled_words(kind, row, weights[:, :, np.newaxis]),
            _scaled_words(kind, row, activations[:, :, np.newaxis, np.newaxis]),
        )
    return _filter_words(kind, row, weights), _ifmap_words(kind, row, activations)


def _activations(
    values: Reals, channels: int, columns: int, lanes: int, dice: np.random.Generator
) -> list[tuple[Reals, int]]:
    """Draw pieces of a layer's rows, shape (columns, channels), each with its first channel.

    Of `_DRAWS` times as many draws, sorted by how much of them is zero, every `_DRAWS`th is taken:
    energies depend on zeros most, and few lanes then stand for the layer.
    """
    found = []
    for _ in range(_DRAWS * lanes):
        image, c, x = (int(dice.integers(size)) for size in values.shape)
        along_c = np.arange(c, c + channels) % values.shape[1]
        along_x = np.arange(x, x + columns) % values.shape[2]
        found.append((values[image, along_c][:, along_x].T, c))
    found.sort(key=lambda piece: int(np.count_nonzero(piece[0])))
    taken = found[_DRAWS // 2 :: _DRAWS]
    return [taken[index] for index in dice.permutation(lanes)]


def _weights(
    layer: int, channel: int, row: RowPass, filters: int, channels: int, dice: np.random.Generator
) -> Reals:
    """Draw filters that see the channels from `channel` on, shape (taps, channels, filters)."""
    values = _tensors(layer)[0]
    m, k = int(dice.integers(values.shape[0])), int(dice.integers(values.shape[2]))
    along_m = np.arange(m, m + filters) % values.shape[0]
    along_c = np.arange(channel, channel + channels) % values.shape[1]
    along_k = np.arange(k, k + row.taps) % values.shape[2]
    taken: Reals = values[along_m][:, along_c][:, :, along_k]
    return taken.transpose(2, 1, 0)


def _filter_words(kind: PEType, row: RowPass, weights: Reals) -> Codes:
    """Return words of weights, shape (taps, channels, filters, lanes), in the stream's order."""
    lanes = weights.shape[-1]
    if kind.filter_lanes > 1 or kind.channel_lanes > 1:
        shape = (row.taps, row.channels, kind.channel_lanes, row.filters, kind.filter_lanes, lanes)
        packed = weights.reshape(shape).transpose(0, 1, 3, 5, 2, 4)
        codes = kind.weight.encode(packed.reshape(*packed.shape[:4], -1))
        return codes.reshape(-1, lanes)
    if row.terms > 1:
        fmt = FLightNN(row.terms)
        codes = fmt.encode(weights)
        places = 4 * np.arange(row.terms)[::-1]  # first term in the high bits
        codes = (codes[:, :, np.newaxis] >> places[:, np.newaxis, np.newaxis]) & 15
        return codes.reshape(-1, lanes)
    return kind.weight.encode(weights).reshape(-1, lanes)


def _ifmap_words(kind: PEType, row: RowPass, activations: Reals) -> Codes:
    """Return words of activations, shape (columns, channels, lanes), in the stream's order."""
    columns, _, lanes = activations.shape
    if kind.channel_lanes > 1:
        shape = (columns, row.channels, kind.channel_lanes, lanes)
        activations = activations.reshape(shape).transpose(0, 1, 3, 2)
    return kind.activation.encode(activations).reshape(-1, lanes)


def _scaled_words(kind: PEType, row: RowPass, values: Reals) -> Codes:
    """Return words of blocks: elements, then scale, of shape (columns, channels, 1, n, lanes)."""
    fmt = Microscaling(kind.name)
    blocks = np.moveaxis(values[:, :, 0], 1, -1)  # (columns, n, lanes, channels)
    padded = np.zeros((*blocks.shape[:-1], fmt.block))
    padded[..., : row.channels] = blocks
    scales, codes = fmt.encode(padded)
    bits = fmt.element.bits
    places = bits * np.arange(row.scale_words)
    tail = scales[..., np.newaxis] >> places & ((1 << bits) - 1)
    words = np.concatenate([codes[..., : row.channels], tail], axis=-1)
    return np.moveaxis(words, -1, 1).reshape(-1, values.shape[-1])


def _centred(fmt: NumberFormat) -> bool:
    """Return whether a format has signs only: the mean then parts what is -1 from what is 1."""
    return isinstance(fmt, Packed) and isinstance(fmt.element, Binary)


@functools.cache
def _tensors(layer: int) -> tuple[Reals, Reals]:
    """Return weights, shape (M, C, R*S), and padded activations, shape (N, C, H*W), of a layer."""
    network, (_, _, images, _) = train(), digits()
    shape = SHAPES[layer]
    inputs = images if layer == 0 else network.run(images)[layer - 1]
    inputs = shaped(inputs, shape)
    side = shape.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (side, side), (side, side)))
    weights = network.weights[layer]
    return weights.reshape(*weights.shape[:2], -1), padded.reshape(*padded.shape[:2], -1)


@functools.cache
def _units(pe_type: str, layer: int) -> tuple[float, float]:
    """Return the units of a layer's weights and of its activations."""
    kind = PE_TYPES[pe_type]
    if kind.scaling is not None:  # blocks find their own
        return 1.0, 1.0
    weights, activations = _tensors(layer)
    weight = FLightNN(kind.terms) if kind.terms > 1 else kind.weight
    return _unit(weight, weights), _unit(kind.activation, activations)


def _unit(fmt: NumberFormat, values: Reals) -> float:
    """Return the unit under which a format's values come nearest to the given ones."""
    element = fmt.element if isinstance(fmt, Packed) else fmt
    if isinstance(element, Float):
        return 1.0
    flat = values.ravel()[:: max(1, values.size // _SEARCHED_VALUES)]
    largest = element.quantize([np.inf])[0]  # saturates
    units = np.abs(values).max() / largest * np.geomspace(0.1, 2, 100)
    errors = [np.square(element.quantize(flat / unit) * unit - flat).sum() for unit in units]
    return float(units[int(np.argmin(errors))])
