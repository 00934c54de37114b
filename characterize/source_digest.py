"""Digests of the program's own sources: what a datapoint depends on besides its configuration.

Comments, docstrings and white space do not count, so a better explanation does not make a
measurement stale; any other change does.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import io
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import flows
import hw
from hw.pe import registry
from hw.pe.registry import PE_TYPES

__all__ = [
    "code_of", "flow_digest", "generator_digest", "glitch_digest", "measurement_digest",
    "simulation_digest",
]  # fmt: skip

_HW = Path(hw.__file__).parent
_SIMULATING = frozenset(
    f"{name}.py" for name in ("bitwise", "compiled", "gate_simulation", "glitches", "state_energy")
)
"""Files of `flows` that the method `simulated` has to itself."""
_NOT_MEASURING = _SIMULATING | {
    f"{name}.py"
    for name in ("__init__", "errors", "scaling", "simulation", "sram", "tools", "warm")
}
_SHARED = ("control", "cut", "datapath", "part", "pe", "pe_type", "spad")
"""Modules of `hw.pe` that generate every PE."""


def code_of(source: str) -> str:
    """Return the tokens of Python source without comments, docstrings and white space."""
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", [])
        for statement in body if isinstance(body, list) else []:
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant):
                docstrings.add((value.lineno, value.col_offset))
    skipped = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
    )
    words = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in skipped
        and not (token.type == tokenize.STRING and token.start in docstrings)
    ]
    return " ".join(words)


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path.name}\n{code_of(path.read_text(encoding='utf-8'))}\n".encode())
    return total.hexdigest()[:16]


@functools.cache
def generator_digest(pe_type: str) -> str:
    """Return the digest of the sources that generate the hardware of one PE type."""
    names = [*_SHARED, *(("block_datapath",) if PE_TYPES[pe_type].scaling else ())]
    shared = {_HW / "config.py", *(_HW / "pe" / f"{name}.py" for name in names)}
    return _digest(shared | _sources(_file_of(pe_type)))


def _file_of(pe_type: str) -> Path:
    """Return the file that the registry imports a PE type from."""
    for module, names in _relative_imports(Path(str(registry.__file__)), level=1):
        if any(getattr(registry, name) is PE_TYPES[pe_type] for name in names):
            return _HW / "pe" / f"{module}.py"
    raise LookupError(f"the registry imports {pe_type!r} from no file beside it")


def _relative_imports(file: Path, level: int) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == level and node.module:
            yield node.module, [alias.name for alias in node.names]


def _sources(path: Path) -> set[Path]:
    """Return a file, the files beside it that it imports, directly or not, and their formats."""
    found, formats, todo = set(), set(), {path}
    while todo:
        file = todo.pop()
        found.add(file)
        beside = (file.parent / f"{module}.py" for module, _ in _relative_imports(file, level=1))
        todo |= {other for other in beside if other.is_file()} - found
        for package, names in _relative_imports(file, level=2):
            if package.split(".")[0] == "formats":
                module = importlib.import_module(f"hw.{package}")
                formats |= {_definition(getattr(module, name)) for name in names}
    return found | formats


def _definition(thing: object) -> Path:
    """Return the file of a class, a function, or the class of an object."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return Path(str(sys.modules[named.__module__].__file__))


@functools.cache
def flow_digest() -> str:
    """Return the digest of the flow's sources: what area, delay and stated energies follow from."""
    folder = Path(next(iter(flows.__path__)))
    tools = [path for path in folder.glob("*.py") if path.name not in _NOT_MEASURING]
    return _digest([*tools, _file_here("actions")])


def _file_here(name: str) -> Path:
    return Path(str(importlib.import_module(f"characterize.{name}").__file__))


@functools.cache
def simulation_digest() -> str:
    """Return the digest of what energies by simulation follow from besides `flow_digest`.

    The digits network and the golden model are among it, the formats of the hardware are in
    `generator_digest`.
    """
    folder = Path(next(iter(flows.__path__)))
    own = ("digits_network", "pe_runs", "simulated_energy", "stimuli")
    sources = [_file_here(name) for name in own]
    golden = [_HW / "pe" / f"{name}.py" for name in ("golden", "row_pass")]
    simulating = [folder / name for name in _SIMULATING if name != "glitches.py"]
    return _digest([*simulating, *sources, *golden])


@functools.cache
def measurement_digest() -> str:
    """Return the digest of all sources that a datapoint's figures follow from."""
    text = f"{flow_digest()} {simulation_digest()} {_digest([_file_here('measure')])}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def glitch_digest() -> str:
    """Return the digest of what glitch factors follow from besides `simulation_digest`."""
    folder = Path(next(iter(flows.__path__)))
    return _digest([folder / "glitches.py", _file_here("glitch_points")])
