"""`python -m models.predict`: one prediction with its intervals, its range and its provenance."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from tabulate import tabulate

from characterize.pe_memories import spad_macros
from hw.command import run_command
from hw.config import AcceleratorConfig, PEConfig
from hw.config_file import parse_config, read_yaml

from .errors import ModelError
from .pe_ppa import PEPPA, pe_ppa
from .ppa import PPAModel, Prediction
from .sram import DEFAULT_DEVICE, DEVICES, NODES_NM, FlowError, SramModel, node_of_library
from .targets import TARGETS

__all__ = ["features_of", "load_pe", "main", "predict_pe"]


def load_pe(path: str) -> PEConfig:
    """Return the PE point of a YAML file that holds a `PEConfig` or an `AcceleratorConfig`."""
    value = read_yaml(path)
    if isinstance(value, dict) and "pe" in value:
        return parse_config(value, AcceleratorConfig, path).pe
    return parse_config(value, PEConfig, path)


def features_of(config: PEConfig) -> dict[str, int]:
    """Return the features of one PE point."""
    sizes = {name: getattr(config, name) for name in ("ifmap_spad", "filter_spad", "psum_spad")}
    return {**sizes, "psum_width": config.psum_width, "saturating": int(config.saturating)}


def predict_pe(model: PPAModel, sram: SramModel | None, config: PEConfig) -> dict[str, Any]:
    """Return everything known about one PE point as plain data.

    Parameters
    ----------
    sram
        Memories of the library's node; needed where a scratchpad is a macro.
    """
    if config.decoders != "pe":
        raise ModelError(f"models are of PEs with decoders 'pe', not {config.decoders!r}")
    kinds = (config.ifmap_spad_kind, config.filter_spad_kind, config.psum_spad_kind)
    features = features_of(config)
    depth = config.depth
    made = model.predict(config.pe_type, kinds=kinds, pipeline_depth=depth, features=features)
    group = model.group(config.pe_type, kinds, depth).model
    content: dict[str, Any] = {
        "library": model.library,
        "method": model.file.method,
        "config": asdict(config),
        "features": features,
        "in_range": bool(made.in_range[0]),
        "range": {name: [group.low[name], group.high[name]] for name in features},
        "prediction": {name: _entry(made, name) for name in TARGETS if name in made.values},
        "interval": "95 %, conformal on cross-validation residuals, relative",
        "provenance": [
            f"PPA model of {model.library}: {model.file.datapoints} datapoints "
            f"({model.file.datapoints_digest}), seed {model.file.seed}, "
            f"{group.training_points} points in this fit"
        ],
    }
    if sram is None and "macro" in kinds:
        raise ModelError("macro scratchpads need the technology node of the library (--node)")
    whole = pe_ppa(
        model, sram, config.pe_type, kinds=kinds, pipeline_depth=depth, features=features
    )
    content["pe"] = _whole(whole)
    if sram is not None and "macro" in kinds:
        macros = spad_macros(sram, config.pe_type, kinds, features)
        content["sram"] = {
            name: {
                "banks": macros.bank_count(name),
                **{f.name: np.ravel(getattr(macro, f.name))[0].item() for f in fields(macro)},
            }
            for name, macro in macros.banks.items()
        }
        content["provenance"].append(sram.provenance)
    return content


def _entry(made: Prediction, name: str) -> dict[str, float]:
    low, high = made.bounds(name)
    return {"value": float(made[name][0]), "low": float(low[0]), "high": float(high[0])}


def _whole(whole: PEPPA) -> dict[str, float]:
    names = [field.name for field in fields(whole) if field.name != "in_range"]
    return {name: float(getattr(whole, name)[0]) for name in ("area_um2", "product_pj", *names)}


def _table(content: dict[str, Any]) -> str:
    rows = [[n, e["value"], e["low"], e["high"]] for n, e in content["prediction"].items()]
    within = "inside" if content["in_range"] else "OUTSIDE"
    parts = [
        tabulate(rows, headers=["synthesized part", "prediction", "95 % low", "95 % high"]),
        tabulate(content["pe"].items(), headers=["whole PE", "prediction"]),
    ]
    for name, figures in content.get("sram", {}).items():
        parts.append(tabulate(figures.items(), headers=[f"SRAM of {name} (a bank)", "value"]))
    parts.append(f"{within} the fitted range: {content['range']}")
    return "\n\n".join([*parts, *content["provenance"]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.predict",
        description=(
            "Predict power, performance and area of one PE point from the fitted models of a cell "
            "library: every target with its 95 % interval, whether the point lies in the fitted "
            "range, the whole PE with its macro scratchpads, and where the figures come from."
        ),
    )
    parser.add_argument("--library", required=True, help="cell library, or path of a model file")
    parser.add_argument(
        "--config", required=True, metavar="FILE",
        help="YAML with the fields of a PEConfig, or of an AcceleratorConfig (key pe)",
    )  # fmt: skip
    parser.add_argument(
        "--node", type=int, choices=NODES_NM, help="technology node [nm] of an unknown library"
    )
    parser.add_argument(
        "--device", choices=DEVICES, default=DEFAULT_DEVICE,
        help=f"SRAM device type (default {DEFAULT_DEVICE})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)

    def run() -> None:
        config = load_pe(options.config)
        model = PPAModel.load(options.library)
        kinds = (config.ifmap_spad_kind, config.filter_spad_kind, config.psum_spad_kind)
        sram = None
        if "macro" in kinds:
            sram = SramModel(options.node or node_of_library(model.library), options.device)
        content = predict_pe(model, sram, config)
        print(json.dumps(content, indent=1) if options.json else _table(content))

    return run_command(run, failures=(ModelError, FlowError))


if __name__ == "__main__":
    sys.exit(main())
