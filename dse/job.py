"""`python -m dse.job`: the job of one layer on a point of a front, for `python -m hw.emit --job`.

The point is a row of the Pareto front that `dse.explore` wrote.  It is evaluated again with the
options of that exploration, which gives the mapping the exploration believed in; figures that are
no longer the same are an error.  What a design point leaves open follows from it: an off-chip
stream is as wide as the DRAM rate at the point's clock, memories are as slow as the modelled ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hw.accelerator_config import HardwareConfig
from hw.command import run_command
from hw.config import AcceleratorConfig
from hw.errors import ConfigError, HwError, nearest
from hw.job import Job, fitting_requantize, write_job
from hw.layer import Layer
from hw.mapping import Mapping
from hw.pe.registry import PE_TYPES
from models.dram import dram_kind
from models.errors import ModelError
from models.sram import FlowError

from .errors import DesignError, DseError, WorkloadError
from .evaluation import evaluate
from .explore import RECORDED, load_models, load_workload
from .global_buffer import GlobalBuffer
from .layer_runs import LayerRun, layer_runs
from .shell_costs import off_chip_bytes
from .space import AXES, Space
from .variants import Variant, fitted_variants
from .workloads import Network

__all__ = ["crop_layer", "crop_mapping", "main"]

_CROPPED = ("n", "c", "h", "w", "m", "groups")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dse.job",
        description="Write the job of one layer on a point of a Pareto front: hardware, layer and "
        "mapping as YAML, which `python -m hw.emit --job` turns into Verilog and a testbench.",
    )
    parser.add_argument(
        "--front", required=True, type=Path, metavar="DIR",
        help="folder that dse.explore wrote, or its summary.json",
    )  # fmt: skip
    parser.add_argument(
        "--point", required=True, type=int, metavar="N", help="number of the point in the front"
    )
    parser.add_argument("--layer", required=True, metavar="NAME", help="layer of the network")
    parser.add_argument(
        "--crop", metavar="KEY=N,…",
        help=f"a smaller layer, to simulate ({', '.join(_CROPPED)}); the mapping shrinks with it",
    )  # fmt: skip
    parser.add_argument("--bias", action="store_true", help="psums begin with a bias")
    parser.add_argument("--relu", action="store_true", help="negative outputs become zero")
    parser.add_argument("--psums", action="store_true", help="psums leave as they are")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the random tensors")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="YAML")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: _write(arguments),
        failures=(DseError, ModelError, FlowError, HwError),
        usage_errors=(WorkloadError, DesignError),
    )


def _write(arguments: argparse.Namespace) -> None:
    options, front = _read_front(arguments.front)
    if not 1 <= arguments.point <= len(front):
        raise DesignError(
            f"--point must be from 1 to {len(front)}, the points of the front, "
            f"not {arguments.point}"
        )
    point = front[arguments.point - 1]
    network = load_workload(options)
    layer, run = _run(network, arguments.layer, point["pe_type"])
    hardware, mapping, explored_cycles = _evaluated(point, options, network, layer, run)
    shape = run.layer
    crop = {}
    if arguments.crop is not None:
        crop = _sizes(arguments.crop)
        shape = crop_layer(shape, crop)
        mapping = crop_mapping(mapping, run.layer, shape)
    job = Job(
        hardware=hardware, layer=shape, mapping=mapping, terms=run.terms, bias=arguments.bias,
        seed=arguments.seed,
    )  # fmt: skip
    if arguments.relu and (arguments.psums or not hardware.requantizes):
        raise ConfigError("--relu must come with requantized outputs, not with psums")
    if hardware.requantizes and not arguments.psums:
        requantize = fitting_requantize(job, relu=arguments.relu)
        job = dataclasses.replace(job, requantize=requantize)
    counts = job.program().counts()
    cycles = float(counts.setup_cycles) + float(counts.cycles)
    note = (
        f"Point {arguments.point} of the {len(front)} of the front of {network.name} on "
        f"{options.library}:\n{point['variant']}, {point['spad_kind']} scratchpads; layer "
        f"{run.layer.name!r} with the mapping of the exploration, in which it takes\n"
        f"{explored_cycles:,.0f} cycles with its set-up"
    )
    if crop:
        note += (
            f".  Here the layer is cropped, and its mapping shrunk where it had\nto: {cycles:,.0f} "
            f"cycles are predicted for what is left."
        )
    else:
        note += (
            f"; {cycles:,.0f} are predicted for the hardware below, with\noff-chip streams of "
            f"{hardware.off_chip_bytes} bytes."
        )
    write_job(arguments.output, job, note)
    print(note + f"\nwritten: {arguments.output}", file=sys.stderr)


def _read_front(path: Path) -> tuple[argparse.Namespace, list[dict[str, Any]]]:
    """Return the options and the front of an exploration."""
    file = path / "summary.json" if path.is_dir() else path
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DesignError(f"cannot read {str(file)!r}: {reason}") from None
    except ValueError as error:
        raise DesignError(f"{file}: must be the summary.json of dse.explore: {error}") from None
    try:
        options = {name: value["facts"]["options"][name] for name in RECORDED}
        return argparse.Namespace(**options), list(value["front"])
    except (KeyError, TypeError):
        raise DesignError(
            f"{file}: must be a summary.json with the options of its exploration; "
            f"run dse.explore again"
        ) from None


def _run(network: Network, name: str, pe_type: str) -> tuple[Layer, LayerRun]:
    """Return a layer and how it runs: once, or once for each number of terms of its filters."""
    kind = PE_TYPES[pe_type]
    runs = {
        run.layer.name: (layer, run)
        for layer in network.layers
        for run in layer_runs(layer, kind, network.term_mixes.get(layer.name))
    }
    if name not in runs:
        raise WorkloadError(f"--layer must be {nearest(name, runs)}, not {name!r}")
    return runs[name]


def _evaluated(
    point: dict[str, Any],
    options: argparse.Namespace,
    network: Network,
    layer: Layer,
    run: LayerRun,
) -> tuple[HardwareConfig, Mapping, float]:
    """Return the hardware of a point, and the mapping of a run of a layer on it with its cycles."""
    model, sram, overhead, shells = load_models(options)
    variant = _variant(point, fitted_variants(model, (point["pe_type"],), (point["spad_kind"],)))
    space = Space(
        columns={name: np.array([float(point[name])]) for name in AXES}, how="one design point"
    )
    alone = dataclasses.replace(network, layers=(layer,))
    result, costs = evaluate(
        variant, space, alone, model=model, sram=sram, dram=dram_kind(options.dram),
        overhead=overhead, shells=shells, keep_layers=True,
    )  # fmt: skip
    period_ns = float(result.period_ns[0])
    if not math.isclose(period_ns, point["period_ns"], rel_tol=1e-9):
        raise DesignError(
            f"the period of the point must be the {point['period_ns']:.6g} ns of the exploration, "
            f"not {period_ns:.6g}: its models have changed since; run dse.explore again"
        )
    cost = next(cost for cost in costs if cost.name == run.layer.name)
    columns = {name: int(point[name]) for name in AXES if "spad" not in name}
    design = AcceleratorConfig(
        pe=variant.pe_config(*(int(point[f"{name}_spad"]) for name in ("ifmap", "filter", "psum"))),
        **(columns | {"dram_gb_per_s": point["dram_gb_per_s"]}),
    )
    kib, port = np.array([design.glb_kib]), np.array([design.glb_bytes_per_cycle])
    glb = GlobalBuffer.of(sram, kib, port)
    hardware = HardwareConfig(
        design=design,
        off_chip_bytes=int(
            off_chip_bytes(design.dram_gb_per_s, period_ns, design.glb_bytes_per_cycle)
        ),
        memory_latency=int(glb.access_cycles(result.period_ns)[0]),
    )
    return hardware, cost.mapping.mapping(0), float(cost.cycles[0])


def _variant(point: dict[str, Any], variants: list[Variant]) -> Variant:
    for variant in variants:
        if variant.name == point["variant"]:
            return variant
    raise DesignError(
        f"{point['variant']} with {point['spad_kind']} scratchpads is no longer a variant of the "
        f"models; run dse.explore again"
    )


def _sizes(text: str) -> dict[str, int]:
    """Return the sizes written as `c=8,h=10`."""
    sizes = {}
    for part in text.split(","):
        name, equals, number = part.partition("=")
        if name not in _CROPPED or not equals or not number.isdecimal() or name in sizes:
            raise ConfigError(
                f"--crop must be sizes such as c=8,h=10, each of {', '.join(_CROPPED)} at most "
                f"once, not {text!r}"
            )
        sizes[name] = int(number)
    return sizes


def crop_layer(layer: Layer, sizes: dict[str, int]) -> Layer:
    """Return a smaller layer whose name says what was cropped.

    Raises
    ------
    ConfigError
        Where a size is larger than the layer's, or no layer has such sizes.
    """
    for name, value in sizes.items():
        if value > getattr(layer, name):
            raise ConfigError(
                f"--crop: {name} of layer {layer.name!r} must be at most {getattr(layer, name)}, "
                f"not {value}"
            )
    changed = [f"{name}={value}" for name, value in sizes.items()]
    title = f"{layer.name}, cropped to {' '.join(changed)}"
    return dataclasses.replace(layer, name=title, **sizes)


def crop_mapping(mapping: Mapping, layer: Layer, cropped: Layer) -> Mapping:
    """Return the mapping of a layer for a smaller one: each integer as much as there is left."""
    c, filters = cropped.c // cropped.groups, cropped.m // cropped.groups
    p, q = min(mapping.p, filters), min(mapping.q, c)
    t, r = min(mapping.t, -(-filters // p)), min(mapping.r, -(-c // q))
    # All filters stay all filters; else m is a multiple of p*t, which then is as before.
    everything = mapping.m == layer.m // layer.groups or mapping.m > filters or p * t > mapping.m
    return Mapping(
        m=filters if everything else mapping.m,
        n=max(n for n in range(1, min(mapping.n, cropped.n) + 1) if cropped.n % n == 0),
        e=min(mapping.e, cropped.e),
        p=p,
        q=q,
        r=r,
        t=t,
    )


if __name__ == "__main__":
    sys.exit(main())
