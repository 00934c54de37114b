"""Scaling of SRAM figures from 90 nm to 180 nm, the one node in use that CACTI 7 does not tabulate.

Source: A. Stillmaker, B. Baas, "Scaling equations for the accurate prediction of CMOS device
performance from 180 nm to 7 nm", Integration 58 (2017) 74-81: area factors between nodes, a delay
polynomial of third degree and an energy polynomial of second degree in the supply.  The equations
describe logic gates; leakage is not covered, so the 90 nm figure is kept unscaled.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SCALED_NODE_NM", "SOURCE_NODE_NM", "Scaling", "scale_to_180"]

SOURCE_NODE_NM, SCALED_NODE_NM = 90, 180
AREA_90_TO_180 = 6.6
# Coefficients of V^3, V^2, V, 1.
_DELAY = {90: (-60.34, 262.5, -384.2, 210.9), 180: (0.0, 97.09, -356.7, 406.5)}
_ENERGY = {90: (0.0, 4.762, -4.781, 2.092), 180: (0.0, 0.0, 24.64, -17.98)}
SUPPLY_90_V = {"itrs-hp": 1.2, "itrs-lstp": 1.3, "itrs-lop": 0.9}
"""Supplies of the 90 nm devices in CACTI 7 (tech_params/90nm.dat) [V]."""
SUPPLY_180_V = 1.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Factors by which figures of the source node are multiplied."""

    area: float = 1.0
    delay: float = 1.0
    energy: float = 1.0
    note: str = ""


def _polynomial(coefficients: tuple[float, ...], supply_v: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = value * supply_v + coefficient
    return value


def scale_to_180(device: str) -> Scaling:
    """Return the factors from a 90 nm device at its own supply to 180 nm at 1.8 V."""
    supply_v = SUPPLY_90_V[device]
    delay = _polynomial(_DELAY[180], SUPPLY_180_V) / _polynomial(_DELAY[90], supply_v)
    energy = _polynomial(_ENERGY[180], SUPPLY_180_V) / _polynomial(_ENERGY[90], supply_v)
    note = (
        f"scaled from 90 nm ({supply_v} V) to 180 nm ({SUPPLY_180_V} V) after Stillmaker and Baas, "
        f"Integration 58 (2017): area x{AREA_90_TO_180:.3g}, delay x{delay:.3g}, "
        f"energy x{energy:.3g}; leakage is the 90 nm figure, unscaled"
    )
    return Scaling(area=AREA_90_TO_180, delay=delay, energy=energy, note=note)
