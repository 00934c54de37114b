"""`python -m dse.explore`: ask the fitted models for the best accelerators of a network."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from hw.command import run_command
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES
from models.array_overhead import ArrayOverhead
from models.dram import DEFAULT_DRAM, DRAM_KINDS, dram_kind
from models.errors import ModelError
from models.ppa import PPAModel
from models.shell_overhead import ShellModel
from models.sram import DEFAULT_DEVICE, DEVICES, NODES_NM, FlowError, SramModel, node_of_library

from .array_costs import extrapolated, not_counted
from .errors import DesignError, DseError, WorkloadError
from .parallel import evaluate_all
from .plots import plot_exploration
from .report import as_json, text_report, write_files
from .space import exhaustive_space, sample_space
from .summary import summarize
from .term_mix import TermMix
from .variants import BASELINE, RIVALS, SPAD_KINDS, fitted_variants
from .workloads import Network, load_network, network_names

__all__ = [
    "RECORDED",
    "add_model_options",
    "add_workload_options",
    "load_models",
    "load_workload",
    "main",
]

RECORDED = ("network", "batch", "flightnn_mix", "library", "node", "sram_device", "dram")
"""Options that a point of the front needs to be evaluated again (`dse.job`)."""
MAPPINGS = Path("build/cache/mappings")
_ENERGIES = {"on-chip": "on_chip_mj", "total": "total_mj"}


def add_workload_options(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the options that say which network runs; without a default it must be named."""
    parser.add_argument(
        "--network",
        default=default,
        required=default is None,
        metavar="N",
        help=f"{', '.join(network_names())}, or a layer table (.yaml, .csv)",
    )
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images per run")
    parser.add_argument(
        "--flightnn-mix",
        metavar="K0,K1,K2",
        help="shares of filters with 0, 1 and 2 terms, for layers without a mix of their own "
        "(columns k0, k1, k2); default: all filters have the most terms",
    )


def load_workload(arguments: argparse.Namespace) -> Network:
    """Return the network the options ask for."""
    network = load_network(arguments.network)
    if arguments.batch < 1:
        raise ConfigError(f"--batch must be at least 1, not {arguments.batch}")
    if arguments.flightnn_mix is not None:
        network = network.with_mix(TermMix.parse(arguments.flightnn_mix))
    return network.batched(arguments.batch)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which models stand in for the hardware."""
    group = parser.add_argument_group("models")
    group.add_argument(
        "--library", default="nangate45", metavar="L", help="fitted library, or a model file"
    )
    group.add_argument(
        "--node", type=int, choices=NODES_NM, help="SRAM node [nm]; default: the library's"
    )
    group.add_argument(
        "--sram-device", choices=DEVICES, default=DEFAULT_DEVICE, help="SRAM transistors"
    )
    group.add_argument(
        "--dram", choices=sorted(DRAM_KINDS), default=DEFAULT_DRAM, help="off-chip memory"
    )


def load_models(
    arguments: argparse.Namespace,
) -> tuple[PPAModel, SramModel, ArrayOverhead | None, ShellModel | None]:
    """Return the models the options ask for: of PEs, of memories and, if there are such, of arrays
    and of shells."""
    model = PPAModel.load(arguments.library)
    node = arguments.node or node_of_library(model.library)
    sram = SramModel(node, arguments.sram_device)
    return model, sram, ArrayOverhead.find(model.library), ShellModel.find(model.library)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dse.explore",
        description="Explore accelerators for one network with fitted models: best points per PE "
        "type, gains over the best INT16, splits, spreads and the Pareto front.",
    )
    add_workload_options(parser, default="vgg16")
    add_model_options(parser)
    space = parser.add_argument_group("design points")
    space.add_argument("--exhaustive", action="store_true", help="the whole default space")
    space.add_argument(
        "--samples", type=int, default=20_000, metavar="N", help="points per PE type (20,000)"
    )
    space.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the sample")
    space.add_argument(
        "--pe",
        action="append",
        default=[],
        metavar="TYPE",
        help=f"only these PE types beside {BASELINE}, {' and '.join(RIVALS)} (repeat)",
    )
    space.add_argument(
        "--spads", choices=SPAD_KINDS, action="append", default=[], help="only this kind"
    )
    out = parser.add_argument_group("results")
    out.add_argument(
        "--energy", choices=_ENERGIES, default="on-chip", help="energy of the Pareto front"
    )
    out.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder; default build/explore/…"
    )
    out.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: _explore(arguments),
        failures=(DseError, ModelError, FlowError, HwError),
        usage_errors=(WorkloadError, DesignError),
    )


def _explore(arguments: argparse.Namespace) -> None:
    network = load_workload(arguments)
    if arguments.seed < 0:
        raise ConfigError(f"--seed must not be negative, not {arguments.seed}")
    model, sram, overhead, shells = load_models(arguments)
    for name in arguments.pe:
        if name not in model.pe_types:
            raise ConfigError(f"--pe must be {nearest(name, model.pe_types)}, not {name!r}")
    kinds = arguments.spads or SPAD_KINDS
    fitted = {variant.pe_type for variant in fitted_variants(model, (), kinds)}
    compared = {BASELINE, *fitted.intersection(RIVALS)}
    types = compared.union(arguments.pe) if arguments.pe else ()
    variants = fitted_variants(model, sorted(types), kinds)
    exhaustive = arguments.exhaustive
    # The kind of scratchpad is an axis of the space: a PE type's points are those of all kinds.
    explored_kinds = len({variant.spad_kind for variant in variants})
    space = (
        exhaustive_space()
        if exhaustive
        else sample_space(-(-arguments.samples // explored_kinds), seed=arguments.seed)
    )
    dram = dram_kind(arguments.dram)
    start = time.perf_counter()
    evaluations = evaluate_all(
        variants,
        space,
        network,
        model=model,
        sram=sram,
        dram=dram,
        overhead=overhead,
        shells=shells,
        cache=None if exhaustive else MAPPINGS,  # a whole space would fill gigabytes
    )
    seconds = time.perf_counter() - start
    energy = _ENERGIES[arguments.energy]
    summary = summarize(evaluations, space, front_energy=energy)
    facts: dict[str, Any] = {
        "network": network.name,
        "gmacs": network.macs / 1e9,
        "batch": arguments.batch,
        "library": model.library,
        "space": space.how,
        "variants": [f"{v.name} {v.spad_kind}" for v in variants],
        "front_energy": arguments.energy + " energy",
        "memories": f"{sram.provenance}; DRAM: {dram.energy_pj_per_bit:g} pJ/bit, {dram.source}.",
        "not_counted": not_counted(overhead, shells, {variant.pe_type for variant in variants})
        + extrapolated(overhead, shells),
        "models": _models_text(model, sorted(set(model.pe_types) - fitted)),
        "terms": network.mix_text if any(PE_TYPES[v.pe_type].terms > 1 for v in variants) else "",
        "options": {name: getattr(arguments, name) for name in RECORDED},
        "seconds": seconds,
        "speed": _speed_text(
            model, summary.points, seconds, sum(e.kept_mappings for e in evaluations)
        ),
    }
    folder = arguments.output or _default_folder(network.name, model.library, exhaustive)
    paths = write_files(summary, facts, folder)
    title = f"{network.name} on {model.library}, {space.how.split(':')[0]}"
    paths.append(plot_exploration(evaluations, energy, title, folder / "exploration.png"))
    print(as_json(summary, facts) if arguments.json else text_report(summary, facts))
    print("written: " + ", ".join(map(str, paths)), file=sys.stderr)
    print(
        f"hardware of a point: python -m dse.job --front {shlex.quote(str(folder))} --point 1 "
        f"--layer {shlex.quote(network.layers[0].name)} -o job.yaml",
        file=sys.stderr,
    )


def _default_folder(network: str, library: str, exhaustive: bool) -> Path:
    names = (network, library)
    safe = [re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._") or "own" for name in names]
    return Path("build/explore") / ("-".join(safe) + ("-exhaustive" if exhaustive else ""))


def _models_text(model: PPAModel, left_out: list[str]) -> str:
    """Return what the models are, how far off they were on unseen points, and what they lack."""
    held_out = model.file.held_out
    targets = {"area": "area_um2", "product": "product_pj", "critical path": "critical_path_ns"}
    errors = []
    for title, target in targets.items():
        worst = max(sorted(held_out), key=lambda name: held_out[name][target].mape)
        errors.append(f"{title} {held_out[worst][target].mape:.1%} ({worst})")
    return (
        f"Models of {model.library}: {model.file.datapoints} datapoints of {len(held_out)} PE "
        f"types, energies by `{model.file.method}`; mean error on held-out points of the worst "
        f"type: {', '.join(errors)}."
        + (f" Without models at their own pipeline depth: {', '.join(left_out)}." * bool(left_out))
    )


def _speed_text(model: PPAModel, points: int, seconds: float, kept_mappings: int) -> str:
    if kept_mappings:
        return (
            f"Explored {points:,} design points in {seconds:.2f} s, with mappings that an earlier "
            f"run had left in {MAPPINGS}."
        )
    each = seconds / points
    measured = model.file.measuring_seconds / model.file.datapoints
    return (
        f"Explored {points:,} design points in {seconds:.2f} s, {each * 1e6:.1f} µs each; "
        f"measuring the PE of one took {measured:.1f} s on average, {measured / each:.1e} times as "
        f"long."
    )


if __name__ == "__main__":
    sys.exit(main())
