# amaranth: UnusedElaboratable=no
"""The processing element: datapath, three scratchpads and control, put together.

Streams (valid/ready): `config` starts a pass, `filter` and `ifmap` bring words, `psum_in` and
`psum_out` pass psums.  The order of words is that of `row_pass.RowPass`.  A scratchpad of kind
`macro` appears as `MemoryPort`s: `filter_memory0`, `ifmap_memory0`, `psum_memory0`/`1`.  PE types
with shared scales have a second psum scratchpad, for the exact sums of blocks: `block`.
"""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import PEConfig
from .block_datapath import BlockDatapath
from .control import Control, PassLayout
from .datapath import Datapath
from .part import Part, instantiate, part_verilog, to_verilog
from .registry import PE_TYPES
from .spad import MacroSpad, MemoryPort, make_spad

__all__ = ["PE", "pe_modules"]


class PE(wiring.Component):
    """One PE point in hardware."""

    def __init__(self, config: PEConfig) -> None:
        self.point = config
        kind, width = PE_TYPES[config.pe_type], config.psum_width
        bits = {"ifmap": config.activation_bits, "filter": config.weight_bits, "psum": width}
        self.control = Control(config)
        self.datapath: Part = Datapath(config)
        if kind.scaling is not None:
            self.datapath = BlockDatapath(config)
            bits["block"] = kind.scaling.block_bits
        self.spads = {}
        for name, word_bits in bits.items():
            like = "psum" if name == "block" else name
            self.spads[name] = make_spad(
                getattr(config, f"{like}_spad_kind"),
                getattr(config, f"{like}_spad"),
                word_bits,
                banks=2 if like == "psum" else 1,
            )
        ports: dict[str, wiring.Member] = {
            "config": In(stream.Signature(PassLayout(config))),
            "filter": In(stream.Signature(bits["filter"])),
            "ifmap": In(stream.Signature(bits["ifmap"])),
            "psum_in": In(stream.Signature(width)),
            "psum_out": Out(stream.Signature(width)),
            "busy": Out(1),
        }
        for name, spad in self.spads.items():
            if isinstance(spad, MacroSpad):
                for bank in range(spad.banks):
                    ports[f"{name}_memory{bank}"] = Out(MemoryPort(spad.bank_words, spad.bits))
        super().__init__(ports)

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by the name of their instance."""
        spads = {f"{name}_spad": spad for name, spad in self.spads.items()}
        return {"datapath": self.datapath, **spads, "control": self.control}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, part in self.parts.items():
            m.submodules[name] = instantiate(part)
        control, path = self.control, self.datapath
        for name in ("config", "filter", "ifmap", "psum_in"):
            port = getattr(self, name)
            m.d.comb += getattr(control, f"{name}_valid").eq(port.valid)
            m.d.comb += port.ready.eq(getattr(control, f"{name}_ready"))
        m.d.comb += [
            control.config_payload.eq(self.config.payload),
            control.psum_out_ready.eq(self.psum_out.ready),
            self.psum_out.valid.eq(control.psum_out_valid),
            self.psum_out.payload.eq(path.psum),
            self.busy.eq(control.busy),
        ]
        for name, spad in self.spads.items():
            for port in ("write_en", "write_addr", "read_en", "read_addr"):
                m.d.comb += getattr(spad, port).eq(getattr(control, f"{name}_{port}"))
            if isinstance(spad, MacroSpad):
                m.d.comb += spad.step.eq(control.step)
                for bank in range(spad.banks):
                    inner = getattr(spad, f"memory{bank}")
                    connect(m, inner, flipped(getattr(self, f"{name}_memory{bank}")))
        m.d.comb += [
            self.spads["filter"].write_data.eq(self.filter.payload),
            self.spads["ifmap"].write_data.eq(self.ifmap.payload),
            self.spads["psum"].write_data.eq(path.psum),
            path.weight.eq(self.spads["filter"].read_data),
            path.activation.eq(self.spads["ifmap"].read_data),
            path.stored_psum.eq(self.spads["psum"].read_data),
            path.psum_in.eq(self.psum_in.payload),
        ]
        enables = ["begin_en", "begin_zero", "product_en", "first", "sum_en"]
        if "block" in self.spads:
            enables += ["opens", "scale", "block_en", "convert_en"]
            m.d.comb += [
                self.spads["block"].write_data.eq(path.block),
                path.stored_block.eq(self.spads["block"].read_data),
            ]
        for name in enables:
            m.d.comb += getattr(path, name).eq(getattr(control, name))
        return m


def pe_modules(pe: PE) -> tuple[str, dict[str, str]]:
    """Return the name of the top module and the Verilog of every module of a PE, top last."""
    modules = {part.module_name: part_verilog(part) for part in pe.parts.values()}
    top = f"pe_{pe.point.pe_type}"
    modules[top] = to_verilog(pe, top)
    return top, modules
