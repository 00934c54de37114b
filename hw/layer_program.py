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
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .accelerator_config import HardwareConfig
from .accelerator_counts import AcceleratorCounts, accelerator_counts
from .array.row_stationary_layer import Codes, LayerPasses, Step
from .array.row_stationary_pass import ArrayPass
from .errors import ConfigError
from .formats import FixedPoint, Float
from .layer import Layer
from .mapping import Mapping
from .pe.golden import to_signed
from .shell.float_requantizer import requantize_float
from .shell.registers import LayerLayout, register_map
from .shell.requantizer import requantize

__all__ = ["LayerProgram", "Requantization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantization:
    """How psums become activations; see `hw.shell.requantizer`."""

    scale: int = 1
    """0 to 65,535."""
    shift: int = 0
    """0 to 63."""
    relu: bool = False

    def __post_init__(self) -> None:
        for name, most in (("scale", 65535), ("shift", 63)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
                raise ConfigError(f"{name} must be an integer from 0 to {most}, not {value!r}")
        if not isinstance(self.relu, bool):
            raise ConfigError(f"relu must be true or false, not {self.relu!r}")


@dataclass(frozen=True, kw_only=True)
class LayerProgram:
    """One layer under one mapping on one accelerator."""

    config: HardwareConfig
    layer: Layer
    mapping: Mapping
    bias: bool = False
    terms: int = 1
    """Words of a weight (k of FLightNN)."""
    requantization: Requantization | None = None
    """None leaves psums as they are."""

    def __post_init__(self) -> None:
        layer, k, config = self.layer, self.mapping, self.config
        where = f"layer {layer.name!r} on {config.name}"
        if layer.n % k.n:
            raise ConfigError(f"{where}: n = {k.n} images must divide the batch of {layer.n}")
        self.array_pass.check(config.array)
        if self.requantization is not None:
            self._check_requantization(where, self.requantization)
        need = self.tile_banks + self.psum_banks
        if need > config.banks:
            raise ConfigError(
                f"{where}: an ifmap tile of {self.tile_rows} rows in {self.tile_banks} banks and "
                f"{self.block_rows + self.bias_rows} rows of psums and bias in {self.psum_banks} "
                f"banks must fit the {config.banks} banks of {config.bank_rows} rows"
            )
        widths = {name: field.width for name, field in LayerLayout(config)}
        for name, value in self.registers().items():
            if value >> widths[name]:
                raise ConfigError(
                    f"{where}: register {name} has {widths[name]} bits, too few for {value}"
                )

    def _check_requantization(self, where: str, rule: Requantization) -> None:
        config = self.config
        pe_type, most = config.design.pe.pe_type, min(63, config.design.pe.psum_width + 16)
        if not config.requantizes:
            raise ConfigError(
                f"{where}: {pe_type} cannot requantize, its activations are not single integers "
                f"or floating-point numbers; leave psums as they are"
            )
        if isinstance(config.kind.activation, Float) and (rule.scale, rule.shift) != (1, 0):
            raise ConfigError(
                f"{where}: scale and shift of {pe_type} must be 1 and 0, as floating point is "
                f"only rounded, not {rule.scale} and {rule.shift}"
            )
        if rule.shift > most:
            raise ConfigError(f"{where}: shift must be at most {most}, not {rule.shift}")

    @cached_property
    def passes(self) -> LayerPasses:
        """The passes of the array."""
        return LayerPasses(
            layer=self.layer, mapping=self.mapping, config=self.config.array, bias=self.bias,
            terms=self.terms,
        )  # fmt: skip

    @cached_property
    def array_pass(self) -> ArrayPass:
        """A pass, as far as all are alike."""
        return self.passes.array_pass()

    @property
    def blocks(self) -> int:
        """Blocks of m filters of a group."""
        return -(-self.passes.m // self.mapping.m)

    def filter_groups(self, block: int) -> int:
        """Return the groups of p*t filters of a block."""
        k = self.mapping
        filters = min(k.m, self.passes.m - block * k.m)
        return -(-filters // (k.p * k.t))

    @property
    def spots(self) -> int:
        """Groups of images times strips."""
        return self.layer.n // self.mapping.n * -(-self.layer.e // self.mapping.e)

    @property
    def sums(self) -> int:
        """Sum steps: groups of channels times parts of the filter's rows."""
        k, passes = self.mapping, self.passes
        return -(-passes.c // (k.q * k.r)) * (self.layer.r // passes.filter_rows)

    @property
    def keep_tile(self) -> bool:
        """Whether all blocks of a group use the same tile."""
        return self.spots == 1 and self.sums == 1

    @property
    def tiles(self) -> int:
        """Tiles fetched."""
        each = 1 if self.keep_tile else self.blocks * self.spots * self.sums
        return self.layer.groups * each

    # Rows

    @property
    def ifmap_beats(self) -> int:
        """Beats of the ifmap network that bring one word of all input rows."""
        a = self.array_pass
        return -(-a.channel_sets * a.strip_rows // self.config.array.ifmap_lanes)

    @property
    def filter_rows(self) -> int:
        """Filter rows of a pass."""
        a, array = self.array_pass, self.config.array
        beats = -(-a.filter_targets // array.filter_lanes) * a.row.filter_words
        return -(-beats // self.config.filter_beats_per_row)

    @property
    def image_rows(self) -> int:
        """Ifmap rows of a pass."""
        beats = self.ifmap_beats * self.array_pass.row.ifmap_words
        return -(-beats // self.config.ifmap_beats_per_row)

    @property
    def tile_rows(self) -> int:
        """Rows of a tile."""
        return self.mapping.n * self.image_rows

    @cached_property
    def column_chains(self) -> list[list[tuple[int, int]]]:
        """The chains of each column, see `ArrayPass.column_chains`."""
        return self.array_pass.column_chains(self.config.array)

    @property
    def column_groups(self) -> int:
        """Groups of neighbouring columns that share a row of psums."""
        used = max(x for x, chains in enumerate(self.column_chains) if chains) + 1
        return -(-used // self.config.psums_per_row)

    @property
    def position_rows(self) -> int:
        """Rows of psums of one position of a pass."""
        chains = self.array_pass.chains(self.config.array)
        return chains * self.mapping.p * self.column_groups

    @property
    def pass_rows(self) -> int:
        """Rows of psums of a pass."""
        return self.layer.f * self.position_rows

    @property
    def block_rows(self) -> int:
        """Rows of psums that wait in the global buffer from one sum step to the next."""
        if self.sums == 1:
            return 0
        return self.filter_groups(0) * self.mapping.n * self.pass_rows

    @property
    def bias_rows(self) -> int:
        """Rows of bias in the global buffer."""
        if not self.bias:
            return 0
        groups = sum(self.filter_groups(block) for block in range(self.blocks))
        return self.layer.groups * groups * self.position_rows

    @property
    def tile_banks(self) -> int:
        """Banks of one tile."""
        return -(-self.tile_rows // self.config.bank_rows)

    @property
    def psum_banks(self) -> int:
        """Banks of psums and bias."""
        return -(-(self.block_rows + self.bias_rows) // self.config.bank_rows)

    @property
    def double(self) -> bool:
        """Whether two tiles fit the global buffer."""
        return 2 * self.tile_banks + self.psum_banks <= self.config.banks

    # What the host writes

    def registers(self) -> dict[str, int]:
        """Return the registers of the layer by name."""
        a, layer, k = self.array_pass, self.layer, self.mapping
        array, bank_rows = self.config.array, self.config.bank_rows
        of_pass = a.row.fields(self.config.design.pe)
        first_psum = (2 if self.double else 1) * self.tile_banks * bank_rows
        first_bias = first_psum + self.block_rows
        requantization = self.requantization or Requantization()
        return {
            f"pass_{name}": value
            for name, value in of_pass.items()
            if name not in ("load_filters", "accumulate")
        } | {
            "last_group": layer.groups - 1,
            "last_block": self.blocks - 1,
            "last_spot": self.spots - 1,
            "last_sum": self.sums - 1,
            "last_filter_group": self.filter_groups(0) - 1,
            "last_filter_group_at_end": self.filter_groups(self.blocks - 1) - 1,
            "last_image": k.n - 1,
            "resident": int(self.passes.resident),
            "keep_tile": int(self.keep_tile),
            "bias": int(self.bias),
            "double": int(self.double),
            "last_filter_inner": a.row.filter_words - 1,
            "last_filter_outer": -(-a.filter_targets // array.filter_lanes) - 1,
            "filter_base": a.height,
            "filter_limit": a.filter_sets,
            "last_ifmap_inner": self.ifmap_beats - 1,
            "last_ifmap_outer": a.row.ifmap_words - 1,
            "ifmap_base": a.channel_sets,
            "ifmap_limit": a.strip_rows,
            "last_tile": self.tiles - 1,
            "last_tile_row": self.tile_rows - 1,
            "last_image_row": self.image_rows - 1,
            "second_tile": self.tile_banks * bank_rows if self.double else 0,
            "first_psum": first_psum if self.block_rows else 0,
            "last_psum": first_bias - 1 if self.block_rows else 0,
            "first_bias": first_bias if self.bias else 0,
            "last_bias": first_bias + self.bias_rows - 1 if self.bias else 0,
            "last_pass_row": self.pass_rows - 1,
            "position_rows": self.position_rows,
            "last_position": layer.f - 1,
            "last_chain": a.chains(array) - 1,
            "last_filter": k.p - 1,
            "last_columns": self.column_groups - 1,
            "requantize": int(self.requantization is not None),
            "relu": int(requantization.relu),
            "scale": requantization.scale,
            "shift": requantization.shift,
        }

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
    def code_bits(self) -> int:
        """Bits of one output on its stream."""
        if self.requantization is None:
            return self.config.design.pe.psum_width
        return self.config.kind.activation.bits

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

    def count_arguments(self) -> dict[str, Any]:
        """Return what `accelerator_counts` wants to know besides the layer."""
        config, k, pe = self.config, self.mapping, self.config.design.pe
        array, output = config.array, config.psums_per_row * self.code_bits
        return {
            "rows": array.rows,
            "cols": array.cols,
            "row_bits": config.row_bits,
            "row_cycles": config.row_bits // config.off_chip_bits,
            "banks": config.banks,
            "bank_rows": config.bank_rows,
            "queue_rows": config.queue_rows,
            "filter_lanes": array.filter_lanes,
            "ifmap_lanes": array.ifmap_lanes,
            "weight_bits": config.kind.weight.bits,
            "activation_bits": config.kind.activation.bits,
            "psum_bits": pe.psum_width,
            "ifmap_spad": pe.ifmap_spad,
            "interval": pe.psum_interval(k.p),
            "write_stage": pe.write_stage,
            "link_cycles": array.link_cycles,
            "memory_latency": config.memory_latency,
            **{name: getattr(k, name) for name in "mnepqrt"},
            "terms": self.terms,
            "bias": self.bias,
            "psum_queue": config.queue_psums,
            "output_row_bits": None if self.requantization is None else output,
        }

    def counts(self) -> AcceleratorCounts:
        """Return cycles and traffic as the closed forms have them."""
        return accelerator_counts(self.layer, **self.count_arguments())


def _pack(words: Sequence[int], bits: int) -> int:
    """Return words side by side, the first one lowest."""
    return sum(word << lane * bits for lane, word in enumerate(words))


def _rows(words: Sequence[int], bits: int, each: int) -> list[int]:
    """Return rows of `each` words."""
    return [_pack(words[start : start + each], bits) for start in range(0, len(words), each)]
