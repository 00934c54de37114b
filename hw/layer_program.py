"""A layer on the accelerator: what the host writes, and what goes over the off-chip streams.

The order of all off-chip words is fixed here and nowhere else:

- `filter`: for each pass that loads filters its rows, beats of the filter network side by side;
- `ifmap`: the rows of the bias, if there is one, then the tiles, image after image, padding
  included;
- `output`: for each pass of a last sum step its rows of psums, as they are or requantized, several
  requantized rows in one where they fit.

A row goes over a stream in beats, lowest bits first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .array.row_stationary_layer import Codes, Step
from .formats import FixedPoint, Float
from .layer_rows import LayerRows, Requantization
from .pe.golden import to_signed
from .shell.float_requantizer import requantize_float
from .shell.registers import register_map
from .shell.requantizer import requantize

__all__ = ["LayerProgram", "Requantization"]


@dataclass(frozen=True, kw_only=True)
class LayerProgram(LayerRows):
    """One layer under one mapping on one accelerator, with all its words."""

    def writes(self) -> list[tuple[int, int]]:
        """Return the host's writes (address, data) that set up and start the layer."""
        addresses = register_map(self.config)
        named = [
            *(("setup", word) for word in self.array_pass.setup(self.config.array)),
            *(("chains", len(chains)) for chains in reversed(self.column_chains)),
            *self.registers().items(),
            ("start", 0),
        ]
        return [(addresses[name], value) for name, value in named]

    # What goes over the streams

    def filter_beats(self, weights: Codes) -> list[int]:
        """Return the beats of the `filter` stream; `weights` as `LayerPasses.filter_words` has
        them."""
        rows: list[int] = []
        lanes, bits = self.config.array.filter_lanes, self.config.kind.weight.bits
        for step in self.passes.steps():
            if step.load:
                targets = self.passes.filter_words(step, weights)
                words = [
                    _pack([target[word] for target in targets[start : start + lanes]], bits)
                    for start in range(0, len(targets), lanes)
                    for word in range(len(targets[0]))
                ]
                rows += _rows(words, lanes * bits, self.config.filter_beats_per_row)
        return self._beats(rows)

    def ifmap_beats_of(self, inputs: Codes, bias: Codes | None = None) -> list[int]:
        """Return the beats of the `ifmap` stream.

        Parameters
        ----------
        inputs
            Activation codes, shape (N, C, H, W).
        bias
            Psum codes, shape (M,), if the layer has a bias.
        """
        rows = self._bias_rows(bias) if self.bias and bias is not None else []
        lanes, bits = self.config.array.ifmap_lanes, self.config.kind.activation.bits
        for step in self._tile_steps():
            for image in range(step.image, step.image + self.mapping.n):
                lines = self.passes.ifmap_words(replace(step, image=image), inputs)
                words = [
                    _pack([line[word] for line in lines[start : start + lanes]], bits)
                    for word in range(len(lines[0]))
                    for start in range(0, len(lines), lanes)
                ]
                rows += _rows(words, lanes * bits, self.config.ifmap_beats_per_row)
        return self._beats(rows)

    def output_beats(self, outputs: NDArray[np.object_]) -> list[tuple[int, int]]:
        """Return the beats of the `output` stream, each with a mask of the bits that count.

        Psums of outputs that the layer does not have are computed all the same and dropped.

        Parameters
        ----------
        outputs
            Psum codes, shape (N, M, E, F).
        """
        values, masks = [], []
        for lanes in self._output_lanes():
            row = mask = 0
            for lane, at in enumerate(lanes):
                if at is not None:
                    row |= self._code(int(outputs[at])) << lane * self.code_bits
                    mask |= (1 << self.code_bits) - 1 << lane * self.code_bits
            values.append(row)
            masks.append(mask)
        return list(zip(self._output_rows(values), self._output_rows(masks), strict=True))

    def outputs(self, beats: Sequence[int]) -> NDArray[np.object_]:
        """Return the tensor that has come over the `output` stream: codes, shape (N, M, E, F)."""
        layer = self.layer
        tensor = np.full((layer.n, layer.m, layer.e, layer.f), None, object)
        row_beats = self.config.row_bits // self.config.off_chip_bits
        rows = [
            _pack(beats[start : start + row_beats], self.config.off_chip_bits)
            for start in range(0, len(beats), row_beats)
        ]
        size, each = self.config.psums_per_row * self.code_bits, self._rows_per_output
        lines = [row >> part * size & (1 << size) - 1 for row in rows for part in range(each)]
        for line, lanes in zip(lines, self._output_lanes(), strict=False):
            for lane, at in enumerate(lanes):
                if at is not None:
                    tensor[at] = line >> lane * self.code_bits & (1 << self.code_bits) - 1
        return tensor

    @property
    def _rows_per_output(self) -> int:
        return 1 if self.requantization is None else self.config.rows_per_output

    def _code(self, psum: int) -> int:
        rule, width = self.requantization, self.config.design.pe.psum_width
        if rule is None:
            return psum & (1 << width) - 1
        activation = self.config.kind.activation
        if isinstance(activation, Float):
            return requantize_float(psum, activation, relu=rule.relu)
        assert isinstance(activation, FixedPoint)
        value = to_signed(psum & (1 << width) - 1, width)
        return requantize(value, activation, scale=rule.scale, shift=rule.shift, relu=rule.relu)

    def _output_rows(self, lines: Sequence[int]) -> list[int]:
        size = self.config.psums_per_row * self.code_bits
        return self._beats(_rows(lines, size, self._rows_per_output))

    def _output_lanes(self) -> Iterator[list[tuple[int, ...] | None]]:
        """Yield for each row of psums that leaves the outputs (n, m, y, x) in its lanes."""
        k, last = self.mapping, self.sums - 1
        order = {at: number for number, at in enumerate(self._sum_steps())}
        for step in self.passes.steps():
            if order[step.channels, step.row] != last:
                continue
            places = self.passes.outputs(step)
            for position in range(self.layer.f):
                for lanes in self._position_lanes():
                    yield [
                        places[chain][position * k.p + number] if chain else None
                        for chain, number in lanes
                    ]

    def _position_lanes(self) -> Iterator[list[tuple[tuple[int, int] | None, int]]]:
        """Yield for each row of one position the chain and the filter in its lanes."""
        size = self.config.psums_per_row
        columns = self.column_chains[: self.column_groups * size]
        columns += [[]] * (self.column_groups * size - len(columns))
        for level in range(self.array_pass.chains(self.config.array)):
            for number in range(self.mapping.p):
                for start in range(0, len(columns), size):
                    yield [
                        (chains[level] if level < len(chains) else None, number)
                        for chains in columns[start : start + size]
                    ]

    def _bias_rows(self, bias: Codes) -> list[int]:
        k, width, rows = self.mapping, self.config.design.pe.psum_width, []
        for group in range(self.layer.groups):
            for first in (
                block * k.m + index * k.p * k.t
                for block in range(self.blocks)
                for index in range(self.filter_groups(block))
            ):
                for lanes in self._position_lanes():
                    words = []
                    for chain, number in lanes:
                        f = first + (chain[0] if chain else 0) * k.p + number
                        there = chain is not None and f < self.passes.m
                        code = int(bias[group * self.passes.m + f]) if there else 0
                        words.append(code & (1 << width) - 1)
                    rows.append(_pack(words, width))
        return rows

    def _sum_steps(self) -> list[tuple[int, int]]:
        k = self.mapping
        return [
            (channels, row)
            for channels in range(0, self.passes.c, k.q * k.r)
            for row in range(0, self.layer.r, self.passes.filter_rows)
        ]

    def _tile_steps(self) -> Iterator[Step]:
        """Yield the first pass of each tile."""
        k = self.mapping
        for step in self.passes.steps():
            first = step.filters % k.m == 0 and step.image % k.n == 0
            if first and not (self.keep_tile and step.filters):
                yield step

    def _beats(self, rows: Iterable[int]) -> list[int]:
        size = self.config.off_chip_bits
        return [
            row >> at & (1 << size) - 1
            for row in rows
            for at in range(0, self.config.row_bits, size)
        ]


def _pack(words: Sequence[int], bits: int) -> int:
    """Return words side by side, the first one lowest."""
    return sum(word << lane * bits for lane, word in enumerate(words))


def _rows(words: Sequence[int], bits: int, each: int) -> list[int]:
    """Return rows of `each` words."""
    return [_pack(words[start : start + each], bits) for start in range(0, len(words), each)]
