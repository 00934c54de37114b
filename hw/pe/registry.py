"""The PE types.  A new one is one file beside this and one line below."""

from __future__ import annotations

from types import MappingProxyType

from .binary import BINARY
from .flint import FLINT4
from .int4 import INT4
from .integer import INT8, INT16
from .lightpe import LIGHTPE1, LIGHTPE2
from .lns import LNS8
from .lp import LP8
from .pe_type import PEType
from .posit import POSIT8
from .pot import POT4
from .signs import BINARYW, TERNARYW
from .sp2 import SP2_4

__all__ = ["PE_TYPES"]

_ALL: tuple[PEType, ...] = (
    INT16,
    INT8,
    INT4,
    LIGHTPE1,
    LIGHTPE2,
    BINARY,
    BINARYW,
    TERNARYW,
    POT4,
    LNS8,
    FLINT4,
    SP2_4,
    POSIT8,
    LP8,
)

PE_TYPES = MappingProxyType({t.name: t for t in _ALL})
