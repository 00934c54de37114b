"""The PE types.  A new one is one file beside this and one line below."""

from __future__ import annotations

from types import MappingProxyType

from .integer import INT8, INT16
from .lightpe import LIGHTPE1, LIGHTPE2

__all__ = ["PE_TYPES"]

PE_TYPES = MappingProxyType({t.name: t for t in (INT16, INT8, LIGHTPE1, LIGHTPE2)})
