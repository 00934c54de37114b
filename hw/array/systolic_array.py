"""A systolic array of either dataflow: its hardware, its Verilog, its cycles and its words."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..pe.part import to_verilog
from .matrix import MatrixProduct
from .output_stationary import OutputStationaryArray
from .systolic import SystolicConfig
from .systolic_cycles import (
    Traffic,
    output_stationary_cycles,
    systolic_traffic,
    weight_stationary_cycles,
)
from .weight_stationary import WeightStationaryArray

__all__ = ["layer_cycles", "layer_traffic", "make_systolic_array", "systolic_modules"]


def make_systolic_array(config: SystolicConfig) -> WeightStationaryArray | OutputStationaryArray:
    """Return the array of a configuration."""
    if config.dataflow == "weight_stationary":
        return WeightStationaryArray(config)
    return OutputStationaryArray(config)


def systolic_modules(config: SystolicConfig) -> tuple[str, dict[str, str]]:
    """Return the name of the top module and the Verilog of the parts and the array, top last."""
    array = make_systolic_array(config)
    modules = {part.module_name: to_verilog(part, part.module_name) for part in array.parts}
    modules[config.name] = to_verilog(array, config.name)
    return config.name, modules


def layer_cycles(
    config: SystolicConfig,
    product: MatrixProduct,
    *,
    bias: bool = False,
    pass_pixels: int | None = None,
    filters_first: bool = False,
) -> int:
    """Return the cycles of a layer on an array (see `systolic_cycles`)."""
    array: dict[str, Any] = {
        "rows": config.rows,
        "cols": config.cols,
        "pipeline_depth": config.pe.depth,
        "adder_cycles": config.adder_cycles,
    }
    layer = dataclasses.asdict(product)
    if config.dataflow == "weight_stationary":
        mapping: dict[str, Any] = {"pass_pixels": pass_pixels, "filters_first": filters_first}
        return int(weight_stationary_cycles(**array, **layer, **mapping))
    return int(output_stationary_cycles(**array, **layer, bias=bias))


def layer_traffic(
    config: SystolicConfig,
    product: MatrixProduct,
    *,
    bias: bool = False,
    pass_pixels: int | None = None,
) -> Traffic:
    """Return what a layer moves through the ports of an array."""
    return systolic_traffic(
        config.dataflow,
        rows=config.rows,
        cols=config.cols,
        **dataclasses.asdict(product),
        bias=bias,
        pass_pixels=pass_pixels,
    )
