"""From the name of a format to the format: the inverse of `str`."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from ..errors import ConfigError
from .base import NumberFormat
from .binary import Binary, Ternary
from .fixed import FixedPoint
from .flightnn import FLightNN
from .flint import Flint
from .floating import NAMED_FLOATS, Float
from .lightnn import LightNN
from .log_posit import LogPosit
from .logarithmic import LNS
from .microscaling import E8M0, Microscaling
from .packed import Packed
from .posit import Posit
from .power_of_two import PowerOfTwo
from .sp2 import SP2

__all__ = ["parse"]

_SPECIALS = {"": "ieee", "n": "nan", "f": "none"}

_FORMS: tuple[tuple[str, str, Callable[[re.Match[str]], NumberFormat | Microscaling]], ...] = (
    (
        "[u]int<bits>[q<fraction bits>]",
        r"(u?)int([1-9]\d?)(?:q([1-9]\d?))?",
        lambda m: FixedPoint(int(m[2]), int(m[3] or 0), signed=not m[1]),
    ),
    (", ".join(NAMED_FLOATS), "|".join(NAMED_FLOATS), lambda m: NAMED_FLOATS[m[0]]),
    (
        "float_e<exponent bits>m<fraction bits>[n or f]",
        r"float_e([1-9]\d?)m([1-9]\d?)([nf]?)",
        lambda m: Float(int(m[1]), int(m[2]), _SPECIALS[m[3]]),
    ),
    ("float8_e8m0fnu", "float8_e8m0fnu", lambda _: E8M0()),
    ("lightnn<1 or 2>", r"lightnn([12])", lambda m: LightNN(int(m[1]))),
    ("flightnn<0, 1 or 2>", r"flightnn([012])", lambda m: FLightNN(int(m[1]))),
    ("binary", "binary", lambda _: Binary()),
    ("ternary", "ternary", lambda _: Ternary()),
    ("pot<bits>", r"pot([1-9]\d?)", lambda m: PowerOfTwo(int(m[1]))),
    ("[u]flint<bits>", r"(u?)flint([1-9]\d?)", lambda m: Flint(int(m[2]), signed=not m[1])),
    ("sp2_<bits>", r"sp2_([1-9]\d?)", lambda m: SP2(int(m[1]))),
    (
        "lns<bits>g<gamma>",
        r"lns([1-9]\d?)g([1-9]\d{0,4})",
        lambda m: LNS(int(m[1]), int(m[2])),
    ),
    ("posit<bits>_<es>", r"posit([1-9]\d?)_(\d)", lambda m: Posit(int(m[1]), int(m[2]))),
    (
        "lp<bits>_<es>_<rs>[_<sf>]",
        r"lp([1-9]\d?)_(\d)_([1-9]\d?)(?:_(-?[1-9]\d{0,9}(?:/[1-9]\d{0,9})?))?",
        lambda m: LogPosit(int(m[1]), int(m[2]), int(m[3]), Fraction(m[4] or 0)),
    ),
    (
        "mxfp8_e4m3, mxfp8_e5m2, mxfp6_e3m2, mxfp6_e2m3, mxfp4, mxint8",
        r"mx[a-z]+\d(?:_e\dm\d)?",
        lambda m: Microscaling(m[0]),
    ),
    ("<format>x<lanes>", r"(.+)x([1-9]\d?)", lambda m: Packed(_element(m[1]), int(m[2]))),
)
"""How a name is written, the pattern it matches, and what makes the format of the match."""


def _element(name: str) -> NumberFormat:
    element = parse(name)
    if isinstance(element, Microscaling | Packed):
        raise ConfigError(f"a word must hold lanes of a plain number format, not of {name!r}")
    return element


def parse(name: str) -> NumberFormat | Microscaling:
    """Return the format called `name`; `ConfigError` naming the valid forms otherwise."""
    if isinstance(name, str):
        for _, pattern, make in _FORMS:
            if match := re.fullmatch(pattern, name, re.ASCII):
                return make(match)
    forms = ", ".join(form for form, _, _ in _FORMS)
    raise ConfigError(f"a number format must be one of {forms}, not {name!r}")
