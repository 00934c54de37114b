"""Boolean functions of Liberty files: text in, truth table out.

A `Function` is a truth table over named inputs, stored as one Python integer: bit `i` is the value
for the input vector `i`, in which input `names[j]` has the value of bit `j` of `i`.  Parsing is
evaluation: every operator of the text is one bitwise operation on such integers, so nothing
of the text survives and two spellings of one function over the same inputs are equal.

Operators, strongest first, as the Liberty user guide lists them: `!` before and `'` after an
operand (not), `^` (exclusive or), `&` `*` and juxtaposition (and), `|` `+` (or).  Constants are
`0` and `1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LibertyError

__all__ = ["MAX_INPUTS", "Function", "parse_function"]

MAX_INPUTS = 12
"""Inputs a function may have; its table then has 4,096 entries."""
_MAX_NESTING = 64

_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01](?!\w)|[!'^&*|+()])")


@dataclass(frozen=True, slots=True)
class Function:
    """A truth table over named inputs."""

    names: tuple[str, ...]
    """Inputs; `names[j]` is bit `j` of the input vector."""
    bits: int
    """Bit `i` is the value for input vector `i`."""

    @property
    def table(self) -> NDArray[np.bool_]:
        """The truth table as an array, shape (2**len(names),)."""
        rows = 1 << len(self.names)
        packed = np.frombuffer(self.bits.to_bytes((rows + 7) // 8, "little"), dtype=np.uint8)
        return np.unpackbits(packed, bitorder="little")[:rows].astype(np.bool_)

    def over(self, names: tuple[str, ...]) -> Function:
        """Return the same function over `names`, which must contain all of its own."""
        if names == self.names:
            return self
        return self.substitute({}, names)

    def substitute(
        self, values: Mapping[str, Function], names: tuple[str, ...] | None = None
    ) -> Function:
        """Replace inputs by functions; `names` fixes the inputs of the result and their order."""
        if names is None:
            names = _union(*((values[n].names if n in values else (n,)) for n in self.names))
        ones = _ones(names)
        operands = [
            values[n].over(names).bits if n in values else _variable(names.index(n), len(names))
            for n in self.names
        ]
        # Shannon expansion: halve the table on its highest input until constants are left.
        parts = [ones if value else 0 for value in self.table]
        for operand in reversed(operands):
            half = len(parts) // 2
            parts = [
                (low & ~operand | high & operand) & ones
                for low, high in zip(parts[:half], parts[half:], strict=True)
            ]
        return Function(names, parts[0])

    def __and__(self, other: Function) -> Function:
        names = _union(self.names, other.names)
        return Function(names, self.over(names).bits & other.over(names).bits)

    def __or__(self, other: Function) -> Function:
        names = _union(self.names, other.names)
        return Function(names, self.over(names).bits | other.over(names).bits)

    def __xor__(self, other: Function) -> Function:
        names = _union(self.names, other.names)
        return Function(names, self.over(names).bits ^ other.over(names).bits)

    def __invert__(self) -> Function:
        return Function(self.names, self.bits ^ _ones(self.names))

    def given(self, name: str, value: bool) -> Function:
        """Return the cofactor: the function with the input `name` held at `value`."""
        return self.substitute({name: Function((), int(value))})

    def difference(self, name: str) -> Function:
        """Return the Boolean difference: true where a toggle of input `name` toggles the value."""
        if name not in self.names:
            return Function((), 0)
        return self.given(name, False) ^ self.given(name, True)

    def probability(self, p1: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the probability of the value 1 for independent inputs.

        Parameters
        ----------
        p1 : mapping
            Probability of 1 of each input, arrays of one shape (n,).

        Returns
        -------
        float64 array, shape (n,), or (1,) for a constant
        """
        value = self.table.astype(np.float64)[:, np.newaxis]
        for name in reversed(self.names):
            low, high = np.split(value, 2)
            value = low + (high - low) * p1[name]
        result: NDArray[np.float64] = value[0]
        return result


def parse_function(text: str) -> Function:
    """Read a Liberty Boolean function.

    Raises
    ------
    LibertyError
        If the text is not one, or has more than `MAX_INPUTS` inputs.
    """
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(text, f"unexpected {text[position:].lstrip()[:1]!r}")
        tokens.append(match[1])
        position = match.end()
    names = tuple(dict.fromkeys(t for t in tokens if t[0].isalpha() or t[0] == "_"))
    if len(names) > MAX_INPUTS:
        raise _error(text, f"{len(names)} inputs where at most {MAX_INPUTS} are handled")
    parser = _Parser(text, tokens, names)
    return Function(names, parser.parse())


class _Parser:
    """Recursive descent over the tokens; each method returns the table of what it has read."""

    def __init__(self, text: str, tokens: list[str], names: tuple[str, ...]) -> None:
        self.text = text
        self.tokens = [*tokens, ""]
        self.at = 0
        self.depth = 0
        self.ones = _ones(names)
        self.tables = {name: _variable(j, len(names)) for j, name in enumerate(names)}
        self.tables |= {"0": 0, "1": self.ones}

    def parse(self) -> int:
        value = self.disjunction()
        if self.tokens[self.at]:
            raise _error(self.text, f"unexpected {self.tokens[self.at]!r}")
        return value

    def disjunction(self) -> int:
        value = self.conjunction()
        while self.tokens[self.at] in ("|", "+"):
            self.at += 1
            value |= self.conjunction()
        return value

    def conjunction(self) -> int:
        value = self.exclusive()
        while (token := self.tokens[self.at]) and token not in "|+)":
            if token in "&*":
                self.at += 1
            value &= self.exclusive()
        return value

    def exclusive(self) -> int:
        value = self.operand()
        while self.tokens[self.at] == "^":
            self.at += 1
            value ^= self.operand()
        return value

    def operand(self) -> int:
        token = self.tokens[self.at]
        self.at += 1
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise _error(self.text, f"more than {_MAX_NESTING} levels of nesting")
        if token == "!":
            value = self.operand() ^ self.ones
        elif token == "(":
            value = self.disjunction()
            if self.tokens[self.at] != ")":
                raise _error(self.text, "missing ')'")
            self.at += 1
        elif token in self.tables:
            value = self.tables[token]
        else:
            raise _error(self.text, f"an operand is missing before {token or 'its end'!r}")
        self.depth -= 1
        while self.tokens[self.at] == "'":
            self.at += 1
            value ^= self.ones
        return value


def _error(text: str, reason: str) -> LibertyError:
    return LibertyError(
        f"a Boolean function must consist of pin names, 0, 1, ! ' ^ & * | + and parentheses, "
        f"not {text[:80]!r} ({reason})"
    )


def _ones(names: tuple[str, ...]) -> int:
    return (1 << (1 << len(names))) - 1


def _variable(index: int, inputs: int) -> int:
    """Return the truth table of input `index` among `inputs` inputs."""
    run = 1 << index
    block = ((1 << run) - 1) << run  # `run` zeros, then `run` ones
    repeats = ((1 << (1 << inputs)) - 1) // ((1 << (2 * run)) - 1)
    return block * repeats


def _union(*names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in names for name in group))
