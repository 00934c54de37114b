"""A whole network on the accelerator: the digits network's codes, layer by layer, image by image.

The reference is the quantized software network; its sums are exact, so the array's order of
summation gives them too.  Each layer takes what the layer before it has given.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from characterize.digits_network import QuantizedLayer, digits, quantize, shaped, train
from hw.accelerator_config import HardwareConfig
from hw.errors import ConfigError
from hw.formats import FixedPoint
from hw.layer_program import LayerProgram
from hw.mapping import Mapping
from hw.pe.golden import to_signed
from hw.shell.requantizer import requantize
from tests.hw.accelerator.accelerator_jobs import hardware, simulate, tensors_job

SPADS = {"ifmap_spad": 12, "filter_spad": 128, "psum_spad": 16}


def fast_program(
    layer: QuantizedLayer, config: HardwareConfig, images: int, dice: random.Random
) -> LayerProgram:
    """Return the fastest of some mappings of a layer, if possible one predicted exactly."""
    shape, drawn = dataclasses.replace(layer.layer, n=images), []
    terms = layer.weights.shape[4] if layer.weights.ndim == 5 else 1
    pe, array = config.design.pe, config.array
    while len(drawn) < 100:
        p, t = dice.randint(1, min(shape.m, pe.psum_spad)), dice.randint(1, array.rows)
        mapping = Mapping(
            m=dice.choice((*range(p * t, shape.m, p * t), shape.m)),
            n=dice.choice([n for n in range(1, images + 1) if images % n == 0]),
            e=dice.randint(1, shape.e),
            p=p,
            q=dice.randint(1, min(shape.c, pe.ifmap_spad // shape.s)),
            r=dice.randint(1, min(shape.c, array.rows // shape.r)),
            t=t,
        )
        try:
            program = LayerProgram(
                config=config,
                layer=shape,
                mapping=mapping,
                bias=True,
                terms=terms,
                requantization=layer.requantization,
            )
        except ConfigError:
            continue
        drawn.append(program)
    counts = [program.counts() for program in drawn]
    order = [(c.slack_cycles > 0, int(c.cycles), number) for number, c in enumerate(counts)]
    return drawn[min(order)[-1]]


def check_network(
    pe_type: str, config: HardwareConfig, images: int, folder: Path, simulator: str
) -> None:
    """Run the network on test images; every code that leaves a layer must be the software's."""
    network, dice = quantize(train(), pe_type), random.Random(pe_type)
    assert network.psum_width == config.design.pe.psum_width
    _, _, pixels, labels = digits()
    pixels, labels = pixels[:images], labels[:images]
    psums, outputs = network.psums(pixels), network.run(pixels)
    fmt, jobs, programs = config.kind.activation, [], []
    assert isinstance(fmt, FixedPoint)
    inputs = [network.inputs(pixels), *outputs]
    for layer, codes, sums, given in zip(network.layers, inputs, psums, outputs, strict=False):
        program = fast_program(layer, config, images, dice)
        rule = layer.requantization
        if rule is not None:  # what the job expects is what the software network goes on with
            wanted = [
                requantize(
                    to_signed(int(psum), network.psum_width),
                    fmt,
                    scale=rule.scale,
                    shift=rule.shift,
                    relu=rule.relu,
                )
                for psum in sums.flat
            ]
            assert wanted == given.ravel().tolist()
        tensors = (layer.weights, shaped(codes, layer.layer), layer.bias, sums)
        jobs.append(tensors_job(program, *(np.asarray(tensor, object) for tensor in tensors)))
        programs.append(program)
    counted = simulate(config, jobs, folder, simulator=simulator)
    for program, count in zip(programs, counted, strict=True):
        counts = program.counts()
        assert abs(count.cycles - counts.cycles) <= counts.slack_cycles
    scores = FixedPoint(network.psum_width).decode(outputs[-1]).argmax(1).ravel()
    found = int((scores == labels).sum())
    print(f"\n{config.name}: {found} of {images} digits, cycles of the layers:")
    for program, count in zip(programs, counted, strict=True):
        print(
            f"  {program.layer.name:6} {count.cycles:8}, predicted {int(program.counts().cycles)}"
        )
    assert found > 0.9 * images


@pytest.mark.long
@pytest.mark.parametrize("pe_type", ["int16", "int8", "lightpe1"])
def test_digits(pe_type: str, tmp_path: Path) -> None:
    config = hardware(pe_type, 8, 8, glb_kib=108, pe=SPADS)
    check_network(pe_type, config, 100, tmp_path, "verilator")


@pytest.mark.parametrize("pe_type", ["int8", pytest.param("flightpe", marks=pytest.mark.long)])
def test_one_digit(pe_type: str, tmp_path: Path) -> None:
    config = hardware(pe_type, 3, 3, glb_kib=40, pe=SPADS)
    check_network(pe_type, config, 1, tmp_path, "icarus")
