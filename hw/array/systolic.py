"""Systolic arrays: what both dataflows have in common.

A systolic array computes products of matrices.  Cell (i, j) stands in row i from the top and column
j from the left; whole vectors come in at the ports, and registers inside the array delay row i and
column j so that everything meets in its cell (skewing).  A cell has no scratchpads: of its PE point
count the PE type, the psum width, the pipeline depth and the place of the decoders; `edge` puts one
decoder at each row and column in place of one in each cell.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import PEConfig, config_digest
from ..errors import ConfigError, nearest
from ..pe.pe_type import PEType
from ..pe.registry import PE_TYPES

__all__ = ["COUNTER_BITS", "DATAFLOWS", "SystolicConfig", "zero_activation"]

DATAFLOWS = ("weight_stationary", "output_stationary")
COUNTER_BITS = 20
"""Width of the counters of vectors and steps of a pass [bits]."""


def zero_activation(kind: PEType) -> int | None:
    """Return the activation code whose products add nothing to any psum, None without one.

    Logarithmic and binary activations have no zero; that of a floating-point type makes NaN with
    an infinite weight.
    """
    if kind.accumulator is not None or kind.channel_lanes > 1:
        return None
    code = int(kind.activation.encode(0.0))
    return code if kind.activation.decode_exact(code) == 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystolicConfig:
    """One systolic array."""

    pe: PEConfig
    """PE point; its scratchpads are not used."""
    dataflow: str
    """`weight_stationary` or `output_stationary`."""
    rows: int = 16
    """Rows, 1 to 256."""
    cols: int = 16
    """Columns, 1 to 256."""

    def __post_init__(self) -> None:
        if not isinstance(self.pe, PEConfig):
            raise ConfigError(f"pe must be a PEConfig, not {self.pe!r}")
        if self.dataflow not in DATAFLOWS:
            raise ConfigError(
                f"dataflow must be {nearest(self.dataflow, DATAFLOWS)}, not {self.dataflow!r}"
            )
        for field in ("rows", "cols"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 256:
                raise ConfigError(f"{field} must be an integer from 1 to 256, not {value!r}")
        if self.kind.scaling is not None:
            raise ConfigError(
                f"pe_type of a systolic array must have no shared scales, not {self.kind.name!r}"
            )

    @property
    def kind(self) -> PEType:
        """The PE type."""
        return PE_TYPES[self.pe.pe_type]

    @property
    def adder_cycles(self) -> int:
        """Cycles from a psum to the next one in the same chain of sums."""
        return self.kind.accumulator.stages if self.kind.accumulator else 1

    @property
    def masked(self) -> bool:
        """Whether each activation has a bit that says if it is there, for want of a zero."""
        return zero_activation(self.kind) is None

    @property
    def activation_word(self) -> int:
        """Width of an activation at the port [bits], its mask bit on top."""
        return self.kind.activation.bits + self.masked

    @property
    def pass_layout(self) -> data.StructLayout:
        """The configuration word of a pass; counts are stored less one."""
        sizes = {
            # activation vectors, and weight vectors to load before them
            "weight_stationary": {"vectors": COUNTER_BITS, "weights": ceil_log2(self.rows)},
            # steps, and rows whose psums come in and leave
            "output_stationary": {"steps": COUNTER_BITS, "rows": ceil_log2(self.rows)},
        }
        # `accumulate`: psums begin with vectors of `psum_in`, not with zero
        return data.StructLayout(sizes[self.dataflow] | {"accumulate": 1})

    @property
    def ports(self) -> dict[str, wiring.Member]:
        """The ports of the array: one element of a vector for each row or column."""
        psums = stream.Signature(data.ArrayLayout(self.pe.psum_width, self.cols))
        return {
            "config": In(stream.Signature(self.pass_layout)),
            "weights": In(stream.Signature(data.ArrayLayout(self.kind.weight.bits, self.cols))),
            "activations": In(stream.Signature(data.ArrayLayout(self.activation_word, self.rows))),
            "psum_in": In(psums),
            "psum_out": Out(psums),
            "busy": Out(1),
        }

    @property
    def name(self) -> str:
        """Name of the array's top module."""
        return f"{self.dataflow}_{self.pe.pe_type}_{self.rows}x{self.cols}"

    def digest(self) -> str:
        """Return the digest that identifies this array."""
        return config_digest(self)
