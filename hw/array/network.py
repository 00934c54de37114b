"""The multicast network: a beat of words, each with a row tag and a column tag, to all its targets.

One beat enters per cycle, a word in each lane, and passes two registers.  At the entry a row
compares the row tags with its own and keeps words for other rows off its wires; its PEs compare the
column tags of what it sees.  Words and matches move on into registers at the row and at the PE
(`row_stationary_node`), where the beat waits until all its targets can take their word.  So neither
comparing nor asking everybody adds to the other's path.

The network is open from `open` until the beat marked `last` has entered, so that no word of the
next pass gets in early, whatever the source does.
"""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Flow, In, Out

from ..pe.edge import EdgeDecoder
from ..pe.part import Part

__all__ = ["Entry", "place", "row_words"]


class Entry(wiring.Component):
    """The register a beat waits in, and the gate before it.

    Parameters
    ----------
    source, words
        Layouts of a beat as it comes, and of its words as they wait.
    decoder
        What decodes the words on their way into the register, if not the PEs do.
    """

    def __init__(
        self, source: data.StructLayout, words: data.ArrayLayout, decoder: EdgeDecoder | None
    ) -> None:
        self.decoder = decoder
        super().__init__(
            {
                "source": In(stream.Signature(source)),
                "open": In(1),
                "blocked": In(1),  # a target cannot take its word
                "words": Out(words),  # none is `there` unless the beat is
                "moves": Out(1),  # the beat goes on to the rows
                "take": Out(1),  # the beat before leaves the rows
                "closed": Out(1),  # the last beat has been taken
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        is_open, full, at_rows, enters = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.take.eq(at_rows & ~self.blocked),
            self.moves.eq(full & (~at_rows | self.take)),
            self.source.ready.eq(is_open & (~full | self.moves)),
            enters.eq(self.source.valid & self.source.ready),
            self.closed.eq(~is_open & ~full & ~at_rows),
        ]
        payload = self.source.payload
        for lane, (word, out) in enumerate(zip(payload.words, self.words, strict=True)):
            held = Signal(word.shape(), name=f"held{lane}", reset_less=True)
            with m.If(enters):
                m.d.sync += held.eq(word)
            m.d.comb += [
                out.there.eq(held.there & full),
                out.row.eq(held.row),
                out.col.eq(held.col),
                out.word.eq(held.word),
            ]
            if self.decoder is not None:
                decoder = place(m, self.decoder, f"decoder{lane}")
                m.d.comb += [decoder.en.eq(enters), decoder.code.eq(word.word)]
                m.d.comb += out.word.eq(decoder.operand)
        with m.If(enters):
            m.d.sync += full.eq(1)
            with m.If(payload.last):
                m.d.sync += is_open.eq(0)
        with m.Elif(self.moves):
            m.d.sync += full.eq(0)
        with m.If(self.moves):
            m.d.sync += at_rows.eq(1)
        with m.Elif(self.take):
            m.d.sync += at_rows.eq(0)
        with m.If(self.open):
            m.d.sync += is_open.eq(1)
        return m


def row_words(m: Module, entry: Entry, row: Value, name: str) -> tuple[data.View, Value]:
    """Return the words as a row sees them at the entry, those with other row tags not there and
    zero, and the words it keeps for its PEs when the beat moves on."""
    seen = Signal(entry.words.shape(), name=name)
    kept = Signal(
        data.ArrayLayout(len(entry.words[0].word), len(entry.words)), name=f"{name}_kept",
        reset_less=True,
    )  # fmt: skip
    for lane, (word, out) in enumerate(zip(entry.words, seen, strict=True)):
        with m.If(word.there & (word.row == row)):
            m.d.comb += out.eq(word)
        with m.If(entry.moves & out.there):
            m.d.sync += kept[lane].eq(out.word)
    return seen, kept


def place(m: Module, part: Part, name: str) -> wiring.PureInterface:
    """Add one more instance of the module a part is emitted as; return its ports."""
    ports = part.signature.create(path=(name,))
    m.submodules[name] = Instance(
        part.module_name,
        i_clk=ClockSignal(),
        i_rst=ResetSignal(),
        **{
            f"{'i' if member.flow is Flow.In else 'o'}_{'__'.join(map(str, path))}": value
            for path, member, value in part.signature.flatten(ports)
        },
    )
    return ports
