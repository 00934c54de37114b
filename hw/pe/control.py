"""The control: counters, the circular ifmap window, and the tags that follow each product.

A pass runs LOAD (filter words in, if asked for), RUN (issue slots), DRAIN (pipeline empties).  The
ifmap scratchpad is a circular buffer that takes words whenever it has room, also ahead of the pass
that needs them.  Each issue slot puts a tag into a pipeline that moves while `step` is high; the
stages are those of `PEConfig`: operands are there in `operand_stage`, the product in
`product_stage`, the addition begins in `sum_stage` (the incoming psum was taken the cycle before)
and the new psum is written or leaves in `write_stage`.

`step` falls where an incoming psum is missing or an outgoing one is not taken.

A tap takes at least three slots.  What is asked about a tap is therefore computed ahead, into
registers that are right from its third cycle on, so that long paths end there.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import PEConfig
from .part import Part
from .registry import PE_TYPES
from .spad import read_latency

__all__ = ["Control", "PassLayout"]

Tag = dict[str, Value]
"""What a pipeline stage knows of the slot it holds."""


class PassLayout(data.StructLayout):
    """The configuration word of a pass; `hw.pe.row_pass.RowPass.fields` says what goes into it."""

    def __init__(self, config: PEConfig) -> None:
        kind = PE_TYPES[config.pe_type]
        super().__init__(
            {
                "filters": ceil_log2(config.psum_spad),
                "slots": (config.psum_interval(config.psum_spad) - 1).bit_length(),
                "window": ceil_log2(config.ifmap_spad),
                "step": config.ifmap_spad.bit_length(),
                "positions": 16,
                "filter_words": ceil_log2(config.filter_spad),
                "load_filters": 1,
                "accumulate": 1,
                **({"terms": ceil_log2(kind.terms)} if kind.terms > 1 else {}),
                **({"column": ceil_log2(config.ifmap_spad)} if kind.scaling else {}),
            }
        )


class Control(Part):
    """Sequencer of one PE point; its module depends on sizes, latencies and depth only."""

    def __init__(self, config: PEConfig) -> None:
        self.config = config
        self.kind = PE_TYPES[config.pe_type]
        self.psum_read = config.sum_stage - read_latency(config.psum_spad_kind)
        self.filter_read = config.operand_stage - read_latency(config.filter_spad_kind)
        self.ifmap_read = config.operand_stage - read_latency(config.ifmap_spad_kind)
        self.single_port = config.ifmap_spad_kind == "macro"
        stages = (
            *(self.filter_read, self.ifmap_read, self.psum_read, config.operand_stage),
            *(config.product_stage, config.sum_stage, config.write_stage),
        )
        scale_words = self.kind.scaling.words if self.kind.scaling else 0
        self.module_name = (
            f"control_{config.ifmap_spad}_{config.filter_spad}_{config.psum_spad}"
            f"_s{''.join(map(str, stages))}{'_sp' if self.single_port else ''}"
            f"{f'_t{self.kind.terms}' if self.kind.terms > 1 else ''}"
            f"{f'_b{scale_words}' if scale_words else ''}"
        )
        ports: dict[str, wiring.Member] = {
            "config_payload": In(PassLayout(config)),
            "psum_out_valid": Out(1),
            "psum_out_ready": In(1),
            "busy": Out(1),
            "step": Out(1),
        }
        for name in ("config", "filter", "ifmap", "psum_in"):
            ports |= {f"{name}_valid": In(1), f"{name}_ready": Out(1)}
        sizes = {name: getattr(config, f"{name}_spad") for name in ("filter", "ifmap", "psum")}
        if scale_words:
            sizes["block"] = config.psum_spad
            ports |= {
                "opens": Out(1),
                "scale": Out(ceil_log2(scale_words + 1)),
                "block_en": Out(1),
                "convert_en": Out(1),
            }
        for name, words in sizes.items():
            for port in ("write", "read"):
                ports |= {f"{name}_{port}_en": Out(1), f"{name}_{port}_addr": Out(ceil_log2(words))}
        ports |= {
            "begin_en": Out(1),
            "begin_zero": Out(1),
            "product_en": Out(max(1, config.depth - 1)),
            "first": Out(1),
            "sum_en": Out(config.write_stage - config.sum_stage),
        }
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        setting = Signal(PassLayout(self.config))
        running, begins = Signal(), Signal()
        issue, real, word_done, window_done = (
            Signal(name=name) for name in ("issue", "real", "word_done", "window_done")
        )
        last_position, any_unread = self._ifmap(m, setting, begins, word_done, window_done)
        tag = self._issue(m, setting, begins, issue, real, word_done, window_done)
        tags = self._tags(m, tag)
        if self.kind.scaling is not None:
            self._drive_block(m, tags)
        self._drive(m, tags, setting)

        drained = ~tags[-1]["valid"]
        for stage in tags[1:-1]:
            drained &= ~stage["valid"]
        write_addr = Signal.like(self.filter_write_addr)
        m.d.comb += self.filter_write_addr.eq(write_addr)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += write_addr.eq(0)
                with m.If(self.config_valid):
                    m.d.sync += setting.eq(self.config_payload)
                    m.next = "RUN"
                    with m.If(self.config_payload.load_filters):
                        m.next = "LOAD"
            with m.State("LOAD"), m.If(self.filter_valid):
                m.d.sync += write_addr.eq(write_addr + 1)
                with m.If(write_addr == setting.filter_words):
                    m.next = "RUN"
            with m.State("RUN"), m.If(window_done & last_position):
                m.next = "DRAIN"
            with m.State("DRAIN"), m.If(drained):
                m.next = "IDLE"
        # Assigned outside of the states: Icarus leaves a process that reads nothing but the state
        # unevaluated until the state changes.
        m.d.comb += [
            running.eq(fsm.ongoing("RUN")),
            begins.eq(fsm.ongoing("IDLE")),
            self.config_ready.eq(begins),
            self.busy.eq(~begins),
            self.filter_ready.eq(fsm.ongoing("LOAD")),
            self.filter_write_en.eq(fsm.ongoing("LOAD") & self.filter_valid),
            issue.eq(running & any_unread),
        ]
        return m

    def _ifmap(
        self, m: Module, setting: Signal, begins: Value, word_done: Value, window_done: Value
    ) -> tuple[Value, Value]:
        """Keep the window: `unread` words lie ahead of the read pointer, `live` words take room.

        Returns whether the position is the pass's last, and whether any word is unread.
        """
        size = self.config.ifmap_spad
        position = Signal.like(setting.positions)
        write_ptr, base_ptr = (Signal.like(self.ifmap_write_addr, name=n) for n in ("wp", "bp"))
        self.read_ptr = read_ptr = Signal.like(base_ptr, name="read_ptr")
        unread, live = (Signal(range(size + 1), name=name) for name in ("unread", "live"))
        any_unread, room = Signal(), Signal(init=1)
        self.tap = tap = Signal.like(setting.window, name="tap")

        # Computed ahead, for the end of a tap.
        last_position, tap_dies = Signal(), Signal()
        next_base = Signal.like(base_ptr)
        back = Signal(range(-1, size + 1))  # words that come back at the end of a window, less one
        window = Signal(range(size + 1))
        m.d.comb += window.eq(setting.window + 1)
        m.d.sync += [
            last_position.eq(position == setting.positions),
            tap_dies.eq((tap < setting.step) | last_position),
            next_base.eq(_wrap(base_ptr + Mux(last_position, window, setting.step), size)),
            back.eq(Mux(last_position, 0, window - setting.step) - 1),
        ]

        with m.If(begins):
            m.d.sync += position.eq(0)
        with m.Elif(window_done):
            m.d.sync += position.eq(position + 1)
        m.d.comb += [
            self.ifmap_ready.eq(room & ~self.ifmap_read_en if self.single_port else room),
            self.ifmap_write_en.eq(self.ifmap_valid & self.ifmap_ready),
            self.ifmap_write_addr.eq(write_ptr),
        ]
        # All that may come next is computed before it is known which of it does.
        arrives, dies = self.ifmap_write_en, word_done & tap_dies
        more_live, more_unread = (Signal(range(size + 2), name=n) for n in ("ml", "mu"))
        more_than_one = Signal()
        m.d.comb += [
            more_live.eq(live + arrives),
            more_unread.eq(unread + arrives),
            more_than_one.eq((unread > 1) | arrives),
        ]
        m.d.sync += [
            live.eq(Mux(dies, more_live - 1, more_live)),
            room.eq(dies | (room & ~(arrives & (live == size - 1)))),
            unread.eq(more_unread),
            any_unread.eq(any_unread | arrives),
        ]
        with m.If(window_done):
            m.d.sync += [unread.eq(more_unread + back), any_unread.eq(more_than_one | (back >= 0))]
        with m.Elif(word_done):
            m.d.sync += [unread.eq(more_unread - 1), any_unread.eq(more_than_one)]
        with m.If(self.ifmap_write_en):
            m.d.sync += write_ptr.eq(_wrap(write_ptr + 1, size))
        with m.If(window_done):
            m.d.sync += [base_ptr.eq(next_base), read_ptr.eq(next_base)]
        with m.Elif(word_done):
            m.d.sync += read_ptr.eq(_wrap(read_ptr + 1, size))
        return last_position, any_unread

    def _issue(
        self,
        m: Module,
        setting: Signal,
        begins: Value,
        issue: Signal,
        real: Signal,
        word_done: Signal,
        window_done: Signal,
    ) -> Tag:
        """Count slots, terms and taps; return the tag of the slot being issued."""
        tap, step = self.tap, self.step
        slot = Signal.like(setting.slots)
        filter_addr = Signal.like(self.filter_read_addr)
        last_slot, slots_done, last_term, first_term = Signal(), Signal(), Signal(), Signal()
        first_tap, last_tap, next_tap_last = Signal(), Signal(), Signal()
        m.d.comb += [
            slots_done.eq(issue & step & last_slot),
            word_done.eq(slots_done & last_term),
            window_done.eq(word_done & last_tap),
        ]
        m.d.sync += next_tap_last.eq(tap + 1 == setting.window)
        with m.If(begins | slots_done):
            m.d.sync += [slot.eq(0), last_slot.eq(0), real.eq(1)]
        with m.Elif(issue & step):
            m.d.sync += [slot.eq(slot + 1), last_slot.eq(slot == setting.slots)]
            with m.If(slot == setting.filters):
                m.d.sync += real.eq(0)
        with m.If(begins | window_done):
            m.d.sync += [tap.eq(0), filter_addr.eq(0), first_tap.eq(1)]
        with m.Else():
            with m.If(word_done):
                m.d.sync += [tap.eq(tap + 1), first_tap.eq(0)]
            with m.If(issue & step & real):
                m.d.sync += filter_addr.eq(filter_addr + 1)
        with m.If(begins):
            m.d.sync += last_tap.eq(self.config_payload.window == 0)
        with m.Elif(word_done):
            m.d.sync += last_tap.eq(Mux(last_tap, setting.window == 0, next_tap_last))

        m.d.comb += [last_term.eq(1), first_term.eq(1)]
        if self.kind.terms > 1:
            term = Signal.like(setting.terms)
            m.d.comb += [last_term.eq(term == setting.terms), first_term.eq(term == 0)]
            with m.If(begins | word_done):
                m.d.sync += term.eq(0)
            with m.Elif(slots_done):
                m.d.sync += term.eq(term + 1)
        tag: Tag = {
            "valid": issue & real,
            "psum": slot[: len(self.psum_read_addr)],
            "first": first_tap & first_term,
            "last": last_tap & last_term,
            "filter": filter_addr,
            "new_word": (slot == 0) & first_term,
            "ifmap": self.read_ptr,
        }
        if self.kind.scaling is not None:
            tag |= self._column(m, setting, begins, word_done, window_done)
        return tag

    def _column(
        self, m: Module, setting: Signal, begins: Value, word_done: Value, window_done: Value
    ) -> Tag:
        """Count the words of a column; return what its tags say of blocks and scales."""
        word = Signal.like(setting.column)
        first_column = Signal()
        final = word == setting.column
        with m.If(begins | (word_done & final)):
            m.d.sync += word.eq(0)
        with m.Elif(word_done):
            m.d.sync += word.eq(word + 1)
        with m.If(begins | window_done):
            m.d.sync += first_column.eq(1)
        with m.Elif(word_done & final):
            m.d.sync += first_column.eq(0)
        scale = Signal.like(self.scale, name="scale_word")
        assert self.kind.scaling is not None
        words = self.kind.scaling.words
        for index in range(words):
            with m.If(word == setting.column - (words - 1 - index)):
                m.d.comb += scale.eq(index + 1)
        return {"first": first_column, "opens": word == 0, "scale": scale, "final": final}

    def _tags(self, m: Module, tag: Tag) -> list[Tag]:
        """Return the tags of all stages; those after 0 are registers moved by `step`."""
        c = self.config
        needed = {
            "filter": self.filter_read,
            "ifmap": self.ifmap_read,
            "new_word": self.ifmap_read,
            "first": c.sum_stage,
            "opens": c.product_stage,
            "scale": c.product_stage,
        }
        tags = [tag]
        for stage in range(1, c.write_stage + 1):
            moved: Tag = {}
            for name, before in tags[-1].items():
                if stage > needed.get(name, c.write_stage):
                    continue
                moved[name] = Signal(len(before), name=f"{name}{stage}", reset_less=name != "valid")
                with m.If(self.step):
                    m.d.sync += moved[name].eq(before)
            tags.append(moved)
        return tags

    def _drive(self, m: Module, tags: list[Tag], setting: Signal) -> None:
        """Drive the other parts from the tags of their stages."""
        c, step = self.config, self.step
        # Only the last word of a scale brings a product to the psum of a block.
        adds: Callable[[Tag], Value] = lambda tag: tag["valid"] & tag.get("final", 1)  # noqa: E731
        filter_tag, ifmap_tag = tags[self.filter_read], tags[self.ifmap_read]
        read, begin, write = tags[self.psum_read], tags[c.sum_stage - 1], tags[c.write_stage]
        needs_psum = adds(begin) & begin["first"] & setting.accumulate
        leaves = adds(write) & write["last"]
        held = leaves & ~self.psum_out_ready
        missing = needs_psum & ~self.psum_in_valid
        m.d.comb += [
            step.eq(~held & ~missing),
            self.psum_in_ready.eq(needs_psum & ~held),
            self.psum_out_valid.eq(leaves & ~missing),
            self.filter_read_en.eq(filter_tag["valid"] & step),
            self.filter_read_addr.eq(filter_tag["filter"]),
            self.ifmap_read_en.eq(ifmap_tag["valid"] & ifmap_tag["new_word"] & step),
            self.ifmap_read_addr.eq(ifmap_tag["ifmap"]),
            self.psum_read_en.eq(adds(read) & ~read["first"] & step),
            self.psum_read_addr.eq(read["psum"]),
            self.begin_en.eq(adds(begin) & begin["first"] & step),
            self.begin_zero.eq(~setting.accumulate),
            self.first.eq(tags[c.sum_stage]["first"]),
            self.psum_write_en.eq(adds(write) & ~write["last"] & step),
            self.psum_write_addr.eq(write["psum"]),
        ]
        m.d.comb += [
            en.eq(tags[c.operand_stage + index]["valid"] & step)
            for index, en in enumerate(self.product_en)
        ]
        m.d.comb += [
            en.eq(adds(tags[c.sum_stage + index]) & step) for index, en in enumerate(self.sum_en)
        ]

    def _drive_block(self, m: Module, tags: list[Tag]) -> None:
        """Drive what sums up blocks: read, add and write within a block, convert at its end."""
        c, step = self.config, self.step
        read = tags[c.product_stage - read_latency(c.psum_spad_kind)]
        total, write = tags[c.product_stage], tags[c.product_stage + 1]
        m.d.comb += [
            self.block_read_en.eq(read["valid"] & ~read["opens"] & step),
            self.block_read_addr.eq(read["psum"]),
            self.opens.eq(total["opens"]),
            self.scale.eq(total["scale"]),
            self.block_en.eq(total["valid"] & ~total["final"] & step),
            self.convert_en.eq(total["valid"] & total["final"] & step),
            self.block_write_en.eq(write["valid"] & ~write["final"] & step),
            self.block_write_addr.eq(write["psum"]),
        ]


def _wrap(value: Value, size: int) -> Value:
    """Return `value` modulo `size` for a value below twice the size."""
    return value if size & (size - 1) == 0 else Mux(value >= size, value - size, value)
