from __future__ import annotations

import json
import random
import re
import shlex
import shutil
from pathlib import Path

import pytest

from dse.evaluate import main as evaluate
from dse.explore import main as explore
from dse.job import crop_layer, crop_mapping, main
from hw.array.row_stationary_config import RowStationaryConfig
from hw.array.row_stationary_layer import LayerPasses
from hw.config import PEConfig
from hw.emit import main as emit
from hw.errors import ConfigError
from hw.job import load_job
from hw.layer import Layer
from tests.hw.array.row_stationary_cases import random_mapping
from tests.hw.array.systolic_layers import random_layer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small exploration."""
    path = tmp_path_factory.mktemp("explored")
    arguments = ["--network", "digits", "--samples", "800", "--pe", "lightpe1", "--batch", "2"]
    assert explore([*arguments, "-o", str(path)]) == 0
    return path


def run(folder: Path, out: Path, *more: str, point: int = 1, layer: str = "conv2") -> int:
    arguments = ["--front", str(folder), "--point", str(point), "--layer", layer]
    return main([*arguments, "-o", str(out), *more])


def test_each_point_and_layer_has_the_mapping_of_the_exploration(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front, same = json.loads((folder / "summary.json").read_text())["front"], 0
    for number, point in enumerate(front, 1):
        jobs = {}
        for name in ("conv1", "conv2", "conv3", "fc"):
            assert run(folder, tmp_path / f"{name}.yaml", point=number, layer=name) == 0
            jobs[name] = load_job(tmp_path / f"{name}.yaml")
        design = jobs["fc"].hardware.design
        assert design.pe.pe_type == point["pe_type"]
        assert design.pe.psum_width == point["psum_bits"]
        for field in ("rows", "cols", "glb_kib", "glb_bytes_per_cycle", "dram_gb_per_s"):
            assert getattr(design, field) == point[field]
        rate = point["dram_gb_per_s"] * point["period_ns"]
        assert jobs["fc"].hardware.off_chip_bytes <= rate
        # The same point by another way: the command that prices a design.
        config = tmp_path / "design.yaml"
        text = (tmp_path / "fc.yaml").read_text().split("  design:\n")[1].split("  off_chip")[0]
        config.write_text("".join(line[4:] + "\n" for line in text.splitlines()))
        capsys.readouterr()
        priced = ["--config", str(config), "--network", "digits", "--batch", "2", "--json"]
        assert evaluate(priced) == 0
        for layer in json.loads(capsys.readouterr().out)["layers"]:
            job = jobs[layer["name"]]
            assert layer["mapping"] == {n: getattr(job.mapping, n) for n in "mnepqrt"}
            assert job.layer.n == 2
            counts = job.program().counts()
            cycles = int(counts.setup_cycles) + int(counts.cycles)
            if job.hardware.off_chip_bytes == point["glb_bytes_per_cycle"]:  # the port is the limit
                assert layer["cycles"] == cycles
                same += 1
            else:
                assert layer["cycles"] <= cycles
    assert same > 0


def test_the_job_says_where_it_comes_from(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "job.yaml"
    assert run(folder / "summary.json", out, "--bias", "--seed", "5", "--relu") == 0
    job, text = load_job(out), out.read_text()
    assert text.startswith("# Point 1 of the ")
    assert "front of digits on nangate45" in text and "conv2" in text
    assert re.search(r"takes\n# [\d,]+ cycles with its set-up; [\d,]+ are predicted", text)
    assert job.bias and job.seed == 5
    assert job.requantize is not None and job.requantize.relu
    assert run(folder, out, "--psums") == 0
    assert load_job(out).requantize is None


def test_the_two_commands_of_the_readme(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m (dse\.job|hw\.emit) (.*)$", readme, re.MULTILINE)
    assert [name for name, _ in commands] == ["dse.job", "hw.emit"]
    monkeypatch.chdir(tmp_path)
    for name, text in commands:
        command = {"dse.job": main, "hw.emit": emit}[name]
        text = text.replace("build/explore/digits-nangate45", shlex.quote(str(folder)))
        assert command(shlex.split(text)) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    assert line.startswith("layer 'conv2' on accelerator_") and "right bit for bit" in line


def test_a_cropped_layer_says_so(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "job.yaml"
    assert run(folder, out, "--crop", "n=1,c=3,m=5,h=6") == 0
    job, whole = load_job(out), tmp_path / "whole.yaml"
    assert job.layer.name == "conv2, cropped to n=1 c=3 m=5 h=6"
    assert "cropped" in out.read_text().partition("hardware:")[0]
    assert run(folder, whole) == 0
    assert load_job(whole).hardware == job.hardware


def test_filters_with_different_terms_are_layers_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explored = tmp_path / "explored"
    arguments = ["--network", "digits", "--samples", "800", "--pe", "flightpe"]
    assert explore([*arguments, "--flightnn-mix", "0,0.5,0.5", "-o", str(explored)]) == 0
    front = json.loads((explored / "summary.json").read_text())
    best = next(b["point"] for b in front["best"] if b["pe_type"] == "flightpe")
    front["front"] = [best]
    (explored / "summary.json").write_text(json.dumps(front))
    capsys.readouterr()
    out = tmp_path / "job.yaml"
    for terms in (1, 2):
        assert run(explored, out, layer=f"conv2, k={terms}") == 0
        assert load_job(out).terms == terms
        assert load_job(out).layer.m == 8
    assert run(explored, out, layer="conv2") == 2
    assert "--layer must be one of " in capsys.readouterr().err


def test_cropped_mappings_fit() -> None:
    dice = random.Random(5)
    pe = PEConfig(pe_type="int8", ifmap_spad=8, filter_spad=64, psum_spad=6)
    smaller = 0
    for _ in range(300):
        config = RowStationaryConfig(pe=pe, rows=dice.randint(1, 6), cols=dice.randint(1, 5))
        layer = random_layer(dice)
        passes = random_mapping(layer, config, dice)
        groups = dice.randint(1, layer.groups)
        sizes = {
            "n": dice.randint(1, layer.n),
            "groups": groups,
            "c": groups * dice.randint(1, layer.c // layer.groups),
            "m": groups * dice.randint(1, layer.m // layer.groups),
            "h": dice.randint(max(1, layer.r - 2 * layer.padding), layer.h),
        }
        cropped = crop_layer(layer, sizes)
        mapping = crop_mapping(passes.mapping, layer, cropped)
        LayerPasses(layer=cropped, mapping=mapping, config=config)
        smaller += mapping != passes.mapping
    assert smaller > 50


def test_crops_that_cannot_be_are_refused() -> None:
    layer = Layer(name="plain", c=4, h=6, w=6, m=8, r=3, s=3)
    with pytest.raises(ConfigError, match="c of layer 'plain' must be at most 4, not 5"):
        crop_layer(layer, {"c": 5})
    with pytest.raises(ConfigError, match="the 3 x 3 filter must fit"):
        crop_layer(layer, {"h": 2})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--point", "0"], "--point must be from 1 to "),
        (["--point", "9999"], "--point must be from 1 to "),
        (["--layer", "conv9"], "--layer must be one of conv1, conv2, conv3, fc; did you mean"),
        (["--front", "nowhere"], "cannot read 'nowhere': No such file"),
        (["--crop", "c"], "--crop must be sizes such as c=8,h=10"),
        (["--crop", "c=1,c=2"], "--crop must be sizes such as c=8,h=10"),
        (["--crop", "w=0"], "w must be an integer from 1"),
        (["--relu", "--psums"], "--relu must come with requantized outputs"),
        (["--seed", "0"], "seed must be an integer of at least 1, not 0"),
    ],
)
def test_mistakes_get_one_clear_message(
    more: list[str],
    message: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(folder, tmp_path / "job.yaml", *more) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err
    assert not (tmp_path / "job.yaml").exists()


def test_explorations_of_other_times_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(summary: object) -> str:
        (tmp_path / "summary.json").write_text(json.dumps(summary))
        assert run(tmp_path, tmp_path / "job.yaml") == 2
        return capsys.readouterr().err

    good = json.loads((folder / "summary.json").read_text())
    period = good["front"][0]["period_ns"]
    good["front"][0]["period_ns"] = 2 * period
    assert f"not {period:.6g}: its models have changed since" in message(good)
    good["front"][0]["variant"] = "int16/sat17"
    assert "no longer a variant of the models" in message(good)
    del good["facts"]["options"]
    assert "run dse.explore again" in message(good)
    assert "must be a summary.json" in message([])
    (tmp_path / "summary.json").write_text("not JSON")
    assert run(tmp_path, tmp_path / "job.yaml") == 2
    assert "must be the summary.json of dse.explore" in capsys.readouterr().err
