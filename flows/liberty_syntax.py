"""Syntax of Liberty files: text in, a tree of groups out.

Liberty has three statements: a group `name (arguments) { ... }`, a simple attribute
`name : value ;` and a complex attribute `name (arguments) ;`.  One regular expression recognises a
statement with the blanks and comments before it, and a stack holds the open groups, so a library
of several megabytes takes well under a second and no nesting is too deep.  Like most readers this
one accepts a missing `;` at the end of a line.  Anything else is a `LibertyError` with file and
line.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from .errors import LibertyError

__all__ = ["Group", "Source", "parse_groups", "read_text"]

_GAP = r"(?:[\s;]|\\\r?\n|/\*[\s\S]*?\*/|//[^\n]*)*+"
_SPACE = r"(?:\s|\\\r?\n|/\*[\s\S]*?\*/)*+"
_STRING = r'"(?:[^"\\]|\\[\s\S])*+"'
_STATEMENT = re.compile(
    rf"""{_GAP}(?:(?P<close>\}})
    |(?P<name>[A-Za-z_][\w.\-]*|{_STRING}){_SPACE}
     (?::{_SPACE}(?P<value>{_STRING}|[^;\n{{}}"]*)
     |\((?P<args>(?:[^(){{}};"]|{_STRING})*+)\){_SPACE}(?P<open>\{{)?))""",
    re.VERBOSE,
)
_END = re.compile(_GAP + r"\Z")
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\[\s\S])*+)"|([^\s,"\\]+)')
_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")


class Source:
    """A Liberty text and where it came from; makes errors that name the line."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    def fail(self, position: int, message: str) -> NoReturn:
        """Raise a `LibertyError` for the text at `position`."""
        line = self.text.count("\n", 0, position) + 1
        raise LibertyError(f"{self.path}:{line}: {message}")


class Group:
    """One group: its name, arguments, attributes and inner groups, in the order of the file."""

    __slots__ = ("complex", "groups", "name", "position", "simple", "source", "text")

    def __init__(self, source: Source, name: str, text: str, position: int) -> None:
        self.source = source
        self.name = name
        self.text = text
        self.position = position
        self.simple: dict[str, tuple[str, int]] = {}
        self.complex: dict[str, list[tuple[str, int]]] = {}
        self.groups: list[Group] = []

    @property
    def arguments(self) -> list[str]:
        """Arguments in parentheses, without quotes."""
        return [quoted or bare for quoted, bare in _ARGUMENT.findall(self.text)]

    @property
    def label(self) -> str:
        """Name and arguments, as an error message quotes them."""
        return f"{self.name} ({', '.join(self.arguments)})"

    def named(self, *names: str) -> Iterator[Group]:
        """Yield the inner groups that have one of these names."""
        return (group for group in self.groups if group.name in names)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return a simple attribute as text, or `default`."""
        return self.simple[name][0] if name in self.simple else default

    def number(self, name: str) -> float | None:
        """Return a simple attribute as a number, or None where there is none."""
        if name not in self.simple:
            return None
        text, position = self.simple[name]
        return self.to_number(text, f"{name} of {self.label}", position)

    def to_number(self, text: str, what: str, position: int | None = None) -> float:
        """Convert text to a number of sane size or fail."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < 1e20:
            self.source.fail(
                self.position if position is None else position,
                f"{what} must be a number, not {text[:40]!r}",
            )
        return value

    def lists(self, name: str) -> list[list[str]]:
        """Return the arguments of each occurrence of a complex attribute."""
        return [
            [quoted or bare for quoted, bare in _ARGUMENT.findall(text)]
            for text, _ in self.complex.get(name, [])
        ]

    def fail(self, message: str) -> NoReturn:
        """Raise a `LibertyError` that names the line of this group."""
        self.source.fail(self.position, message)


def read_text(path: Path) -> str:
    """Return the text of a Liberty file, unpacked if it is a gzip file."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise LibertyError(f"{path}: cannot be read: {error}") from error
    return data.decode("latin-1")


def parse_groups(source: Source) -> Group:
    """Return the outermost group of a Liberty text.

    Raises
    ------
    LibertyError
        If the text is not Liberty or ends early.
    """
    text = source.text
    position = 0
    open_groups: list[Group] = []
    match_at = _STATEMENT.match
    while True:
        match = match_at(text, position)
        if match is None:
            _fail_at(source, position, open_groups)
        close, name, value, arguments, opens = match.groups()
        start = match.start("name") if name is not None else match.start("close")
        position = match.end()
        if close is not None:
            if not open_groups:
                source.fail(start, "not Liberty: a '}' that closes nothing")
            group = open_groups.pop()
            if not open_groups:
                _check_end(source, position)
                return group
            continue
        if name[0] == '"':
            name = name[1:-1]
        if opens is not None:
            group = Group(source, name, arguments, start)
            if open_groups:
                open_groups[-1].groups.append(group)
            open_groups.append(group)
        elif not open_groups:
            source.fail(start, "not Liberty: the file must begin with 'library (NAME) {'")
        elif value is not None:
            open_groups[-1].simple[name] = (_plain(value), start)
        else:
            open_groups[-1].complex.setdefault(name, []).append((arguments, start))


def _plain(value: str) -> str:
    """Strip quotes, blanks and a trailing comment from the value of a simple attribute."""
    if value[:1] == '"':
        return value[1:-1].strip()
    if "/" in value:
        value = _COMMENT.sub("", value)
    return value.strip()


def _check_end(source: Source, position: int) -> None:
    if _END.match(source.text, position) is None:
        source.fail(position, "not Liberty: text after the '}' that closes the library")


def _fail_at(source: Source, position: int, open_groups: list[Group]) -> NoReturn:
    if not open_groups:
        source.fail(position, "not Liberty: the file must begin with 'library (NAME) {'")
    if _END.match(source.text, position) is not None:
        group = open_groups[-1]
        group.fail(f"truncated: {group.label} is not closed by a '}}' before the end of the file")
    gap = re.compile(_GAP).match(source.text, position)
    start = gap.end() if gap else position
    rest = source.text[start : start + 40].split("\n")[0]
    source.fail(
        start,
        "a statement must be 'name : value;', 'name (arguments);' or 'name (arguments) {', "
        f"not {rest!r} (in {open_groups[-1].label})",
    )
