"""The weight-stationary systolic array: weights stay, activations go right, psums go down.

A pass loads one vector of weights for each row in use, row 0 first, and then takes activation
vectors, one per cycle; each becomes one psum vector, which begins with a vector of `psum_in` or
with zero and collects the products of row 0, row 1, ...  Every cell has two weight registers, so
the weights of the next pass are loaded while this one computes.  Rows without weights must get
activations that add nothing.

All of the array moves while `step` is high, which falls where an outgoing psum vector is not taken.
Time in the array: an activation vector taken in cycle c is in cell (i, j) in cycle
c + 1 + i*adder_cycles + j, its product is added `depth` - 1 cycles later, and the psum vector
leaves in cycle c + `latency`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..pe.part import Part
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

__all__ = ["WeightStationaryArray", "WeightStationaryCell", "latency", "reload_pause"]


def latency(config: SystolicConfig) -> int:
    """Return the cycles from taking an activation vector to offering its psum vector."""
    return config.pe.depth + config.rows * config.adder_cycles + config.cols - 1


def reload_pause(config: SystolicConfig) -> int:
    """Return the cycles by which loading must follow new weights down a slow column."""
    return (config.adder_cycles - 1) * (config.rows - 1)


class WeightStationaryCell(Part):
    """Two weight registers, a multiplier and an adder."""

    def __init__(self, config: SystolicConfig) -> None:
        self.config = config
        self.module_name = cell_name(config)
        activation = config.pe.activation_bits + config.masked
        super().__init__(
            {
                "step": In(1),
                "write": In(1),  # take the weight that is on the column
                "swap": In(1),  # use it from the next cycle on
                "weight": In(config.pe.weight_bits),
                "activation": In(activation),
                "psum_in": In(config.pe.psum_width),
                "write_right": Out(1),
                "swap_right": Out(1),
                "activation_right": Out(activation),
                "psum_out": Out(config.pe.psum_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        next_weight = Signal(len(self.weight), reset_less=True)
        weight = Signal(len(self.weight), reset_less=True)
        with m.If(self.write):
            m.d.sync += next_weight.eq(self.weight)
        with m.If(self.swap):
            m.d.sync += weight.eq(next_weight)
        product = make_product(m, self.config, weight, self.activation)
        psum = make_sum(m, self.config, self.psum_in, product)
        for value, port in (
            (self.write, self.write_right),
            (self.swap, self.swap_right),
            (self.activation, self.activation_right),
            (psum, self.psum_out),
        ):
            m.d.comb += port.eq(delay(m, value, 1, "out"))
        return EnableInserter(self.step)(m)


class WeightStationaryArray(wiring.Component):
    """Cells, skewing registers and the control of passes."""

    def __init__(self, config: SystolicConfig) -> None:
        self.array = config
        self.cell = WeightStationaryCell(config)
        super().__init__(config.ports)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What becomes modules of their own."""
        return (self.cell,)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.array
        step = Signal()
        m.d.comb += step.eq(~self.psum_out.valid | self.psum_out.ready)

        # Loading: the next pass waits here until its weights are there and the array is free.
        loading, loaded, advance = Signal(), Signal(), Signal()
        setting = Signal(self.config.payload.shape(), reset_less=True)
        row = Signal(range(c.rows), reset_less=True)
        full = Signal(reset_less=True)  # its weights are there
        pause = Signal(range(reload_pause(c) + 1))
        wants_weights, write, swap = Signal(), Signal(), Signal()
        m.d.comb += [
            self.config.ready.eq(step & (~loading | advance)),
            wants_weights.eq(loading & ~full & (pause == 0)),
            write.eq(wants_weights & self.weights.valid),
            self.weights.ready.eq(step & wants_weights),
            loaded.eq(loading & (full | (write & (row == setting.weights)))),
        ]
        with m.If(write):
            m.d.sync += [row.eq(row + 1), full.eq(row == setting.weights)]
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(self.config.valid & self.config.ready):
            m.d.sync += [setting.eq(self.config.payload), row.eq(0), full.eq(0)]
        m.d.sync += [
            loading.eq(self.config.valid | (loading & ~advance)),
            swap.eq(advance),
        ]

        # Computing: one activation vector per cycle.
        computing, fire, last = Signal(), Signal(), Signal()
        vectors, accumulate = Signal(COUNTER_BITS, reset_less=True), Signal(reset_less=True)
        m.d.comb += [
            self.activations.ready.eq(step & computing & (self.psum_in.valid | ~accumulate)),
            self.psum_in.ready.eq(step & computing & accumulate & self.activations.valid),
            fire.eq(computing & self.activations.valid & (self.psum_in.valid | ~accumulate)),
            last.eq(fire & (vectors == 0)),
            advance.eq(loaded & (~computing | last)),
        ]
        with m.If(advance):
            m.d.sync += [
                computing.eq(1),
                vectors.eq(setting.vectors),
                accumulate.eq(setting.accumulate),
                pause.eq(reload_pause(c)),
            ]
        with m.Elif(fire):
            m.d.sync += [computing.eq(~last), vectors.eq(vectors - 1)]

        in_flight = Signal(latency(c))
        m.d.sync += in_flight.eq(Cat(fire, in_flight))
        m.d.comb += [
            self.psum_out.valid.eq(in_flight[-1]),
            self.busy.eq(loading | computing | in_flight.any()),
        ]
        self._cells(m, step, write, row, swap, accumulate)
        return EnableInserter(step)(m)

    def _cells(
        self, m: Module, step: Signal, write: Signal, row: Signal, swap: Signal, accumulate: Signal
    ) -> None:
        """Put the cells together, behind registers that skew what enters and leaves."""
        c = self.array
        weights, psums = [], []
        for j in range(c.cols):
            weight = edge_weight(c, self.weights.payload[j])
            weights.append(delay(m, weight, j, f"weight_col{j}"))
            begin = Mux(accumulate, self.psum_in.payload[j], 0)
            psums.append(delay(m, begin, c.pe.depth + j, f"psum_col{j}"))
        for i in range(c.rows):
            skew = i * c.adder_cycles
            word = edge_activation(c, self.activations.payload[i])
            activation = delay(m, word, 1 + skew, f"activation_row{i}")
            row_swap = delay(m, swap, skew, f"swap_row{i}", reset=True)
            row_write = write & (row == i)
            for j in range(c.cols):
                cell = place_cell(m, self.cell, f"cell_{i}_{j}")
                m.d.comb += [
                    cell.step.eq(step),
                    cell.write.eq(row_write),
                    cell.swap.eq(row_swap),
                    cell.weight.eq(weights[j]),
                    cell.activation.eq(activation),
                    cell.psum_in.eq(psums[j]),
                ]
                row_write, row_swap = cell.write_right, cell.swap_right
                activation, psums[j] = cell.activation_right, cell.psum_out
        for j, psum in enumerate(psums):
            aligned = delay(m, psum, c.cols - 1 - j, f"psum_out_col{j}")
            m.d.comb += self.psum_out.payload[j].eq(aligned)
