"""Configurations: a PE point (`PEConfig`) and a design point (`AcceleratorConfig`).

Both are frozen, validated on construction, varied with `dataclasses.replace` and identified by
`digest()`, which is the same on every machine and under every hash seed.  Values that follow from
others (psum width, words per pass) are properties and stored nowhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, nearest

if TYPE_CHECKING:
    from .pe.pe_type import PEType

__all__ = ["PSUM_DEPTH", "SPAD_KINDS", "AcceleratorConfig", "PEConfig", "config_digest"]

SPAD_KINDS = ("flipflop", "latch", "macro")
PSUM_DEPTH = 4608
"""Accumulations an exact psum holds by default: 3 x 3 x 512, the deepest VGG-16 filter."""


def config_digest(config: Any) -> str:
    """Return the SHA-256 (first 16 hex digits) of a configuration dataclass."""
    text = json.dumps(dataclasses.asdict(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_int(owner: object, field: str, low: int, high: int) -> None:
    value = getattr(owner, field)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{field} must be an integer from {low} to {high}, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PEConfig:
    """One PE point: the PE type, its three scratchpads, its psum width and its pipeline depth."""

    pe_type: str
    """Name of a registered PE type (`hw.pe.registry`)."""
    ifmap_spad: int = 12
    """Ifmap scratchpad [words of the activation format], 2 to 1,024."""
    filter_spad: int = 224
    """Filter scratchpad [words of the weight format], 2 to 4,096."""
    psum_spad: int = 24
    """Psum scratchpad [words of the psum width], 2 to 1,024."""
    ifmap_spad_kind: str = "flipflop"
    """Storage of the ifmap scratchpad: `flipflop`, `latch` or `macro`."""
    filter_spad_kind: str = "flipflop"
    """Storage of the filter scratchpad."""
    psum_spad_kind: str = "flipflop"
    """Storage of the psum scratchpad."""
    psum_bits: int | None = None
    """Psum width [bits]; None is exact for `psum_depth` products, less than that saturates."""
    psum_depth: int = PSUM_DEPTH
    """Accumulations for which an exact psum cannot overflow, 1 to 1,048,576."""
    pipeline_depth: int | None = None
    """Register stages of product and sum: 1 (in one cycle), 2 (a register between them) or 3 (one
    more inside the product); None is the PE type's own."""
    decoders: str = "pe"
    """Where codes are decoded: `pe`, or `edge` (of the array; operands are stored decoded)."""

    def __post_init__(self) -> None:
        from .pe.registry import PE_TYPES

        if not isinstance(self.pe_type, str) or self.pe_type not in PE_TYPES:
            raise ConfigError(
                f"pe_type must be {nearest(self.pe_type, PE_TYPES)}, not {self.pe_type!r}"
            )
        _check_int(self, "ifmap_spad", 2, 1024)
        _check_int(self, "filter_spad", 2, 4096)
        _check_int(self, "psum_spad", 2, 1024)
        for field in ("ifmap_spad_kind", "filter_spad_kind", "psum_spad_kind"):
            kind = getattr(self, field)
            if kind not in SPAD_KINDS:
                raise ConfigError(f"{field} must be {nearest(kind, SPAD_KINDS)}, not {kind!r}")
        _check_int(self, "psum_depth", 1, 1 << 20)
        kind = self._type
        if self.pipeline_depth is not None:
            _check_int(self, "pipeline_depth", 1, 3)
        if self.psum_bits is not None:
            if kind.accumulator is not None:
                raise ConfigError(
                    f"psum_bits must be left out for {kind.name}, whose psums have "
                    f"{kind.accumulator.bits} bits, not {self.psum_bits!r}"
                )
            _check_int(self, "psum_bits", kind.min_psum_bits, 64)
        places = ("pe", "edge") if kind.weight_decoder or kind.activation_decoder else ("pe",)
        if self.decoders not in places:
            raise ConfigError(
                f"decoders of {kind.name} must be {' or '.join(places)}, not {self.decoders!r}"
            )

    @property
    def _type(self) -> PEType:
        from .pe.registry import PE_TYPES

        return PE_TYPES[self.pe_type]

    @property
    def depth(self) -> int:
        """Pipeline depth, the PE type's own where the point names none."""
        return self._type.pipeline_depth if self.pipeline_depth is None else self.pipeline_depth

    @property
    def weight_bits(self) -> int:
        """Width of a filter word in the PE [bits]."""
        kind = self._type
        edge = self.decoders == "edge" and kind.weight_decoder
        return edge.bits if edge else kind.weight.bits

    @property
    def activation_bits(self) -> int:
        """Width of an ifmap word in the PE [bits]."""
        kind = self._type
        edge = self.decoders == "edge" and kind.activation_decoder
        return edge.bits if edge else kind.activation.bits

    @property
    def exact_psum_bits(self) -> int:
        """Width of one psum that cannot overflow in `psum_depth` accumulations [bits]."""
        if self._type.accumulator is not None:
            return self._type.accumulator.bits
        products = self.psum_depth * self._type.terms
        return self._type.product_bits + (products - 1).bit_length()

    @property
    def lane_width(self) -> int:
        """Width of one psum [bits]."""
        return self.exact_psum_bits if self.psum_bits is None else self.psum_bits

    @property
    def psum_width(self) -> int:
        """Width of a stored psum word [bits]: the psums of all filter lanes."""
        return self.lane_width * self._type.filter_lanes

    @property
    def saturating(self) -> bool:
        """Whether accumulation can reach the ends of the psum range and stays there."""
        return self.lane_width < self.exact_psum_bits

    @property
    def operand_stage(self) -> int:
        """Pipeline stage in which both operands are registered; slots are issued in stage 0."""
        kinds = (self.ifmap_spad_kind, self.filter_spad_kind)
        read = 2 if "macro" in kinds else 1
        return max(read, self._psum_read_cycles - self.depth + 1)

    @property
    def product_stage(self) -> int:
        """Pipeline stage in which the product is there; products of a block are added up in it."""
        return self.operand_stage + self.depth - 1

    @property
    def sum_stage(self) -> int:
        """Pipeline stage in which the addition to the psum begins."""
        return self.product_stage + (self._type.scaling is not None)

    @property
    def write_stage(self) -> int:
        """Pipeline stage in which the new psum is written or leaves."""
        accumulator = self._type.accumulator
        return self.sum_stage + (accumulator.stages if accumulator else 1)

    @property
    def pipeline_stages(self) -> int:
        """Cycles in which the pipeline empties after the last slot of a pass."""
        return self.write_stage + 1

    @property
    def psum_latency(self) -> int:
        """Cycles after which a psum can have its next product."""
        if self._type.scaling is not None:  # within a block; scaled sums follow at a distance
            return self._psum_read_cycles + 2
        return self.write_stage - self.sum_stage + self._psum_read_cycles + 1

    @property
    def _psum_read_cycles(self) -> int:
        return 2 if self.psum_spad_kind == "macro" else 1

    def psum_interval(self, filters: int) -> int:
        """Cycles one tap takes for `filters` products; more than `filters` where psums collide.

        Successive products of one tap go to different psums.  A psum may be read again
        `psum_latency` cycles after it was read, and the two single-ported banks of a `macro`
        psum scratchpad are read and written in turn, which needs an even number of slots.
        """
        slots = max(filters, self.psum_latency)
        return slots + slots % 2 if self.psum_spad_kind == "macro" else slots

    def digest(self) -> str:
        """Return the digest that identifies this PE point."""
        return config_digest(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorConfig:
    """One design point: an array of one PE point with its global buffer and its bandwidths."""

    pe: PEConfig
    rows: int = 12
    """PE rows, 1 to 256."""
    cols: int = 14
    """PE columns, 1 to 256."""
    glb_kib: int = 108
    """Global buffer [KiB]: ifmap and psums, and a filter buffer of 8 KiB; 9 to 2,048."""
    glb_bytes_per_cycle: int = 16
    """Width of the port between global buffer and array [byte/cycle], 1 to 256."""
    dram_gb_per_s: float = 12.8
    """Off-chip bandwidth [10^9 byte/s], above 0 up to 1,024."""

    def __post_init__(self) -> None:
        if not isinstance(self.pe, PEConfig):
            raise ConfigError(f"pe must be a PEConfig, not {self.pe!r}")
        _check_int(self, "rows", 1, 256)
        _check_int(self, "cols", 1, 256)
        _check_int(self, "glb_kib", 9, 2048)
        _check_int(self, "glb_bytes_per_cycle", 1, 256)
        value = self.dram_gb_per_s
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1024:
            raise ConfigError(f"dram_gb_per_s must be a number above 0 up to 1024, not {value!r}")

    def digest(self) -> str:
        """Return the digest that identifies this design point."""
        return config_digest(self)
