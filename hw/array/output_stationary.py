"""The output-stationary systolic array: psums stay, activations go right, weights go down.

A pass takes in each step one vector of activations, one for each row, and one of weights, one for
each column; cell (i, j) adds up the products of its row's activations and its column's weights.
Beside the psum it adds to, each cell has a register in a chain that goes up its column.  While a
pass computes, the chain shifts out the psums of the pass before, row 0 first, and shifts in,
likewise, those that the next pass begins with, or zeros.  The first step of a pass swaps both
registers; where no pass follows, a swap without a step brings the last psums into the chain.

Psums shift in and out together, so the words of `psum_in` must not wait for words of `psum_out`.
All of the array moves while `step` is high, which falls where an outgoing psum vector is not taken.
Time in the array: the vectors of a step taken in cycle c are in cell (i, j) in cycle c + 1 + i + j,
their product is added `depth` - 1 cycles later.  An adder of several cycles makes every step
take as many.
"""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..pe.part import Part, instantiate
from .psum_chain import PsumChain
from .systolic import COUNTER_BITS, SystolicConfig
from .systolic_cell import (
    cell_name,
    delay,
    edge_activation,
    edge_weight,
    make_product,
    make_sum,
    place_cell,
)

__all__ = ["OutputStationaryArray", "OutputStationaryCell"]


class OutputStationaryCell(Part):
    """A multiplier, an adder, a psum and a register of the chain."""

    def __init__(self, config: SystolicConfig) -> None:
        self.config = config
        self.module_name = cell_name(config)
        activation = config.pe.activation_bits + config.masked
        psum = config.pe.psum_width
        super().__init__(
            {
                "step": In(1),
                "add": In(1),  # a product is there to be added
                "swap": In(1),  # it is the first of its psum
                "shift": In(1),
                "weight": In(config.pe.weight_bits),
                "activation": In(activation),
                "chain_below": In(psum),
                "add_right": Out(1),
                "swap_right": Out(1),
                "weight_down": Out(config.pe.weight_bits),
                "activation_right": Out(activation),
                "chain": Out(psum),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        psum = Signal(len(self.chain), reset_less=True)
        chain = Signal(len(self.chain), reset_less=True)
        product = make_product(m, self.config, self.weight, self.activation)
        operand = Signal(len(self.chain))
        m.d.comb += [operand.eq(Mux(self.swap, chain, psum)), self.chain.eq(chain)]
        total = make_sum(m, self.config, operand, product)
        with m.If(delay(m, self.add, self.config.adder_cycles - 1, "sum_there", reset=True)):
            m.d.sync += psum.eq(total)
        with m.If(self.swap):
            m.d.sync += chain.eq(psum)
        with m.Elif(self.shift):
            m.d.sync += chain.eq(self.chain_below)
        for value, port in (
            (self.add, self.add_right),
            (self.swap, self.swap_right),
            (self.weight, self.weight_down),
            (self.activation, self.activation_right),
        ):
            m.d.comb += port.eq(delay(m, value, 1, "out"))
        return EnableInserter(self.step)(m)


class OutputStationaryArray(wiring.Component):
    """Cells, skewing registers and the control of passes and of the chain."""

    def __init__(self, config: SystolicConfig) -> None:
        self.array = config
        self.cell = OutputStationaryCell(config)
        self.chain = PsumChain(config)
        super().__init__(config.ports)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What becomes modules of their own."""
        return self.cell, self.chain

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.array
        step = Signal()
        m.d.comb += step.eq(~self.psum_out.valid | self.psum_out.ready)
        chain = self.chain
        m.submodules.chain = instantiate(chain)

        # The next pass waits here until the chains hold what it begins with.
        waiting, advance = Signal(), Signal()
        setting = Signal(self.config.payload.shape(), reset_less=True)
        m.d.comb += self.config.ready.eq(step & (~waiting | advance))
        with m.If(self.config.ready):
            m.d.sync += [waiting.eq(self.config.valid), setting.eq(self.config.payload)]

        # Computing: a step per cycle, or as often as the adder takes one.
        computing, first, issue = Signal(), Signal(reset_less=True), Signal()
        fire, last, flush = Signal(), Signal(), Signal()
        steps, rows = Signal(COUNTER_BITS, reset_less=True), Signal.like(setting.rows)
        pause = Signal(range(c.adder_cycles))
        # Psums that no swap has brought into the chains yet.
        held, held_rows = Signal(), Signal.like(setting.rows)
        m.d.comb += [
            issue.eq(computing & (pause == 0)),
            fire.eq(issue & self.activations.valid & self.weights.valid),
            self.activations.ready.eq(step & issue & self.weights.valid),
            self.weights.ready.eq(step & issue & self.activations.valid),
            last.eq(fire & (steps == 0)),
            flush.eq(held & ~computing & ~waiting & ~chain.active & (pause == 0)),
            advance.eq(waiting & (~computing | last) & chain.ready),
        ]
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(fire):
            m.d.sync += [pause.eq(c.adder_cycles - 1), steps.eq(steps - 1)]
            m.d.sync += [first.eq(0), computing.eq(~last), held.eq(1), held_rows.eq(rows)]
        with m.Elif(flush):
            m.d.sync += held.eq(0)
        with m.If(advance):
            m.d.sync += [computing.eq(1), first.eq(1)]
            m.d.sync += [steps.eq(setting.steps), rows.eq(setting.rows)]

        leaving = Signal(c.cols)
        m.d.comb += [
            chain.step.eq(step),
            chain.swap.eq((fire & first) | flush),
            chain.brings.eq(held),
            chain.swap_rows.eq(held_rows),
            chain.keep.eq(computing & first),
            chain.wanted.eq(waiting & setting.accumulate),
            chain.wanted_rows.eq(setting.rows),
            chain.started.eq(advance),
            chain.psum_valid.eq(self.psum_in.valid),
            self.psum_in.ready.eq(step & chain.take),
            leaving.eq(Cat(chain.leave, leaving_before := Signal(c.cols - 1))),
            self.psum_out.valid.eq(leaving[-1]),
            self.busy.eq(waiting | computing | held | chain.active | leaving_before.any()),
        ]
        m.d.sync += leaving_before.eq(leaving)
        self._cells(m, step, fire, chain.swap, chain.shift, chain.take)
        return EnableInserter(step)(m)

    def _cells(
        self, m: Module, step: Signal, fire: Signal, swap: Signal, shift: Signal, take: Signal
    ) -> None:
        """Put the cells together, behind registers that skew what enters and leaves."""
        c = self.array
        weights: list[Value] = []
        for j in range(c.cols):
            weight = edge_weight(c, self.weights.payload[j])
            weights.append(delay(m, weight, 1 + j, f"weight_col{j}"))
        cells = [
            [place_cell(m, self.cell, f"cell_{i}_{j}") for j in range(c.cols)]
            for i in range(c.rows)
        ]
        for i, row in enumerate(cells):
            word = edge_activation(c, self.activations.payload[i])
            activation = delay(m, word, 1 + i, f"activation_row{i}")
            add = delay(m, fire, c.pe.depth + i, f"add_row{i}", reset=True)
            row_swap = delay(m, swap, c.pe.depth + i, f"swap_row{i}", reset=True)
            for j, cell in enumerate(row):
                m.d.comb += [
                    cell.step.eq(step),
                    cell.add.eq(add),
                    cell.swap.eq(row_swap),
                    cell.weight.eq(weights[j]),
                    cell.activation.eq(activation),
                ]
                add, row_swap = cell.add_right, cell.swap_right
                activation, weights[j] = cell.activation_right, cell.weight_down
        for j in range(c.cols):
            column_shift = delay(m, shift, j, f"shift_col{j}", reset=True)
            begin = Mux(take, self.psum_in.payload[j], 0)
            below = delay(m, begin, j, f"psum_col{j}")
            for row in reversed(cells):
                m.d.comb += [row[j].shift.eq(column_shift), row[j].chain_below.eq(below)]
                below = row[j].chain
            aligned = delay(m, below, c.cols - 1 - j, f"psum_out_col{j}")
            m.d.comb += self.psum_out.payload[j].eq(aligned)
