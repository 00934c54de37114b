"""Liberty files of 100 MiB: read and used in bounded memory."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.circuits import library_path
from tests.flows.large_library import current_sources, write_library

SIZE = 100 * 2**20
MANY_CELLS_MIB, LARGE_CELLS_MIB = 2048, 1024
"""Memory that is allowed to this process, and with large cells to the tools as well."""
ROOT = Path(__file__).parents[2]

READ = """
import resource, sys
from flows.liberty import read_liberty
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]) << 20,) * 2)
print(len(read_liberty(sys.argv[1]).cells))
"""


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.long
def test_many_cells_are_read_within_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "many.lib"
    cells = write_library(library_path("osu018"), path, SIZE)
    assert path.stat().st_size >= SIZE and cells > 10_000
    assert int(run("-c", READ, str(path), str(MANY_CELLS_MIB))) == cells
    print(f"{cells} cells, {path.stat().st_size / 2**20:.0f} MiB; see peaks below")
    print(f"peak {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")


@pytest.mark.long
def test_a_module_is_mapped_to_large_cells(tmp_path: Path) -> None:
    if shutil.which("sta") is None:
        pytest.skip("sta is not installed (apt-get install opensta)")
    path, small = tmp_path / "large.lib", library_path("osu018")
    cells = write_library(small, path, SIZE, padding=current_sources(16, 120))
    assert path.stat().st_size >= SIZE
    command = ("-m", "tests.flows.large_library")
    found = json.loads(run(*command, str(path), str(tmp_path / "of-large")))
    usual = json.loads(run(*command, str(small), str(tmp_path / "of-small")))
    print(json.dumps(found))
    assert found["cells"] == cells > usual["cells"]
    assert found["area_um2"] == pytest.approx(usual["area_um2"], rel=0.2)
    assert found["critical_path_ns"] == pytest.approx(usual["critical_path_ns"], rel=0.3)
    assert found["whole_mib"] < LARGE_CELLS_MIB
    assert found["tools_mib"] < LARGE_CELLS_MIB
