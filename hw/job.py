"""A job: one layer on one accelerator, the file an exploration hands over to the hardware.

`dse` writes it for a point of a front and a layer of its network, or a person by hand; `hw.emit`
reads it.  YAML, whose keys are the fields of the dataclasses.  A job that exists can be run: the
mapping fits scratchpads, array and global buffer, and the layer is one the hardware can express.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from .accelerator_config import HardwareConfig
from .atomic_file import write_atomically
from .config_file import parse_config, read_yaml
from .errors import ConfigError
from .formats import NumberFormat
from .formats.floating import Float
from .layer import Layer
from .layer_program import LayerProgram, Requantization
from .mapping import Mapping
from .pe.golden import accumulate

__all__ = [
    "Job",
    "fitting_requantize",
    "job_tensors",
    "job_text",
    "load_job",
    "write_job",
]

Codes = NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One layer on one accelerator."""

    hardware: HardwareConfig
    layer: Layer
    """Channels and filters are words of the PE type (16 channels of `binary` are one)."""
    mapping: Mapping
    terms: int = 1
    """Words of a weight (k of FLightNN)."""
    bias: bool = False
    """Whether psums begin with a bias."""
    requantize: Requantization | None = None
    """How psums leave; None leaves them as they are."""
    seed: int = 1
    """Seed of the random tensors."""

    def __post_init__(self) -> None:
        for name in ("terms", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} must be an integer of at least 1, not {value!r}")
        if not isinstance(self.bias, bool):
            raise ConfigError(f"bias must be true or false, not {self.bias!r}")
        pe_type = self.hardware.design.pe.pe_type
        if self.hardware.kind.scaling is not None:
            raise ConfigError(
                f"layer {self.layer.name!r}: pe_type must have no shared scales (Microscaling), "
                f"which the sequencer of layers cannot express, not {pe_type!r}"
            )
        self.program()

    def program(self) -> LayerProgram:
        """Return the layer as the accelerator runs it."""
        return LayerProgram(
            config=self.hardware,
            layer=self.layer,
            mapping=self.mapping,
            bias=self.bias,
            terms=self.terms,
            requantization=self.requantize,
        )


def load_job(path: str | Path) -> Job:
    """Return the job in a YAML file; `ConfigError` names the file, the key and what is right."""
    data = read_yaml(path)
    if isinstance(data, dict) and isinstance(data.get("requantize"), dict):
        parse_config(data["requantize"], Requantization, f"{path}: requantize")
    return parse_config(data, Job, str(path))


def job_text(job: Job, note: str = "") -> str:
    """Return a job as YAML, below a note of where it comes from."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in note.splitlines())
    return comment + yaml.safe_dump(dataclasses.asdict(job), sort_keys=False, allow_unicode=True)


def write_job(path: Path, job: Job, note: str = "") -> None:
    """Write a job as a file that `load_job` reads."""
    write_atomically(path, job_text(job, note))


def job_tensors(job: Job) -> tuple[Codes, Codes, Codes | None]:
    """Return random weights, inputs and bias of a job, the same on every machine.

    Returns
    -------
    Codes of shape (M, C / groups, R, S) with a last axis of terms if there are several, of shape
    (N, C, H, W), and psum codes of shape (M,), None without bias.
    """
    layer, kind, pe = job.layer, job.hardware.kind, job.hardware.design.pe
    dice = random.Random(job.seed)

    def codes(fmt: NumberFormat, *shape: int) -> Codes:
        count = int(np.prod(shape))
        if isinstance(fmt, Float):  # random bits would be numbers of any size, mostly overflowing
            values = [int(fmt.encode(dice.gauss(0, 1))) for _ in range(count)]
        else:
            values = [dice.getrandbits(fmt.bits) for _ in range(count)]
        return np.array(values, object).reshape(shape)

    c = layer.c // layer.groups
    terms = (job.terms,) if job.terms > 1 else ()
    weights = codes(kind.weight, layer.m, c, layer.r, layer.s, *terms)
    inputs = codes(kind.activation, layer.n, layer.c, layer.h, layer.w)
    if not job.bias:
        return weights, inputs, None
    pairs = zip(codes(kind.weight, layer.m), codes(kind.activation, layer.m), strict=True)
    mask = (1 << pe.psum_width) - 1
    bias = [accumulate(0, kind.product(int(w), int(x)), pe) & mask for w, x in pairs]
    return weights, inputs, np.array(bias, object)


def fitting_requantize(job: Job, *, relu: bool = False) -> Requantization:
    """Return a requantization under which the outputs of random tensors fill their range.

    Three standard deviations of a psum become the largest integer; floating point is rounded.
    """
    layer, kind = job.layer, job.hardware.kind
    if isinstance(kind.activation, Float):
        return Requantization(relu=relu)
    dice = random.Random(job.seed)
    products = [
        kind.product(dice.getrandbits(kind.weight.bits), dice.getrandbits(kind.activation.bits))
        for _ in range(1000)
    ]
    variance = sum(x * x for x in products) / len(products)
    products_of_psum = layer.c // layer.groups * layer.r * layer.s * job.terms
    largest = (1 << kind.activation.bits - 1) - 1
    ratio = largest / (3 * math.sqrt(variance * products_of_psum))
    shift = min(63, max(0, 15 - math.floor(math.log2(ratio))))
    return Requantization(scale=min(65535, round(ratio * 2**shift)), shift=shift, relu=relu)
