"""Cell libraries: found by name through a search path, or given by path.

A library is a Liberty file, packed by gzip or not.  `find_library` looks, in this order, at a path;
the folders of `$OPENQUIDAM_LIBRARIES`; `cells/` of the checkout; `$PDK_ROOT` laid out as open_pdks
and ciel do; the platforms of OpenROAD-flow-scripts (`$ORFS`, `$FLOW_HOME`); the places where Debian
and source installations put technologies.  The digest is that of the unpacked text, so a packed and
an unpacked copy are one library.  No tool ever sees the file's own path: tools read a private copy
under a name made of the digest alone.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import tempfile
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from .errors import LibertyError, LibraryNotFound

__all__ = ["CellLibrary", "available_libraries", "check_liberty", "find_library"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SUFFIXES = (".lib", ".lib.gz")
_CHUNK = 1 << 20
_COMMENT_OR_SPACE = re.compile(r"(?:\s+|/\*.*?\*/|//[^\n]*\n)*", re.DOTALL)
_OPENING = re.compile(r"library\s*\(")

_HOW_TO_GET = {
    "osu018": "install the Debian package qflow-tech-osu018 (apt-get install qflow-tech-osu018)",
    "osu035": "install the Debian package qflow-tech-osu035 (apt-get install qflow-tech-osu035)",
    "nangate45": (
        "get the typical corner of the Nangate 45 nm Open Cell Library from its distributor or "
        "from OpenROAD-flow-scripts (flow/platforms/nangate45/lib), and put it as "
        "nangate45_typ.lib or nangate45_typ.lib.gz into a folder that $OPENQUIDAM_LIBRARIES "
        "names, or into cells/"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLibrary:
    """A Liberty file that was found and looks like one."""

    name: str
    """What datapoints call it: letters, digits, `_`, `-` and `.`."""
    path: Path
    """The file, perhaps packed by gzip."""
    digest: str
    """SHA-256 of the unpacked text, first 16 hex digits."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise LibraryNotFound(f"a library's name must be {_NAME_RULE}, not {self.name!r}")

    def local_copy(self, cache_dir: Path) -> Path:
        """Unpack the library below `cache_dir` once and return the path of that copy.

        The copy appears whole or not at all, also with several processes at once.

        Raises
        ------
        LibertyError
            The file cannot be read, or is no longer the file that was found.
        """
        target = cache_dir / "libraries" / f"{self.digest}.lib"
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix="partial-")
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as copy:
                for chunk in _chunks(self.path):
                    digest.update(chunk)
                    copy.write(chunk)
            if digest.hexdigest()[:16] != self.digest:
                raise LibertyError(f"{self.path} must not change while it is used, and did")
            Path(partial).replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(partial).unlink()
        return target


_NAME_RULE = "letters, digits, '_', '-' and '.', beginning with a letter or digit"


def find_library(name_or_path: str | Path) -> CellLibrary:
    """Return the cell library with that name, or the one at that path.

    A name stands for a file `NAME.lib`, `NAME_*.lib` (or `.lib.gz`) or a folder `NAME` with such
    files.  Of several corners the typical one at 25 degrees is taken.

    Raises
    ------
    LibraryNotFound
        Nothing or too much was found; the message says where was searched and what to do.
    LibertyError
        The file found is not a Liberty file.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or os.sep in text or text.endswith(_SUFFIXES):
        path = Path(text)
        if not text.endswith(_SUFFIXES) or not path.is_file():
            raise LibraryNotFound(
                f"a library's path must name an existing .lib or .lib.gz file, not {text!r}"
            )
        return _open(
            re.sub(r"[^A-Za-z0-9_.-]+|^[^A-Za-z0-9]+", "_", _stem(path)).lstrip("_.-"), path
        )
    if not _NAME.fullmatch(text):
        raise LibraryNotFound(f"a library's name must be {_NAME_RULE}, not {text!r}")
    for _, folder in _places():
        if files := _matches(folder, text):
            return _open(text, _typical(text, files))
    raise LibraryNotFound(_explain(text))


def available_libraries() -> tuple[str, ...]:
    """Return the names under which libraries can be found now, sorted."""
    names: set[str] = set()
    for _, folder in _places():
        for entry in _entries(folder):
            if entry.is_dir():
                if _NAME.fullmatch(entry.name) and _matches(folder, entry.name):
                    names.add(entry.name)
            elif entry.name.endswith(_SUFFIXES) and _NAME.fullmatch(_stem(entry)):
                names.add(_stem(entry))
    return tuple(sorted(names))


def check_liberty(path: Path) -> None:
    """Raise `LibertyError` unless the file begins as a Liberty file does: `library (`."""
    start = b""
    with contextlib.closing(_chunks(path)) as chunks:
        for chunk in chunks:
            start = chunk
            break
    text = start.decode("latin-1").removeprefix("\u00ef\u00bb\u00bf")
    at = _COMMENT_OR_SPACE.match(text)
    if at is None or not _OPENING.match(text, at.end()):
        found = text[at.end() if at else 0 :][:40]
        raise LibertyError(f"{path}: a Liberty file must begin with 'library (', not {found!r}")


def _open(name: str, path: Path) -> CellLibrary:
    check_liberty(path)
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return CellLibrary(name=name or "library", path=path, digest=digest.hexdigest()[:16])


def _chunks(path: Path) -> Generator[bytes, None, None]:
    """Yield the unpacked content piece by piece; the whole never stands in memory."""
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise LibertyError(f"{path}: the library cannot be read: {error}") from None


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".lib")


def _places() -> list[tuple[str, Path]]:
    """Return the folders to search, each with what led there."""
    places = [
        ("$OPENQUIDAM_LIBRARIES", Path(entry))
        for entry in os.environ.get("OPENQUIDAM_LIBRARIES", "").split(os.pathsep)
        if entry
    ]
    places.append(("cells/ of the checkout", Path(__file__).resolve().parent.parent / "cells"))
    roots = [("$PDK_ROOT", Path(os.environ["PDK_ROOT"]))] if os.environ.get("PDK_ROOT") else []
    roots += [("PDKs", Path("/usr/share/pdk")), ("PDKs", Path("/usr/local/share/pdk"))]
    for origin, root in roots:
        places += [(origin, pdk / "libs.ref") for pdk in _entries(root) if pdk.is_dir()]
        places.append((origin, root))
    for variable in ("ORFS", "FLOW_HOME"):
        if root_text := os.environ.get(variable):
            places.append((f"${variable}", Path(root_text, "platforms")))
            places.append((f"${variable}", Path(root_text, "flow", "platforms")))
    places += [
        ("qflow", Path("/usr/share/qflow/tech")),
        ("qflow", Path("/usr/local/share/qflow/tech")),
    ]
    return places


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # absent, no folder, or not ours to read: nothing to be found there
        return []


def _matches(folder: Path, name: str) -> list[Path]:
    """Return the Liberty files that `name` may stand for in one folder."""
    files = [e for e in _entries(folder) if e.name.endswith(_SUFFIXES) and e.is_file()]
    exact = [f for f in files if _stem(f) == name]
    if exact:
        return exact
    # "osu05" must not find osu050_stdcells.lib: the name ends where letters and digits do.
    longer = [f for f in files if _stem(f).startswith(name) and not _stem(f)[len(name)].isalnum()]
    inside = [
        entry
        for sub in (folder / name, folder / name / "lib")
        for entry in _entries(sub)
        if entry.name.endswith(_SUFFIXES) and entry.is_file()
    ]
    return longer + inside


def _typical(name: str, files: list[Path]) -> Path:
    """Choose the typical corner among several files."""
    by_stem = {_stem(f): f for f in reversed(files)}  # packed and unpacked copies are one
    if len(by_stem) == 1:
        return files[0]
    typical = [
        s
        for s in by_stem
        if re.search(r"(?:^|[^a-z])(?:typ|tt)(?:[^a-su-z]|ical)", f"{s}_".lower())
    ]
    room = [s for s in typical if re.search(r"(?<!\d)0?25c", s.lower())]
    for choice in (typical, room):
        if len(choice) == 1:
            return by_stem[choice[0]]
    listed = "\n".join(f"  {path}" for path in files)
    raise LibraryNotFound(
        f"library {name!r} has several files and none is the only typical one; "
        f"give one of these paths instead of the name:\n{listed}"
    )


def _explain(name: str) -> str:
    lines = [f"no cell library {name!r} was found; searched:"]
    lines += [f"  {folder} ({origin})" for origin, folder in _places()]
    lines.append(f"libraries found: {', '.join(available_libraries()) or 'none'}")
    advice = _HOW_TO_GET.get(name)
    if advice is not None:
        lines.append(f"to have {name}: {advice}")
    else:
        lines.append("give the path of a .lib or .lib.gz file, or put it into one of these folders")
    return "\n".join(lines)
