"""Layers on the accelerator without simulation: what is refused, and one form for many designs."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from hw.accelerator_config import HardwareConfig
from hw.accelerator_counts import accelerator_counts
from hw.config import AcceleratorConfig, PEConfig
from hw.errors import ConfigError
from hw.layer import Layer
from hw.layer_program import LayerProgram, Requantization
from hw.mapping import Mapping
from hw.shell.registers import LayerLayout
from tests.hw.accelerator.accelerator_jobs import hardware, random_program
from tests.hw.array.systolic_layers import LAYERS, random_layer

ONE = Mapping(m=1, n=1, e=1, p=1, q=1, r=1, t=1)


def program(config: HardwareConfig, layer: Layer, mapping: Mapping, **more: object) -> LayerProgram:
    return LayerProgram(config=config, layer=layer, mapping=mapping, **more)


@pytest.mark.parametrize(
    ("layer", "mapping", "more", "message"),
    [
        ({"n": 3}, {"n": 2}, {}, "n = 2 images must divide the batch of 3"),
        ({"c": 512, "h": 64, "w": 64}, {"q": 4, "e": 3},
         {"glb_kib": 10, "bank_kib": 1, "port": 8},
         "an ifmap tile of .* must fit the 2 banks"),
        ({"h": 70000}, {}, {}, "must be at most|register last_spot has 16 bits"),
        ({}, {"p": 6}, {}, "p psums = 6 must be at most psum_spad = 5"),
    ],
)  # fmt: skip
def test_refused_layers(layer: dict, mapping: dict, more: dict, message: str) -> None:
    whole = Layer(**{"name": "x", "c": 8, "h": 6, "w": 6, "m": 8, "r": 3, "s": 1} | layer)
    k = dataclasses.replace(ONE, m=8, **mapping)
    with pytest.raises(ConfigError, match=message):
        program(hardware("int8", **more), whole, k)


def test_refused_requantization() -> None:
    layer = LAYERS[5]
    k = dataclasses.replace(ONE, m=layer.m)
    with pytest.raises(ConfigError, match="posit8 cannot requantize"):
        program(hardware("posit8"), layer, k, requantization=Requantization())
    with pytest.raises(ConfigError, match="scale and shift of bf16 must be 1 and 0"):
        program(hardware("bf16"), layer, k, requantization=Requantization(scale=3))
    with pytest.raises(ConfigError, match="shift must be at most 45"):
        program(hardware("int8"), layer, k, requantization=Requantization(shift=60))
    for bad in ({"scale": 65536}, {"shift": -1}, {"relu": 1}):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            Requantization(**bad)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"off_chip_bytes": 12}, "off_chip_bytes must be a power of two"),
        ({"off_chip_bytes": 64}, "off_chip_bytes must be at most"),
        ({"ifmap_lanes": 3}, "ifmap_lanes must be a power of two up to the 16 words"),
        ({"bank_kib": 16}, "two banks of 16 KiB"),
        ({"memory_latency": 0}, "memory_latency must be an integer from 1 to 16"),
        ({"psum_queue": True}, "psum_queue must be an integer"),
    ],
)
def test_refused_hardware(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hardware("int8", **fields)


def test_a_port_narrower_than_a_psum_is_refused() -> None:
    design = AcceleratorConfig(pe=PEConfig(pe_type="int16"), glb_bytes_per_cycle=4)
    with pytest.raises(ConfigError, match="must hold a psum word of 45 bits"):
        HardwareConfig(design=design, off_chip_bytes=4)


def test_registers_fit_and_name_all_fields() -> None:
    config, dice = hardware("lightpe1", 4, 5), random.Random(1)
    for layer in LAYERS:
        values = random_program(config, layer, dice).registers()
        layout = LayerLayout(config)
        assert set(values) == {name for name, _ in layout}
        layout.const(values)  # raises where a value does not fit


def test_one_form_for_many_designs() -> None:
    """Arrays of mappings and designs give what each of them gives alone."""
    dice = random.Random(2)
    for layer in (LAYERS[0], LAYERS[3], LAYERS[7], LAYERS[13], random_layer(dice)):
        programs = []
        for number in range(24):
            config = hardware(
                "int8", 2 + number % 4, 2 + number % 3, glb_kib=(16, 24, 64)[number % 3],
                port=(16, 32)[number % 2], off_chip_bytes=(4, 16)[number // 2 % 2],
            )  # fmt: skip
            candidate = random_program(config, layer, dice)
            programs.append(dataclasses.replace(candidate, bias=False, requantization=None))
        scalars = [one.counts() for one in programs]
        columns = {
            name: np.array([one.count_arguments()[name] for one in programs])
            for name, value in programs[0].count_arguments().items()
            if value is not None and name not in ("bias", "terms", "weight_bits")
        }
        rest = {
            name: value
            for name, value in programs[0].count_arguments().items()
            if name not in columns
        }
        together = accelerator_counts(layer, **columns, **rest)
        for field in dataclasses.fields(together):
            if field.name != "array":
                alone = np.array([float(getattr(one, field.name)) for one in scalars])
                np.testing.assert_allclose(getattr(together, field.name), alone, err_msg=field.name)
