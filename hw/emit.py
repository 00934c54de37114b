"""`python -m hw.emit`: the Verilog of one PE point, or of a job's whole accelerator.

Beside the Verilog stands a JSON sidecar: the configuration and its digest, the ports of the top
module, the memories it needs, and the versions the text depends on; for a PE also its parts, for a
job registers and expectations, and a bench (`hw.emit_accelerator`).  The bytes written are the same
in every folder and under every hash seed.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .atomic_file import write_atomically
from .command import run_command
from .config import SPAD_KINDS, PEConfig
from .config_file import load_config
from .emit_accelerator import VERSIONED, component_ports, emit_job
from .errors import ConfigError, HwError
from .job import load_job
from .pe.pe import PE, pe_modules
from .pe.registry import PE_TYPES
from .pe.spad import MacroSpad
from .verilog import start_processes

__all__ = ["emit_pe", "main"]


def emit_pe(config: PEConfig, folder: Path) -> tuple[Path, Path]:
    """Write `<top>.v` and `<top>.json` into a folder and return their paths.

    Both files are complete or absent: each is written beside its place and then renamed.
    """
    pe = PE(config)
    top, modules = pe_modules(pe)
    verilog = start_processes("\n".join(modules.values()))
    sidecar = json.dumps(_sidecar(pe, top, verilog), indent=2, sort_keys=True) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{top}.v", folder / f"{top}.json"
    for path, text in zip(paths, (verilog, sidecar), strict=True):
        write_atomically(path, text)
    return paths


def _sidecar(pe: PE, top: str, verilog: str) -> dict[str, Any]:
    config = pe.point
    pe_type = PE_TYPES[config.pe_type]
    memories = {
        f"{name}_memory{bank}": {"words": spad.bank_words, "bits": spad.bits, "ports": 1}
        for name, spad in pe.spads.items()
        if isinstance(spad, MacroSpad)
        for bank in range(spad.banks)
    }
    return {
        "config": dataclasses.asdict(config),
        "config_digest": config.digest(),
        "top": top,
        "clock": "clk",
        "reset": "rst",
        "ports": component_ports(pe),
        "parts": {name: part.module_name for name, part in pe.parts.items()},
        "memories": memories,
        "pe_type": {
            "description": pe_type.description,
            "weight": str(pe_type.weight),
            "activation": str(pe_type.activation),
            "product_bits": pe_type.product_bits,
            "fraction_bits": pe_type.fraction_bits,
            "channel_lanes": pe_type.channel_lanes,
            "filter_lanes": pe_type.filter_lanes,
            "terms": pe_type.terms,
            "scale_words": pe_type.scaling.words if pe_type.scaling else 0,
            "relative_error": pe_type.relative_error,
            "absolute_error": pe_type.absolute_error,
        },
        "pipeline_depth": config.depth,
        "psum_latency": config.psum_latency,
        "psum_bits": config.psum_width,
        "saturating": config.saturating,
        "verilog_sha256": hashlib.sha256(verilog.encode()).hexdigest(),
        "versions": {name: version(name) for name in VERSIONED},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hw.emit",
        description="Write the Verilog of one PE and a JSON sidecar (configuration, ports, …), or, "
        "for a job of `python -m dse.job`, a whole accelerator with a testbench of its layer.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pe", metavar="TYPE", help=f"PE type: {', '.join(sorted(PE_TYPES))}")
    source.add_argument("--config", metavar="FILE", help="YAML file with the fields of PEConfig")
    source.add_argument("--job", metavar="FILE", help="YAML file with the fields of hw.job.Job")
    for name, what in (("ifmap", "activations"), ("filter", "weights"), ("psum", "partial sums")):
        parser.add_argument(
            f"--{name}-spad", type=int, metavar="WORDS", help=f"words of the scratchpad for {what}"
        )
        parser.add_argument(f"--{name}-spad-kind", choices=SPAD_KINDS, help="its storage")
    parser.add_argument(
        "--psum-bits", type=int, metavar="N", help="psum width; default: exact, less saturates"
    )
    parser.add_argument("--psum-depth", type=int, metavar="N", help="accumulations that are exact")
    parser.add_argument(
        "--pipeline-depth", type=int, metavar="N", help="1 to 3; default: the PE type's own"
    )
    parser.add_argument(
        "--decoders", choices=("pe", "edge"), help="where codes are decoded; default: in the PE"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder to write into")
    parser.add_argument(
        "--simulate", choices=("icarus", "verilator"), help="then run the job's testbench"
    )
    return parser


def _emit_job(job: str, folder: Path, simulator: str | None) -> int:
    for path in emit_job(load_job(job), folder):
        print(path)
    if simulator is None:
        return 0
    sys.stdout.flush()  # before the simulation's line
    command = [sys.executable, str(folder / "run.py"), "--simulator", simulator]
    return subprocess.run(command, check=False).returncode


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = vars(_parser().parse_args(argv))

    def command() -> int | None:
        fields = {field.name for field in dataclasses.fields(PEConfig)}
        given = {k: v for k, v in arguments.items() if k in fields and v is not None}
        if not arguments["output"]:
            raise ConfigError("--output must name a folder, not ''")
        folder = Path(arguments["output"])
        if arguments["job"] is not None:
            if given:
                options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
                raise ConfigError(f"--job must come without {options}: the job names the PE")
            return _emit_job(arguments["job"], folder, arguments["simulate"])
        if arguments["simulate"] is not None:
            raise ConfigError("--simulate must come with --job")
        if arguments["config"] is None:
            config = PEConfig(pe_type=arguments["pe"], **given)
        else:
            config = dataclasses.replace(load_config(arguments["config"], PEConfig), **given)
        for path in emit_pe(config, folder):
            print(path)
        return None

    return run_command(command, failures=(HwError,))


if __name__ == "__main__":
    sys.exit(main())
