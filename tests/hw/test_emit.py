from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hw.emit import main
from hw.pe.registry import PE_TYPES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_bytes_do_not_depend_on_folder_or_hash_seed(pe_type: str, tmp_path: Path) -> None:
    texts = []
    for seed in ("1", "2"):
        folder = tmp_path / f"in{seed}"
        command = [sys.executable, "-m", "hw.emit", "--pe", pe_type, "--filter-spad", "16"]
        subprocess.run(
            [*command, "-o", str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        texts.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert texts[0] == texts[1]
    assert set(texts[0]) == {f"pe_{pe_type}.v", f"pe_{pe_type}.json"}


def test_the_sidecar_describes_the_verilog(tmp_path: Path) -> None:
    arguments = ["--pe", "lightpe1", "--psum-spad-kind", "macro", "--filter-spad", "8"]
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    sidecar = json.loads((tmp_path / "pe_lightpe1.json").read_text())
    verilog = (tmp_path / "pe_lightpe1.v").read_text()
    assert sidecar["verilog_sha256"] == hashlib.sha256(verilog.encode()).hexdigest()
    assert set(sidecar["memories"]) == {"psum_memory0", "psum_memory1"}
    for name, port in sidecar["ports"].items():
        width = f"[{port['bits'] - 1}:0] " if port["bits"] > 1 else ""
        assert f"{port['direction']} {width}{name};" in verilog
    for module in sidecar["parts"].values():
        assert f"module {module}(" in verilog


@pytest.mark.parametrize("name", ["", "nosuchpe", "int16;exec ls", "../../etc/passwd", "$(id)"])
def test_unknown_types_get_the_valid_names(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--pe", name, "-o", str(tmp_path / "out")]) == 2
    assert "lightpe1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_wrong_sizes_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pe", "int8", "--ifmap-spad", "0", "-o", str(tmp_path / "out")]) == 2
    assert "ifmap_spad must be an integer from 2 to 1024, not 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--pe", "int8", "-o", str(tmp_path / "file" / "out")]) == 1
    assert "error: " in capsys.readouterr().err
