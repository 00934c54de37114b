"""How a layer stands in the global buffer, and what the registers say of it.

Sizes are in rows (`hw.accelerator_config`).  What does not fit, or what no register can hold, is
refused by name; cycles and traffic follow from the same sizes (`hw.accelerator_counts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .accelerator_config import HardwareConfig
from .accelerator_counts import AcceleratorCounts, accelerator_counts
from .array.row_stationary_layer import LayerPasses
from .array.row_stationary_pass import ArrayPass
from .errors import ConfigError
from .formats import Float
from .layer import Layer
from .mapping import Mapping
from .shell.registers import LayerLayout

__all__ = ["LayerRows", "Requantization"]


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
class LayerRows:
    """One layer under one mapping on one accelerator: sizes, places and registers."""

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

    # Registers

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

    @property
    def code_bits(self) -> int:
        """Bits of one output on its stream."""
        if self.requantization is None:
            return self.config.design.pe.psum_width
        return self.config.kind.activation.bits

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
