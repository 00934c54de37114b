"""Small circuits for the tests: a netlist written as a list of cells, read back as Yosys JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.errors import LibraryNotFound
from flows.liberty import Liberty, read_liberty
from flows.libraries import find_library
from flows.netlist import Netlist, read_netlist
from flows.tools import yosys_command

DATA = Path(__file__).parent / "data"
TINY = DATA / "tiny.lib"

Bits = str | list[str]


def circuit(
    folder: Path,
    library: Liberty,
    cells: Mapping[str, tuple[str, Mapping[str, str]]],
    inputs: Mapping[str, Bits],
    outputs: Mapping[str, Bits],
) -> Netlist:
    """Return a netlist: `cells[name] = (type, {pin: net})`, nets by name, "0" and "1" constants."""
    numbers: dict[str, int | str] = {"0": "0", "1": "1"}

    def bits(nets: Bits) -> list[int | str]:
        each = [nets] if isinstance(nets, str) else nets
        return [numbers.setdefault(net, len(numbers)) for net in each]

    ports = {n: {"direction": "input", "bits": bits(b)} for n, b in inputs.items()}
    ports |= {n: {"direction": "output", "bits": bits(b)} for n, b in outputs.items()}
    body = {
        name: {"type": kind, "connections": {pin: bits(net) for pin, net in pins.items()}}
        for name, (kind, pins) in cells.items()
    }
    names = {n: {"bits": [number]} for n, number in numbers.items() if isinstance(number, int)}
    names |= {n: {"bits": port["bits"]} for n, port in ports.items()}
    path = folder / "circuit.json"
    module = {"ports": ports, "cells": body, "netnames": names}
    path.write_text(json.dumps({"modules": {"top": module}}), encoding="utf-8")
    return read_netlist(path, "top", library)


def library_path(name: str) -> Path:
    """Return the Liberty file of a library or skip the test."""
    try:
        return find_library(name).path
    except LibraryNotFound as error:
        pytest.skip(str(error))


def mapped_verilog(folder: Path, name: str, top: str, liberty: Path) -> Netlist:
    """Read a Verilog netlist of library cells with Yosys; `folder` is where it works."""
    library = read_liberty(liberty)
    # Yosys only needs the ports of the cells: a stub of each is quicker than the whole library.
    stubs = []
    for cell in library.cells.values():
        pins = [p for p in cell.pins.values() if p.direction in ("input", "output")]
        listed = ", ".join(f"{p.direction} {p.name}" for p in pins)
        stubs.append(f"(* blackbox *) module {cell.name} ({listed}); endmodule\n")
    (folder / "stubs.v").write_text("".join(stubs), encoding="utf-8")
    (folder / "netlist.v").write_text((DATA / name).read_text("utf-8"), encoding="utf-8")
    script = f"read_verilog stubs.v netlist.v; hierarchy -top {top}; write_json netlist.json"
    run = subprocess.run(
        [*yosys_command(), "-q", "-l", "yosys.log", "-p", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return read_netlist(folder / "netlist.json", top, library)
