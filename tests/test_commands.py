"""Every command the documents name: help that explains, and a wrong option that exits 2."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "characterize.array_overhead": "characterize.array_overhead",
    "characterize.shell_cost": "characterize.shell_cost",
    "models.fit_arrays": "models.fit_arrays",
    "models.fit_shells": "models.fit_shells",
    "hw.emit": "hw.emit",
    "characterize": "characterize.__main__",
    "characterize.energy": "characterize.energy",
    "characterize.flattened": "characterize.flattened",
    "characterize.recipe_search": "characterize.recipe_search",
    "characterize.digits_network": "characterize.digits_network",
    "models.fit": "models.fit",
    "models.predict": "models.predict",
    "models.sample": "models.sample",
    "dse.explore": "dse.explore",
    "dse.evaluate": "dse.evaluate",
    "dse.job": "dse.job",
    "dse.eyeriss": "dse.eyeriss",
}


@pytest.mark.parametrize("module", COMMANDS.values())
def test_help_explains_and_exits_0(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main(["--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize("module", COMMANDS.values())
def test_a_wrong_option_exits_2(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main(["--no-such-option"])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_documents_name_commands_that_exist() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        name
        for path in texts
        for name in re.findall(r"python -m ([a-z_.]+)", path.read_text(encoding="utf-8"))
    }
    assert named
    for name in named:
        if name.startswith("benchmarks."):
            assert (ROOT / f"{name.replace('.', '/')}.py").is_file(), name
        else:
            assert name in {*COMMANDS, "pytest", "flows.warm"}, name
    makefile = (ROOT / "Makefile").read_text()
    targets = {t for path in texts for t in re.findall(r"`make ([a-z-]+)", path.read_text())}
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
