"""The PE types.  A new one is one file beside this one and one line below."""

# The imports are the registry; each name stands for the file it is in.
# ruff: noqa: F401

from __future__ import annotations

from types import MappingProxyType

from .binary import BINARY
from .flightpe import FLIGHTPE
from .flint import FLINT4
from .fp import BF16, FP8, FP32
from .int4 import INT4
from .integer import INT8, INT16
from .lightpe import LIGHTPE1, LIGHTPE2
from .lns import LNS8
from .lp import LP2, LP4, LP8
from .mx import MXFP4, MXINT8
from .pe_type import PEType
from .posit import POSIT8
from .pot import POT4
from .signs import BINARYW, TERNARYW
from .sp2 import SP2_4

__all__ = ["PE_TYPES"]

PE_TYPES = MappingProxyType(
    {kind.name: kind for kind in tuple(globals().values()) if isinstance(kind, PEType)}
)
"""All PE types by name."""
