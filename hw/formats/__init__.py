"""Number formats: the bits of a code and the value it stands for.  No hardware library in here.

Codes are non-negative integers below `2**bits` at every boundary.  A format is one small immutable
descriptor whose name is its specification: `parse(str(f)) == f`.
"""

from .base import NumberFormat
from .binary import Binary, Ternary
from .fixed import FixedPoint
from .flightnn import FLightNN, residual_terms
from .flint import Flint
from .floating import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E5M2,
    Float,
)
from .lightnn import LightNN
from .log_posit import LogPosit
from .logarithmic import LNS, Antilog, conversion_error
from .microscaling import E8M0, Microscaling
from .names import parse
from .posit import Posit
from .power_of_two import PowerOfTwo
from .rounding import canonical_codes, encode, quantize
from .sp2 import SP2

__all__ = [
    "BFLOAT16",
    "BINARY16",
    "BINARY32",
    "E8M0",
    "FP4_E2M1",
    "FP6_E2M3",
    "FP6_E3M2",
    "FP8_E4M3",
    "FP8_E5M2",
    "LNS",
    "SP2",
    "Antilog",
    "Binary",
    "FLightNN",
    "FixedPoint",
    "Flint",
    "Float",
    "LightNN",
    "LogPosit",
    "Microscaling",
    "NumberFormat",
    "Posit",
    "PowerOfTwo",
    "Ternary",
    "canonical_codes",
    "conversion_error",
    "encode",
    "parse",
    "quantize",
    "residual_terms",
]
