"""The control: counters, the circular ifmap window, and the tags that follow each product.

A pass runs LOAD (filter words in, if asked for), RUN (issue slots), DRAIN (pipeline empties).  The
ifmap scratchpad is a circular buffer that takes words whenever it has room, also ahead of the pass
that needs them.  Each issue slot puts a tag into a pipeline that moves while `step` is high:

    0 ... S   reads of weight and activation; operands are registered after stage S - 1
    A         the sum is formed (A = S + depth - 1); the incoming psum was taken in stage A - 1
    W = A + 1 the new psum is written to the scratchpad or leaves on the stream

`step` falls where an incoming psum is missing or an outgoing one is not taken.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import PEConfig
from .part import Part
from .spad import read_latency

__all__ = ["Control", "PassLayout"]

Tag = dict[str, Value]
"""What a pipeline stage knows of the slot it holds."""


class PassLayout(data.StructLayout):
    """The configuration word of a pass; counts are stored less one, `step` as it is."""

    def __init__(self, config: PEConfig) -> None:
        super().__init__(
            {
                "filters": ceil_log2(config.psum_spad),
                "slots": (config.psum_interval(config.psum_spad) - 1).bit_length(),
                "window": ceil_log2(config.ifmap_spad),
                "step": config.ifmap_spad.bit_length(),
                "positions": 16,
                "load_filters": 1,
                "accumulate": 1,
            }
        )


class Control(Part):
    """Sequencer of one PE point; its module depends on sizes, latencies and depth only."""

    def __init__(self, config: PEConfig) -> None:
        self.config = config
        self.operands, self.sum = config.operand_stage, config.sum_stage
        self.psum_read = self.sum - read_latency(config.psum_spad_kind)
        self.filter_read = self.operands - read_latency(config.filter_spad_kind)
        self.ifmap_read = self.operands - read_latency(config.ifmap_spad_kind)
        self.single_port = config.ifmap_spad_kind == "macro"
        sizes = f"{config.ifmap_spad}_{config.filter_spad}_{config.psum_spad}"
        stages = f"{self.filter_read}{self.ifmap_read}{self.psum_read}{self.operands}{self.sum}"
        self.module_name = f"control_{sizes}_s{stages}{'_sp' if self.single_port else ''}"
        ifmap, filters, psum = (
            ceil_log2(n) for n in (config.ifmap_spad, config.filter_spad, config.psum_spad)
        )
        handshakes: dict[str, wiring.Member] = {}
        for name in ("config", "filter", "ifmap", "psum_in"):
            handshakes |= {f"{name}_valid": In(1), f"{name}_ready": Out(1)}
        super().__init__(
            handshakes
            | {
                "config_payload": In(PassLayout(config)),
                "psum_out_valid": Out(1),
                "psum_out_ready": In(1),
                "busy": Out(1),
                "step": Out(1),
                "filter_write_en": Out(1),
                "filter_write_addr": Out(filters),
                "filter_read_en": Out(1),
                "filter_read_addr": Out(filters),
                "ifmap_write_en": Out(1),
                "ifmap_write_addr": Out(ifmap),
                "ifmap_read_en": Out(1),
                "ifmap_read_addr": Out(ifmap),
                "psum_write_en": Out(1),
                "psum_write_addr": Out(psum),
                "psum_read_en": Out(1),
                "psum_read_addr": Out(psum),
                "begin_en": Out(1),
                "begin_zero": Out(1),
                "product_en": Out(1),
                "first": Out(1),
                "sum_en": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.config
        setting = Signal(PassLayout(c))
        step = self.step

        # Issue: which slot, tap and position is next.
        slot = Signal.like(setting.slots)
        tap = Signal.like(setting.window)
        position = Signal.like(setting.positions)
        filter_addr = Signal.like(self.filter_read_addr)
        issue, word_done, window_done = Signal(), Signal(), Signal()
        last_position = position == setting.positions
        last_tap = tap == setting.window

        # Ifmap window: `unread` words lie ahead of the read pointer, `live` words occupy room.
        write_ptr = Signal.like(self.ifmap_write_addr)
        read_ptr = Signal.like(self.ifmap_read_addr)
        base_ptr = Signal.like(self.ifmap_read_addr)
        unread = Signal(range(c.ifmap_spad + 1))
        live = Signal(range(c.ifmap_spad + 1))
        word_dies = Signal()
        window_size = Signal(range(c.ifmap_spad + 1))
        m.d.comb += [
            window_size.eq(setting.window + 1),
            self.ifmap_ready.eq(live != c.ifmap_spad),
            self.ifmap_write_en.eq(self.ifmap_valid & self.ifmap_ready),
            self.ifmap_write_addr.eq(write_ptr),
            word_dies.eq(word_done & ((tap < setting.step) | last_position)),
        ]
        if self.single_port:
            m.d.comb += self.ifmap_ready.eq((live != c.ifmap_spad) & ~self.ifmap_read_en)
        m.d.sync += live.eq(live + self.ifmap_write_en - word_dies)
        comes_back = Mux(window_done & ~last_position, window_size - setting.step, 0)
        m.d.sync += unread.eq(unread + self.ifmap_write_en - word_done + comes_back)
        with m.If(self.ifmap_write_en):
            m.d.sync += write_ptr.eq(_wrap(write_ptr + 1, c.ifmap_spad))
        with m.If(window_done):
            forward = Mux(last_position, window_size, setting.step)
            start = _wrap(base_ptr + forward, c.ifmap_spad)
            m.d.sync += [base_ptr.eq(start), read_ptr.eq(start)]
        with m.Elif(word_done):
            m.d.sync += read_ptr.eq(_wrap(read_ptr + 1, c.ifmap_spad))

        with m.If(word_done):
            m.d.sync += [slot.eq(0), tap.eq(Mux(last_tap, 0, tap + 1))]
        with m.Elif(issue & step):
            m.d.sync += slot.eq(slot + 1)
        with m.If(window_done):
            m.d.sync += [position.eq(position + 1), filter_addr.eq(0)]
        real = slot <= setting.filters
        with m.Elif(issue & step & real):
            m.d.sync += filter_addr.eq(filter_addr + 1)
        m.d.comb += [
            word_done.eq(issue & step & (slot == setting.slots)),
            window_done.eq(word_done & last_tap),
        ]

        tags = self._tags(m, issue & real, slot, tap == 0, last_tap, filter_addr, read_ptr)
        self._parts(m, tags, setting)

        drained = ~tags[self.sum + 1]["valid"]
        for tag in tags[1 : self.sum + 1]:
            drained &= ~tag["valid"]
        write_addr = Signal.like(self.filter_write_addr)
        m.d.comb += self.filter_write_addr.eq(write_addr)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [position.eq(0), filter_addr.eq(0), write_addr.eq(0)]
                with m.If(self.config_valid):
                    m.d.sync += [setting.eq(self.config_payload), tap.eq(0), slot.eq(0)]
                    m.next = "RUN"
                    with m.If(self.config_payload.load_filters):
                        m.next = "LOAD"
            # Taps and filters are counted by the issue counters, which are idle while loading.
            with m.State("LOAD"), m.If(self.filter_valid):
                m.d.sync += [write_addr.eq(write_addr + 1), slot.eq(slot + 1)]
                with m.If(slot == setting.filters):
                    m.d.sync += [slot.eq(0), tap.eq(tap + 1)]
                    with m.If(last_tap):
                        m.d.sync += tap.eq(0)
                        m.next = "RUN"
            with m.State("RUN"), m.If(window_done & last_position):
                m.next = "DRAIN"
            with m.State("DRAIN"), m.If(drained):
                m.next = "IDLE"
        # Assigned outside of the states: Icarus leaves a process that reads nothing but the state
        # unevaluated until the state changes.
        m.d.comb += [
            self.config_ready.eq(fsm.ongoing("IDLE")),
            self.busy.eq(~fsm.ongoing("IDLE")),
            self.filter_ready.eq(fsm.ongoing("LOAD")),
            self.filter_write_en.eq(fsm.ongoing("LOAD") & self.filter_valid),
            issue.eq(fsm.ongoing("RUN") & (unread != 0)),
        ]
        return m

    def _tags(
        self,
        m: Module,
        valid: Value,
        slot: Signal,
        first: Value,
        last: Value,
        filter_addr: Signal,
        read_ptr: Signal,
    ) -> list[Tag]:
        """Return the tags of stages 0 to W; those after 0 are registers moved by `step`."""
        fields: Tag = {
            "valid": valid,
            "psum": slot[: len(self.psum_read_addr)],
            "first": first,
            "last": last,
            "filter": filter_addr,
            "new_word": slot == 0,
            "ifmap": read_ptr,
        }
        tags = [fields]
        for stage in range(1, self.sum + 2):
            tag: Tag = {}
            for name, before in tags[-1].items():
                wanted = {
                    "filter": self.filter_read,
                    "ifmap": self.ifmap_read,
                    "new_word": self.ifmap_read,
                }.get(name, self.sum + 1)
                if stage > wanted:
                    continue
                tag[name] = Signal(len(before), name=f"{name}{stage}", reset_less=name != "valid")
                with m.If(self.step):
                    m.d.sync += tag[name].eq(before)
            tags.append(tag)
        return tags

    def _parts(self, m: Module, tags: list[Tag], setting: Signal) -> None:
        """Drive the other parts from the tags of their stages."""
        step = self.step
        filter_tag, ifmap_tag = tags[self.filter_read], tags[self.ifmap_read]
        read, begin = tags[self.psum_read], tags[self.sum - 1]
        product, total, write = tags[self.sum - 1], tags[self.sum], tags[self.sum + 1]
        needs_psum = begin["valid"] & begin["first"] & setting.accumulate
        leaves = write["valid"] & write["last"]
        held = leaves & ~self.psum_out_ready
        m.d.comb += [
            step.eq(~held & ~(needs_psum & ~self.psum_in_valid)),
            self.psum_in_ready.eq(needs_psum & ~held),
            self.psum_out_valid.eq(leaves & ~(needs_psum & ~self.psum_in_valid)),
            self.filter_read_en.eq(filter_tag["valid"] & step),
            self.filter_read_addr.eq(filter_tag["filter"]),
            self.ifmap_read_en.eq(ifmap_tag["valid"] & ifmap_tag["new_word"] & step),
            self.ifmap_read_addr.eq(ifmap_tag["ifmap"]),
            self.psum_read_en.eq(read["valid"] & ~read["first"] & step),
            self.psum_read_addr.eq(read["psum"]),
            self.begin_en.eq(begin["valid"] & begin["first"] & step),
            self.begin_zero.eq(~setting.accumulate),
            self.product_en.eq(product["valid"] & step),
            self.first.eq(total["first"]),
            self.sum_en.eq(total["valid"] & step),
            self.psum_write_en.eq(write["valid"] & ~write["last"] & step),
            self.psum_write_addr.eq(write["psum"]),
        ]


def _wrap(value: Value, size: int) -> Value:
    """Return `value` modulo `size` for a value below twice the size."""
    return value if size & (size - 1) == 0 else Mux(value >= size, value - size, value)
