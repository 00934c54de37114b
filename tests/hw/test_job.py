from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig
from hw.errors import ConfigError
from hw.job import Job, fitting_requantize, job_tensors, load_job, write_job
from hw.layer import Layer
from hw.layer_program import Requantization
from hw.mapping import Mapping
from hw.pe.registry import PE_TYPES

LAYER = Layer(name="conv: 'ä' #1", c=4, h=6, w=5, m=6, r=3, s=3, stride=2, padding=1, groups=2)
MAPPING = Mapping(m=3, n=1, e=2, p=3, q=2, r=1, t=1)
REQUANTIZE = Requantization(scale=20000, shift=20, relu=True)


def hardware(pe_type: str = "int8", **fields: int) -> HardwareConfig:
    pe = PEConfig(pe_type=pe_type, ifmap_spad=8, filter_spad=64, psum_spad=6)
    return HardwareConfig(design=AcceleratorConfig(pe=pe, rows=3, cols=2, glb_kib=32), **fields)


JOBS = [
    Job(hardware=hardware(), layer=LAYER, mapping=MAPPING, requantize=REQUANTIZE, bias=True),
    Job(hardware=hardware("fp32", off_chip_bytes=4), layer=LAYER, mapping=MAPPING, seed=7),
    Job(hardware=hardware("flightpe"), layer=LAYER, mapping=MAPPING, terms=2),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.hardware.design.pe.pe_type)
def test_what_was_written_is_read(job: Job, tmp_path: Path) -> None:
    write_job(tmp_path / "job.yaml", job, "Point 3:\nwhere it comes from")
    assert load_job(tmp_path / "job.yaml") == job
    text = (tmp_path / "job.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Point 3:\n# where it comes from\nhardware:\n")


def refused(tmp_path: Path, old: str, new: str) -> str:
    """Return why a job is refused in which a line of a good one was changed."""
    file = tmp_path / "job.yaml"
    write_job(file, JOBS[0])
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_job(file)
    return str(error.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 1\n", "sead: 1\n", "unknown key 'sead'; the keys are one of bias, hardware, "),
        ("seed: 1\n", "seed: 0\n", "seed must be an integer of at least 1, not 0"),
        ("seed: 1\n", "seed: [1]\n", "seed: input should be a valid integer, not [1]"),
        ("terms: 1\n", "terms: 2\n", "terms of a weight = 2 must be at most int8 = 1"),
        ("  shift: 20\n", "  shifts: 20\n", "requantize: unknown key 'shifts'"),
        ("  shift: 20\n", "  shift: 64\n", "requantize: shift must be an integer from 0 to 63"),
        ("  memory_latency: 1\n", "  latency: 1\n", "hardware: unknown key 'latency'"),
        ("    rows: 3\n", "    rows: 0\n", "rows must be an integer from 1 to 256, not 0"),
        ("    rows: 3\n", "    rowz: 3\n", "hardware: design: unknown key 'rowz'"),
        ("  bank_kib: 4\n", "  bank_kib: 3\n", "bank_kib must be a power of two up to 1024"),
        ("  p: 3\n", "  p: 4\n", "mapping of layer \"conv: 'ä' #1\": p must be at most 3, not 4"),
        ("  q: 2\n", "  q: 3\n", "q must be at most 2, not 3"),
        ("  e: 2\n", "  e: 3\n", "2 chains of R*r = 3 PEs above each other = 6 must be at most"),
        ("  stride: 2\n", "  steps: 2\n", "layer: unknown key 'steps'"),
        ("  groups: 2\n", "  groups: 3\n", "groups must divide c and m, not 3 with c=4 and m=6"),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in refused(tmp_path, old, new)


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*No such file"):
        load_job(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not YAML"):
        load_job(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="must be a mapping with the keys hardware, layer"):
        load_job(tmp_path / "list.yaml")


@pytest.mark.parametrize("pe_type", sorted(n for n, kind in PE_TYPES.items() if kind.scaling))
def test_layers_of_types_with_shared_scales_are_refused(pe_type: str) -> None:
    with pytest.raises(ConfigError) as error:
        Job(hardware=hardware(pe_type), layer=LAYER, mapping=MAPPING)
    assert repr(pe_type) in str(error.value)
    assert repr(LAYER.name) in str(error.value)


def test_what_cannot_be_requantized_is_refused() -> None:
    with pytest.raises(ConfigError, match="posit8 cannot requantize"):
        Job(hardware=hardware("posit8"), layer=LAYER, mapping=MAPPING, requantize=REQUANTIZE)
    with pytest.raises(ConfigError, match="scale and shift of fp32 must be 1 and 0"):
        dataclasses.replace(JOBS[1], requantize=REQUANTIZE)
    rounded = fitting_requantize(JOBS[1], relu=True)
    assert dataclasses.replace(JOBS[1], requantize=rounded).requantize == rounded


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.hardware.design.pe.pe_type)
def test_tensors_follow_the_seed(job: Job) -> None:
    first, again = job_tensors(job), job_tensors(job)
    other = job_tensors(dataclasses.replace(job, seed=99))
    for one, same, different in zip(first, again, other, strict=True):
        assert np.array_equal(one, same)
        assert one is None or not np.array_equal(one, different)
    weights, inputs, bias = first
    kind, layer = job.hardware.kind, job.layer
    assert weights.shape == (6, 2, 3, 3) + ((2,) if job.terms > 1 else ())
    assert inputs.shape == (1, 4, 6, 5)
    assert (bias is None) != job.bias
    assert all(0 <= code < 1 << kind.weight.bits for code in weights.flat)
    assert all(0 <= code < 1 << kind.activation.bits for code in inputs.flat)
    assert layer.m == len(weights)
    if bias is not None:
        assert all(0 <= code < 1 << job.hardware.design.pe.psum_width for code in bias)


@pytest.mark.parametrize("pe_type", ["int4", "int8", "int16", "lightpe1", "pot4", "flightpe"])
def test_requantized_psums_of_random_tensors_fill_the_range(pe_type: str) -> None:
    layer = Layer(name="wide", c=32, h=3, w=3, m=64, r=3, s=3)
    ones = Mapping(m=64, n=1, e=1, p=1, q=1, r=1, t=1)
    job = Job(hardware=hardware(pe_type), layer=layer, mapping=ones)
    requantize = fitting_requantize(job)
    weights, inputs, _ = job_tensors(job)
    product = np.frompyfunc(job.hardware.kind.product, 2, 1)
    psums = product(weights, inputs).sum(axis=(1, 2, 3)).astype(float)
    results = psums * requantize.scale / 2**requantize.shift
    largest = 2 ** (job.hardware.kind.activation.bits - 1) - 1
    assert 0.2 < results.std() / largest < 0.6
    assert requantize.scale >= 1 << 14
