"""Energy of the clock port: what charging the clock pins of a netlist costs in every cycle.

The clock port is driven from outside, so its load is in no cell's energy.  Only the pins count
here; wires and buffers that would carry the clock to them (the clock tree) are left out.
"""

from __future__ import annotations

import numpy as np

from .netlist import Netlist

__all__ = ["clock_pins_pj"]


def clock_pins_pj(netlist: Netlist, clock: str = "clk") -> dict[str, float]:
    """Return the energy per cycle of the pins on the clock port, by part [pJ].

    Each pin is charged and discharged once: C V**2 per cycle.
    """
    port = netlist.ports[clock].nets
    capacitance_pf = np.zeros(len(netlist.parts))
    for group in netlist.groups:
        for pin in group.cell.inputs:
            on_port = np.isin(group.nets[pin], port)
            parts = netlist.part[group.instance[on_port]]
            np.add.at(capacitance_pf, parts, group.cell.pins[pin].capacitance_pf)
    energy = capacitance_pf * netlist.library.voltage_v**2
    return dict(zip(netlist.parts, energy.tolist(), strict=True))
