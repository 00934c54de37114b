"""The register file: what a layer is to the accelerator.

Registers are written one after the other through a stream of address and data, while the
accelerator is idle; they keep their values from layer to layer.  Three addresses are no registers:
`setup` shifts a word into the array's set-up chain, `chains` one column's number of chains into the
columns' chain (last column first), `start` starts the layer.  Fields named `last_` hold a number
less one.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..accelerator_config import HardwareConfig
from ..pe.control import PassLayout

__all__ = ["ACTIONS", "LayerLayout", "RegisterFile", "register_map", "write_layout"]

ACTIONS = ("setup", "chains", "start")
"""Addresses that do something, after those of the registers."""

_IN_CONFIG = ("load_filters", "accumulate")
"""Fields of a pass that the sequencer decides."""


class LayerLayout(data.StructLayout):
    """All registers; `hw.layer_program` says what goes into them."""

    def __init__(self, config: HardwareConfig) -> None:
        array, address = config.array, ceil_log2(config.banks * config.bank_rows)
        of_pass = {
            f"pass_{name}": field.width
            for name, field in PassLayout(config.design.pe)
            if name not in _IN_CONFIG
        }
        super().__init__(
            of_pass
            | {
                # The loop nest, outermost first; the last block of filters may be smaller.
                "last_group": 16,
                "last_block": 16,
                "last_spot": 16,
                "last_sum": 16,
                "last_filter_group": 16,
                "last_filter_group_at_end": 16,
                "last_image": 16,
                "resident": 1,  # filters are loaded once for a group
                "keep_tile": 1,  # the ifmap tile stays for all blocks of a group
                "bias": 1,
                "double": 1,  # room for two ifmap tiles
                # Beats of the networks: an inner and an outer loop, and their tags.
                "last_filter_inner": 24,
                "last_filter_outer": 16,
                "filter_base": array.row_tag_bits + 1,
                "filter_limit": array.col_tag_bits + 1,
                "last_ifmap_inner": 16,
                "last_ifmap_outer": 24,
                "ifmap_base": array.row_tag_bits + 1,
                "ifmap_limit": array.col_tag_bits + 1,
                # Rows of the global buffer.
                "last_tile": 24,
                "last_tile_row": address,
                "last_image_row": address,
                "second_tile": address,
                "first_bias": address,
                "last_bias": address,
                "first_psum": address,
                "last_psum": address,
                # Rows of psums: positions, chains of a column, filters, groups of columns.
                "last_pass_row": 24,
                "position_rows": 16,
                "last_position": 16,
                "last_chain": array.row_tag_bits,
                "last_filter": 16,
                "last_columns": ceil_log2(max(2, array.cols)),
                # Requantization.
                "requantize": 1,
                "relu": 1,
                "scale": 16,
                "shift": 6,
            }
        )


def register_map(config: HardwareConfig) -> dict[str, int]:
    """Return the address of each register and action."""
    names = [name for name, _ in LayerLayout(config)]
    return {name: address for address, name in enumerate([*names, *ACTIONS])}


def write_layout(config: HardwareConfig) -> data.StructLayout:
    """Return the layout of one write."""
    return data.StructLayout(
        {
            "address": ceil_log2(len(register_map(config))),
            "data": max(32, config.array.setup_bits),
        }
    )


class RegisterFile(wiring.Component):
    """Holds the registers and sends the actions on."""

    def __init__(self, config: HardwareConfig) -> None:
        self.config = config
        chains = config.array.rows.bit_length()
        super().__init__(
            {
                "write": In(stream.Signature(write_layout(config))),
                "busy": In(1),
                "layer": Out(LayerLayout(config)),
                "chains": Out(data.ArrayLayout(chains, config.array.cols)),
                "setup": Out(stream.Signature(config.array.setup_bits)),
                "start": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, taken = self.write.payload, Signal()
        addresses = register_map(self.config)
        is_setup = word.address == addresses["setup"]
        held, chains = (Signal.like(value, reset_less=True) for value in (self.layer, self.chains))
        m.d.comb += [
            self.layer.eq(held),
            self.chains.eq(chains),
            self.write.ready.eq(~self.busy & (~is_setup | self.setup.ready)),
            taken.eq(self.write.valid & self.write.ready),
            self.setup.valid.eq(self.write.valid & ~self.busy & is_setup),
            self.setup.payload.eq(word.data),
            self.start.eq(taken & (word.address == addresses["start"])),
        ]
        with m.If(taken), m.Switch(word.address):
            for name, _ in LayerLayout(self.config):
                with m.Case(addresses[name]):
                    m.d.sync += held[name].eq(word.data)
            with m.Case(addresses["chains"]):
                width = self.config.array.rows.bit_length()
                shifted = (chains.as_value() << width) | word.data[:width]
                m.d.sync += chains.as_value().eq(shifted)
        return m
