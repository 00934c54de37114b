"""Energy of off-chip memory per transferred bit, as options that each name their source.

The figures include the DRAM device and its interface as their sources count them; refresh and
background power of an idle memory are not counted.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from .errors import ModelError

__all__ = ["DEFAULT_DRAM", "DRAM_KINDS", "DramKind", "dram_kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DramKind:
    """One kind of off-chip memory."""

    name: str
    energy_pj_per_bit: float
    """Energy of one transferred bit, read or written alike [pJ]."""
    source: str

    @property
    def energy_pj_per_byte(self) -> float:
        """Energy of one transferred byte [pJ]."""
        return 8 * self.energy_pj_per_bit


_HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014"
_OCONNOR = "M. O'Connor et al., Fine-Grained DRAM, MICRO 2017 (average over GPU workloads)"
DEFAULT_DRAM = "horowitz"
DRAM_KINDS: dict[str, DramKind] = {
    kind.name: kind
    for kind in (
        DramKind(
            name="horowitz",
            energy_pj_per_bit=20.0,
            source=f"{_HOROWITZ}: 640 pJ per 32-bit word, the low end of 1.3 to 2.6 nJ per 64 bits",
        ),
        DramKind(
            name="horowitz-high",
            energy_pj_per_bit=40.0,
            source=f"{_HOROWITZ}: the high end of 1.3 to 2.6 nJ per 64 bits",
        ),
        DramKind(name="gddr5", energy_pj_per_bit=14.0, source=_OCONNOR),
        DramKind(name="hbm2", energy_pj_per_bit=3.9, source=_OCONNOR),
    )
}


def dram_kind(name: str = DEFAULT_DRAM) -> DramKind:
    """Return the DRAM option called `name`; `ModelError` names the options otherwise."""
    try:
        return DRAM_KINDS[name]
    except (KeyError, TypeError):
        close = difflib.get_close_matches(str(name), DRAM_KINDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        names = ", ".join(sorted(DRAM_KINDS))
        raise ModelError(f"DRAM must be one of {names}, not {name!r}{hint}") from None
