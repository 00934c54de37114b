"""Number formats: the bits of a code and the value it stands for.  No hardware library in here.

Codes are non-negative integers below `2**bits` at every boundary.  A format is one small immutable
descriptor whose name is its specification: `parse(str(f)) == f`.
"""

from .base import NumberFormat
from .fixed import FixedPoint
from .lightnn import LightNN
from .names import parse

__all__ = ["FixedPoint", "LightNN", "NumberFormat", "parse"]
