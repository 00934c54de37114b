"""`python -m dse.evaluate`: one design point on one network, layer by layer."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from typing import Any

import numpy as np
from tabulate import tabulate

from hw.command import run_command
from hw.config import AcceleratorConfig
from hw.config_file import load_config
from hw.errors import ConfigError, HwError
from hw.pe.registry import PE_TYPES
from models.dram import dram_kind
from models.errors import ModelError
from models.sram import FlowError

from .array_costs import extrapolated, not_counted
from .errors import DesignError, DseError, MappingError, WorkloadError
from .evaluation import Evaluation, LayerCost, evaluate
from .explore import add_model_options, add_workload_options, load_models, load_workload
from .rules import REASONS
from .space import AXES, Space
from .summary import point_record
from .variants import Variant
from .workloads import COUNTED, Network

__all__ = ["main"]

_COUNTS = (
    "active_pes slots filter_loads ifmap_loads psum_passes glb_read_bytes glb_write_bytes "
    "dram_read_bytes dram_write_bytes setup_cycles array_cycles off_chip_cycles fill_cycles"
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dse.evaluate",
        description="Evaluate one design point on one network: per layer its mapping, cycles, "
        "traffic and energy, and the totals.",
    )
    parser.add_argument(
        "--config", required=True, metavar="FILE", help="YAML, fields of AcceleratorConfig"
    )
    add_workload_options(parser)
    add_model_options(parser)
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: _evaluate(arguments),
        failures=(DseError, ModelError, FlowError, HwError),
        usage_errors=(WorkloadError, DesignError),
    )


def _evaluate(arguments: argparse.Namespace) -> None:
    config = load_config(arguments.config, AcceleratorConfig)
    network = load_workload(arguments)
    model, sram, overhead, shells = load_models(arguments)
    dram = dram_kind(arguments.dram)
    variant = _variant(config)
    space = Space(
        columns={
            name: np.array([float(getattr(config.pe if "spad" in name else config, name))])
            for name in AXES
        },
        how="one design point",
    )
    result, layers = evaluate(
        variant,
        space,
        network,
        model=model,
        sram=sram,
        dram=dram,
        overhead=overhead,
        shells=shells,
        keep_layers=True,
    )
    broken = [
        f"{cost.name}: {REASONS[int(cost.performance.reason[0])]}"
        for cost in layers
        if not cost.performance.feasible[0]
    ]
    if broken:
        raise MappingError(f"{network.name} cannot be mapped on this design: {'; '.join(broken)}")
    record = {
        "network": network.name,
        "library": model.library,
        "memories": f"{sram.provenance}; DRAM: {dram.energy_pj_per_bit:g} pJ/bit, {dram.source}",
        "counted": COUNTED,
        "not_counted": not_counted(overhead, shells, [variant.pe_type])
        + extrapolated(overhead, shells),
        **_notes(variant, network),
        "total": point_record(result, space, 0) | {"cycles": float(result.cycles[0])},
        "layers": [_layer_record(cost, result) for cost in layers],
    }
    print(json.dumps(record, indent=2, sort_keys=True) if arguments.json else _text(record))


def _notes(variant: Variant, network: Network) -> dict[str, str]:
    """Return what mappings of PE types with lanes or terms need to be read."""
    kind = PE_TYPES[variant.pe_type]
    notes = {}
    if kind.lanes > 1:
        notes["words"] = (
            f"Mappings and loads count words of {kind.channel_lanes} channels and of "
            f"{kind.filter_lanes} filters."
        )
    if kind.terms > 1:
        notes["terms"] = network.mix_text
    return notes


def _variant(config: AcceleratorConfig) -> Variant:
    pe = config.pe
    kinds = {pe.ifmap_spad_kind, pe.filter_spad_kind, pe.psum_spad_kind}
    if len(kinds) != 1 or pe.decoders != "pe":
        raise ConfigError(
            f"pe must have one kind for all three scratchpads and decoders 'pe', as the explored "
            f"variants do, not {sorted(kinds)} and {pe.decoders!r}"
        )
    return Variant(
        pe_type=pe.pe_type,
        spad_kind=kinds.pop(),
        psum_bits=pe.psum_bits,
        pipeline_depth=pe.pipeline_depth,
    )


def _layer_record(cost: LayerCost, result: Evaluation) -> dict[str, Any]:
    performance = cost.performance
    return {
        "name": cost.name,
        "count": cost.count,
        "mapping": dataclasses.asdict(cost.mapping.mapping(0)),
        "cycles": float(cost.cycles[0]),
        "latency_ms": float(cost.cycles[0] * result.period_ns[0] * 1e-6),
        **{name: float(getattr(performance, name)[0]) for name in _COUNTS.split()},
        "energy_pj": {
            field.name.removesuffix("_pj"): float(getattr(cost.energy, field.name)[0])
            for field in dataclasses.fields(cost.energy)
        },
        "on_chip_pj": float(cost.energy.on_chip_pj[0]),
        "total_pj": float(cost.energy.total_pj[0]),
    }


def _text(record: dict[str, Any]) -> str:
    rows = [
        [
            layer["name"],
            layer["count"],
            " ".join(f"{name}={value}" for name, value in layer["mapping"].items()),
            f"{layer['cycles']:,.0f}",
            f"{layer['active_pes']:.0f}",
            f"{(layer['glb_read_bytes'] + layer['glb_write_bytes']) / 1e6:.3g}",
            f"{(layer['dram_read_bytes'] + layer['dram_write_bytes']) / 1e6:.3g}",
            f"{layer['on_chip_pj'] * 1e-6:.4g}",
            f"{layer['total_pj'] * 1e-6:.4g}",
        ]
        for layer in record["layers"]
    ]
    heads = [
        "layer", "count", "mapping", "cycles", "active PEs", "GLB MB", "DRAM MB", "on-chip µJ",
        "total µJ",
    ]  # fmt: skip
    total = record["total"]
    lines = [
        tabulate(rows, heads),
        "",
        f"{record['network']} on {record['library']}: {total['cycles']:,.0f} cycles of "
        f"{total['period_ns']:.3f} ns = {total['latency_ms']:.4g} ms, {total['area_mm2']:.3f} mm², "
        f"{total['perf_per_area']:.4g} runs/s/mm², {total['on_chip_mj']:.4g} mJ on chip, "
        f"{total['total_mj']:.4g} mJ with DRAM",
        record["counted"],
        record["not_counted"],
        record["memories"],
    ]
    lines += [record[name] for name in ("words", "terms") if name in record]
    if not total["in_fitted_range"]:
        lines.append("The PE lies outside of the sizes its model was fitted on.")
    assert math.isfinite(total["total_mj"])
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
