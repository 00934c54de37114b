"""Synthesis recipes: the choices that decide area and delay, and the ABC scripts they name.

The figures behind the default are in `docs/flows.md`.  A recipe names no cell: the driving cell and
the load that ABC sizes against are found in the library by what the cells compute.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from .errors import FlowError, LibertyError
from .liberty import Liberty
from .liberty_cells import Cell

__all__ = [
    "ABC_SCRIPTS",
    "ADDERS",
    "DEFAULT_RECIPE",
    "Recipe",
    "sizing_constraints",
    "standard_buffer",
]

_SIZING = "buffer; upsize {D}; dnsize {D}; stime -p"
ABC_SCRIPTS = {
    "balanced": "strash; &get -n; &fraig -x; &put; scorr; strash; &get -n; "
    f"&dch -f; &nf -R 100 -F 10 -C 32; &put; {_SIZING}",
    "compact": f"strash; dch -f; amap -m; {_SIZING}",
    "fast": f"strash; ifraig; scorr; strash; dch -f; map -a -D 1; topo; {_SIZING}",
    "yosys": "strash; &get -n; &fraig -x; &put; scorr; dc2; dretime; strash; "
    f"&get -n; &dch -f; &nf {{D}}; &put; {_SIZING}",
}
"""Technology mapping by name; `yosys` is what Yosys does by itself."""

ADDERS = ("brent-kung", "sklansky", "han-carlson", "kogge-stone")
"""Carry networks; the first is what Yosys does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How Verilog becomes a mapped netlist."""

    booth: bool = True
    """Multipliers are Booth-encoded."""
    adder: str = "sklansky"
    """Carry network of adders, one of `ADDERS`."""
    clock_gating: bool = True
    """Enabled flip-flops without reset get a gated clock, and modules that ask for a clock gate
    (`clock_gates`) become one, where the library has it."""
    min_gated_bits: int = 2
    """Fewest flip-flops a clock gate is spent on, 1 to 1,024; one alone is smaller, and takes less
    energy below a gated clock, with an enable multiplexer."""
    script: str = "balanced"
    """Technology mapping, one of `ABC_SCRIPTS`."""
    clock_target_ps: int | None = None
    """Delay [ps] that sizing aims at, 1 to 1,000,000; None for the shortest it can reach."""

    def __post_init__(self) -> None:
        for field in ("booth", "clock_gating"):
            if not isinstance(getattr(self, field), bool):
                raise FlowError(f"{field} must be true or false, not {getattr(self, field)!r}")
        for field, names in (("adder", ADDERS), ("script", tuple(ABC_SCRIPTS))):
            if getattr(self, field) not in names:
                raise FlowError(
                    f"{field} must be one of {', '.join(names)}, not {getattr(self, field)!r}"
                )
        _check_range("min_gated_bits", self.min_gated_bits, 1024)
        if self.clock_target_ps is not None:
            _check_range("clock_target_ps", self.clock_target_ps, 1_000_000)

    @property
    def name(self) -> str:
        """What it chooses, in short: `balanced/sklansky/booth`."""
        parts = [self.script, self.adder, "booth" if self.booth else "no booth"]
        if not self.clock_gating:
            parts.append("no clock gating")
        if self.clock_target_ps is not None:
            parts.append(f"{self.clock_target_ps} ps")
        return "/".join(parts)

    def digest(self) -> str:
        """Return the digest of the recipe with the text of its ABC script."""
        content = {**asdict(self), "abc": ABC_SCRIPTS[self.script]}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_range(field: str, value: object, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
        raise FlowError(f"{field} must be an integer from 1 to {high}, not {value!r}")


DEFAULT_RECIPE = Recipe()


def standard_buffer(library: Liberty) -> Cell:
    """Return the buffer that drives ports and fans out nets: the second size from below.

    It is found by the function of the cells.  Of several with that area the one with the largest
    input is taken: clock buffers trade input capacitance for equal edges and are slower.

    Raises
    ------
    LibertyError
        The library has no buffer.
    """
    buffers = [cell for cell in library.cells.values() if _is_buffer(cell)]
    if not buffers:
        raise LibertyError(f"{library.path}: the library has no buffer, which sizing needs")
    areas = sorted({cell.area_um2 for cell in buffers})
    area_um2 = areas[min(1, len(areas) - 1)]
    return max((c for c in buffers if c.area_um2 == area_um2), key=lambda c: (_input_pf(c), c.name))


def sizing_constraints(buffer: Cell) -> str:
    """Return what ABC sizes against: ports driven by one buffer and loaded with four."""
    load_ff = 4e3 * _input_pf(buffer)
    return f"set_driving_cell {buffer.name}\nset_load {load_ff:.4f}\n"


def _is_buffer(cell: Cell) -> bool:
    if cell.dont_use or cell.unusable or cell.register is not None or len(cell.inputs) != 1:
        return False
    outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
    if len(outputs) != 1 or outputs[0].function is None or outputs[0].three_state is not None:
        return False
    function = outputs[0].function
    return function.names == cell.inputs and function.bits == 0b10


def _input_pf(cell: Cell) -> float:
    return cell.pins[cell.inputs[0]].capacitance_pf
