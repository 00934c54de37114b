"""Synthesis by parts: Verilog modules to one flat mapped netlist, by Yosys.

Every module is mapped to the cell library by itself and kept in a cache under the digest of
everything its netlist follows from, so designs that share parts share their synthesis.  Then all
are linked and flattened: cells of the leaf instance `spad` are called
`spad._123_`, and its ports keep their names as nets (`spad.read_data`).

Scripts contain validated module names and fixed file names only; a cached netlist appears whole or
not at all, also with several processes at once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from .clock_gates import GATE_MODULE, GATE_SUFFIX, gate_verilog, standard_clock_gate
from .errors import FlowError, ToolFailed
from .fanout import MAX_FANOUT, limit_fanout
from .liberty import Liberty, read_liberty
from .liberty_cells import Cell
from .libraries import CellLibrary
from .recipe import (
    ABC_SCRIPTS,
    ADDERS,
    DEFAULT_RECIPE,
    Recipe,
    sizing_constraints,
    standard_buffer,
)
from .tools import run_tool, tail, tool_versions, yosys_command

__all__ = ["Synthesis", "synthesize"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECONDS = re.compile(r'\{"seconds": (\d+\.\d+), ')
_TIMEOUT_S = 3600.0

_PART = """\
@READ@
@BLACKBOX@
read_verilog module.v
@GATES@
synth -noabc @OPTIONS@ -top @TOP@
setattr -unset init *
@CLOCKGATE@
dfflibmap -liberty library.lib
opt_expr
opt_clean
abc -liberty library.lib -constr constraints @TARGET@ -script abc.script
setundef -zero
opt_clean -purge
setattr -unset src *
rename -enumerate -pattern _%_
write_json mapped.json
"""
_GATES = f"""\
chtype -set {GATE_MODULE} t:*{GATE_SUFFIX}
read_verilog gates.v"""
_LINK = """\
read_liberty -lib -ignore_miss_func library.lib
@READ@
hierarchy -check -top @TOP@
flatten
delete t:$scopeinfo
setattr -unset hdlname *
opt_clean
write_json netlist.json
splitnets
opt_clean -purge
write_verilog -noattr -noexpr -nohex -nodec -simple-lhs netlist.v
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """A mapped netlist."""

    netlist_verilog: Path
    """Flat Verilog, for OpenSTA and simulation."""
    netlist_json: Path
    """The same netlist as Yosys JSON, with the ports of the parts among its net names."""
    digest: str
    """SHA-256 of the Verilog netlist, first 16 hex digits."""
    cells: int
    """Cells of the library in the netlist."""
    cells_without_area: tuple[str, ...]
    """Kinds of cell in the netlist whose area the library states as zero: its area is too small by
    theirs, and no comparison of areas should rest on it."""
    seconds: float
    """What this call took [s]."""
    synthesis_seconds: float
    """What the whole synthesis takes without a cache [s]: parts as first measured, and the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flow:
    """What all Yosys runs of one synthesis share."""

    recipe: Recipe
    library: Path
    cells: Mapping[str, Cell]
    buffer: Cell
    gate: Cell | None
    """Integrated clock gate, None where the library has none."""
    work_dir: Path
    timeout_s: float

    def run(self, script: str, top: str, parts: Mapping[str, Path], text: str, doing: str) -> Path:
        """Run one script in a folder of its own and return that folder."""
        recipe = self.recipe
        options = " ".join(
            [
                "-booth" if recipe.booth else "",
                "" if recipe.adder == ADDERS[0] else f"-extra-map +/choices/{recipe.adder}.v",
                "" if parts else "-flatten",  # the top keeps its parts
            ]
        )
        gates = recipe.clock_gating and self.gate is not None and GATE_SUFFIX in text
        gate = f"clockgate -liberty library.lib -min_net_size {recipe.min_gated_bits}"
        target = "" if recipe.clock_target_ps is None else f"-D {recipe.clock_target_ps}"
        fields = {
            "@READ@": "\n".join(f"read_json part{index}.json" for index in range(len(parts))),
            "@BLACKBOX@": f"blackbox {' '.join(parts)}" if parts else "",
            "@OPTIONS@": options,
            "@GATES@": _GATES if gates else "",
            "@CLOCKGATE@": gate if recipe.clock_gating else "",
            "@TARGET@": target,
            "@TOP@": top,
        }
        for field, value in fields.items():
            script = script.replace(field, value)
        folder = Path(tempfile.mkdtemp(dir=self.work_dir, prefix=f"{top}-"))
        (folder / "synthesis.ys").write_text(script)
        (folder / "module.v").write_text(text)
        (folder / "gates.v").write_text(gate_verilog(self.gate) if self.gate is not None else "")
        (folder / "constraints").write_text(sizing_constraints(self.buffer))
        (folder / "abc.script").write_text(ABC_SCRIPTS[recipe.script] + "\n")
        _link(self.library, folder / "library.lib")
        for index, path in enumerate(parts.values()):
            _link(path, folder / f"part{index}.json")
        run_tool(
            [*yosys_command(), "-q", "-l", "yosys.log", "-s", "synthesis.ys"],
            tool="yosys",
            doing=doing,
            cwd=folder,
            log=folder / "yosys.log",
            timeout_s=self.timeout_s,
        )
        return folder


def synthesize(
    modules: Mapping[str, str],
    top: str,
    library: CellLibrary,
    *,
    work_dir: Path,
    cache_dir: Path,
    recipe: Recipe = DEFAULT_RECIPE,
    part_recipes: Mapping[str, Recipe] = MappingProxyType({}),
    timeout_s: float = _TIMEOUT_S,
) -> Synthesis:
    """Map a design to a cell library, part by part.

    Parameters
    ----------
    modules
        Verilog text by module name.  The text of a leaf may contain further modules of its own; the
        top instantiates leaves, and leaves do not instantiate each other.
    top
        Name of the top module, one of `modules`.
    library, recipe
        What is mapped to, and how.
    part_recipes
        Recipes of single modules by name; the others get `recipe`.
    work_dir, cache_dir
        Folder that gets the netlist; folder shared by all runs.
    timeout_s
        Time limit of each run of Yosys [s].

    Raises
    ------
    ToolMissing
        Yosys is not installed.
    ToolFailed
        Yosys failed, or something is left that the library has no cell for.
    FlowError
        A module name is none, the top is missing, or a recipe is for no module.
    """
    started = time.perf_counter()
    _check_names(modules, top)
    if unknown := sorted(set(part_recipes) - set(modules)):
        raise FlowError(f"part_recipes must be for modules of the design, not {unknown[0]!r}")
    work_dir.mkdir(parents=True, exist_ok=True)
    liberty = _liberty(library)
    gate = standard_clock_gate(liberty)
    flow = _Flow(
        recipe=recipe,
        library=library.local_copy(cache_dir),
        cells=liberty.cells,
        buffer=_plain(standard_buffer(liberty), library),
        gate=None if gate is None else _plain(gate, library),
        work_dir=work_dir,
        timeout_s=timeout_s,
    )
    gates = "" if flow.gate is None else _GATES + gate_verilog(flow.gate)
    key = (library.digest, _PART, gates, MAX_FANOUT, tool_versions("yosys")["yosys"])
    parts: dict[str, Path] = {}
    synthesis_seconds = 0.0
    for name in [*sorted(set(modules) - {top}), top]:
        # The top depends on the ports of its parts, so on which parts these are.
        known = parts if name == top else {}
        own = part_recipes.get(name, recipe)
        content = (name, modules[name], [p.name for p in known.values()], own.digest(), key)
        digest = hashlib.sha256(repr(content).encode()).hexdigest()[:32]
        target = cache_dir / "parts" / f"{digest}.json"
        seconds = _recorded_seconds(target)
        if seconds is None:
            seconds = _synthesize_part(
                name, modules[name], known, replace(flow, recipe=own), target
            )
        synthesis_seconds += seconds
        parts[name] = target
    linking = time.perf_counter()
    verilog, netlist, kinds = _link_parts(top, parts, flow)
    now = time.perf_counter()
    return Synthesis(
        netlist_verilog=verilog,
        netlist_json=netlist,
        digest=_text_digest(verilog),
        cells=kinds.total(),
        cells_without_area=tuple(sorted(k for k in kinds if not liberty.cells[k].area_um2 > 0)),
        seconds=now - started,
        synthesis_seconds=synthesis_seconds + now - linking,
    )


def _check_names(modules: Mapping[str, str], top: str) -> None:
    for name in (top, *modules):
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            raise FlowError(f"a module's name must be a plain Verilog name, not {name!r}")
    if top not in modules:
        raise FlowError(f"top must be one of the modules {', '.join(sorted(modules))}, not {top!r}")


@functools.lru_cache(maxsize=4)
def _liberty(library: CellLibrary) -> Liberty:
    return read_liberty(library.path)


def _plain(cell: Cell, library: CellLibrary) -> Cell:
    """Return a cell that scripts may name."""
    for name in (cell.name, *cell.pins):
        if not _IDENTIFIER.fullmatch(name):
            raise FlowError(f"{library.path}: a cell's name must be a plain name, not {name!r}")
    return cell


def _synthesize_part(
    name: str, text: str, parts: Mapping[str, Path], flow: _Flow, target: Path
) -> float:
    """Map one module, put its netlist into the cache and return the seconds spent."""
    started = time.perf_counter()
    doing = f"synthesizing {name}"
    folder = flow.run(_PART, name, parts, text, doing)
    module = json.loads(_read_output(folder / "mapped.json", doing))["modules"][name]
    kinds = {cell["type"] for cell in module["cells"].values()}
    _refuse_unmapped(kinds - set(flow.cells) - set(parts), folder, doing)
    limit_fanout(module, flow.cells, flow.buffer)
    for net in [*module["ports"].values(), *module["netnames"].values()]:
        net.pop("signed", None)  # OpenSTA does not know the word
    seconds = time.perf_counter() - started
    netlist = json.dumps({name: module}, separators=(",", ":"))
    _publish(target, f'{{"seconds": {seconds:.3f}, "modules": {netlist}}}\n')
    shutil.rmtree(folder, ignore_errors=True)
    return seconds


def _link_parts(
    top: str, parts: Mapping[str, Path], flow: _Flow
) -> tuple[Path, Path, Counter[str]]:
    """Join the parts to one flat netlist; return its two files and its cells by kind."""
    doing = f"linking {top}"
    folder = flow.run(_LINK, top, parts, "", doing)
    verilog = _read_output(folder / "netlist.v", doing)
    netlist = _read_output(folder / "netlist.json", doing)
    instances = json.loads(netlist)["modules"][top]["cells"].values()
    kinds = Counter(instance["type"] for instance in instances)
    _refuse_unmapped(set(kinds) - set(flow.cells), folder, doing)
    targets = flow.work_dir / f"{top}.v", flow.work_dir / f"{top}.json"
    _publish(targets[0], verilog)
    _publish(targets[1], netlist)
    shutil.rmtree(folder, ignore_errors=True)
    return *targets, kinds


_ENDINGS = {".v": "endmodule\n", ".json": "}\n"}


def _read_output(path: Path, doing: str) -> str:
    """Read what Yosys wrote; a full disk leaves a part of it and an exit status of 0."""
    text = path.read_text() if path.exists() else ""
    if not text.endswith(_ENDINGS[path.suffix]):
        log = path.with_name("yosys.log")
        raise ToolFailed(
            f"yosys left no complete {path.name} while {doing}",
            tool="yosys",
            doing=doing,
            tail=tail(log),
            log=log,
        )
    return text


def _refuse_unmapped(kinds: set[str], folder: Path, doing: str) -> None:
    if kinds:
        raise ToolFailed(
            f"the library lacks cells for {', '.join(sorted(kinds))}, found while {doing}",
            tool="yosys",
            doing=doing,
            log=folder / "yosys.log",
        )


def _recorded_seconds(path: Path) -> float | None:
    """Return the seconds a cached netlist took to make, None where there is none."""
    try:
        with path.open() as file:
            match = _SECONDS.match(file.read(64))
    except FileNotFoundError:
        return None
    return None if match is None else float(match[1])


def _publish(target: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix="partial-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(partial).unlink()


def _link(source: Path, target: Path) -> None:
    """Give a file a plain name; a copy where there can be no second name for it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _text_digest(path: Path) -> str:
    """Return the digest of a netlist without the line that names the tool."""
    with path.open("rb") as file:
        lines = [line for line in file if not line.startswith(b"/* Generated by")]
    return hashlib.sha256(b"".join(lines)).hexdigest()[:16]
