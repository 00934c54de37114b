"""`flightpe`: FLightNN weights times int8 activations, one power of two per cycle.

A filter has k = 1 or 2 terms for every weight, each with a sign of its own; the PE gets one term
per filter word and spends k cycles on a weight, so a pass over filters of one term runs twice as
fast (`RowPass.terms`).  Filters of no term make zeros and need no PE.  The datapath is that of
`lightpe1`; products of one term are exact with 7 fraction bits.
"""

from __future__ import annotations

import dataclasses

from .lightpe import LIGHTPE1

__all__ = ["FLIGHTPE"]

FLIGHTPE = dataclasses.replace(
    LIGHTPE1,
    name="flightpe",
    terms=2,
    description="FLightNN weights of 1 or 2 powers of two, one per cycle, int8 activations",
)
