"""What a row-stationary array is: a PE point, rows and columns, and the width of its networks.

The layouts of the words on its streams follow from it and stand here, so that hardware, passes and
benches share them.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.lib import data
from amaranth.utils import ceil_log2

from ..config import PEConfig, config_digest
from ..errors import ConfigError
from ..pe.pe_type import PEType
from ..pe.registry import PE_TYPES

__all__ = ["RowStationaryConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStationaryConfig:
    """One row-stationary array."""

    pe: PEConfig
    """The PE point of all its PEs."""
    rows: int = 12
    """PE rows, 1 to 256; row 0 is where psums begin."""
    cols: int = 14
    """PE columns, 1 to 256."""
    filter_lanes: int = 1
    """Filter words that enter the array in one cycle, 1 to 64."""
    ifmap_lanes: int = 1
    """Ifmap words that enter the array in one cycle, 1 to 64."""

    def __post_init__(self) -> None:
        if not isinstance(self.pe, PEConfig):
            raise ConfigError(f"pe must be a PEConfig, not {self.pe!r}")
        for field, most in (
            ("rows", 256),
            ("cols", 256),
            ("filter_lanes", 64),
            ("ifmap_lanes", 64),
        ):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise ConfigError(f"{field} must be an integer from 1 to {most}, not {value!r}")

    @property
    def kind(self) -> PEType:
        """The PE type."""
        return PE_TYPES[self.pe.pe_type]

    @property
    def link_cycles(self) -> int:
        """Cycles a psum takes through one PE on its way up a column."""
        return self.kind.accumulator.stages if self.kind.accumulator else 1

    @property
    def row_tag_bits(self) -> int:
        """Width of a row tag [bits]."""
        return (self.rows - 1).bit_length()

    @property
    def col_tag_bits(self) -> int:
        """Width of a column tag [bits]; there are at most as many targets as PEs."""
        return (self.rows * self.cols - 1).bit_length()

    def words(self, network: str, *, decoded: bool = True) -> data.ArrayLayout:
        """Return the lanes of the `filter` or the `ifmap` network: words and their tags, as PEs
        see them or as they come to decoders at the edge."""
        filters = network == "filter"
        fmt = self.kind.weight if filters else self.kind.activation
        operand_bits = self.pe.weight_bits if filters else self.pe.activation_bits
        word = data.StructLayout(
            {
                "there": 1,
                "row": self.row_tag_bits,
                "col": self.col_tag_bits,
                "word": operand_bits if decoded else fmt.bits,
            }
        )
        return data.ArrayLayout(word, self.filter_lanes if filters else self.ifmap_lanes)

    def kept(self, network: str) -> data.ArrayLayout:
        """Return what a row keeps of a beat for its PEs: words without tags."""
        words = self.words(network)
        return data.ArrayLayout(words.elem_shape["word"].shape, words.length)

    def beat(self, network: str) -> data.StructLayout:
        """Return what enters a network in one cycle; `last` marks the last beat of a pass."""
        return data.StructLayout({"words": self.words(network, decoded=False), "last": 1})

    @property
    def pe_setup(self) -> data.StructLayout:
        """What a PE is told once for all passes of a mapping."""
        return data.StructLayout(
            {
                "active": 1,
                "bottom": 1,  # first PE of a chain
                "top": 1,  # last PE of a chain
                "last": 1,  # the chain is the last one of its column
                "chain": self.row_tag_bits,  # place of the chain in its column
                "filter_lane": ceil_log2(self.filter_lanes),
                "filter_col": self.col_tag_bits,
                "ifmap_lane": ceil_log2(self.ifmap_lanes),
                "ifmap_col": self.col_tag_bits,
            }
        )

    @property
    def row_setup(self) -> data.StructLayout:
        """What a row is told once for all passes of a mapping: its tags on the two networks."""
        return data.StructLayout({"filter": self.row_tag_bits, "ifmap": self.row_tag_bits})

    @property
    def setup_bits(self) -> int:
        """Width of a word of the set-up chain [bits]."""
        return max(int(self.pe_setup.size), int(self.row_setup.size))

    @property
    def setup_words(self) -> int:
        """Words, and cycles, that set up the array for a mapping."""
        return self.rows * (self.cols + 1)

    @property
    def name(self) -> str:
        """Name of the array's top module."""
        return f"row_stationary_{self.pe.pe_type}_{self.rows}x{self.cols}"

    def digest(self) -> str:
        """Return the digest that identifies this array."""
        return config_digest(self)
