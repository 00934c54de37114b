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
from collections.abc import Iterable
from pathlib import Path

import flows
import hw
from hw.pe.registry import PE_TYPES

__all__ = ["code_of", "flow_digest", "generator_digest"]

_HW = Path(hw.__file__).parent
_NOT_MEASURING = ("__init__.py", "errors.py", "simulation.py", "tools.py", "warm.py")
_SHARED = ("control", "datapath", "part", "pe", "pe_type", "spad")
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
    kind = PE_TYPES[pe_type]
    shared = {_HW / "config.py", *(_HW / "pe" / f"{name}.py" for name in _SHARED)}
    formats = {type(fmt).__module__ for fmt in (kind.weight, kind.activation)}
    return _digest(
        shared
        | _with_siblings(Path(str(sys.modules[kind.product.__module__].__file__)))
        | {Path(str(sys.modules[name].__file__)) for name in formats}
    )


def _with_siblings(path: Path) -> set[Path]:
    """Return a file and the files beside it that it imports, directly or not."""
    found, todo = set(), {path}
    while todo:
        file = todo.pop()
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
                beside = file.parent / f"{node.module}.py"
                if beside.is_file() and beside not in found:
                    todo.add(beside)
    return found


@functools.cache
def flow_digest() -> str:
    """Return the digest of the flow's sources and of those that turn netlists into figures."""
    folder = Path(next(iter(flows.__path__)))
    measuring = [
        Path(str(importlib.import_module(f"characterize.{name}").__file__))
        for name in ("actions", "measure")
    ]
    tools = [path for path in folder.glob("*.py") if path.name not in _NOT_MEASURING]
    return _digest(tools + measuring)
