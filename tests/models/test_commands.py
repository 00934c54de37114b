"""The two commands from outside: output, exit status, messages without a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from models import fit, model_file, predict

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr(model_file, "OWN_MODELS", tmp_path / "own")
    monkeypatch.setattr(fit, "OWN_MODELS", tmp_path / "own")
    monkeypatch.setattr(model_file, "SHIPPED_MODELS", tmp_path / "shipped")

    def call(main: Callable[[list[str]], int], *arguments: object) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        output = capsys.readouterr()
        assert "Traceback" not in output.err
        return status, output.out, output.err

    return call


@pytest.fixture
def data(tmp_path: Path, datapoints: pd.DataFrame) -> Path:
    path = tmp_path / "toy.csv"
    datapoints.to_csv(path, index=False)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pe.yaml"
    path.write_text("pe_type: int16\nfilter_spad: 224\npsum_bits: 32\npipeline_depth: 2\n")
    return path


@pytest.mark.parametrize("command", [fit, predict])
def test_help_and_unknown_options(run: Run, command: object) -> None:
    main = command.main  # type: ignore[attr-defined]
    status, out, _ = run(main, "--help")
    assert status == 0 and len(out) > 200
    status, _, err = run(main, "--library", "toy", "--config", "x", "--nonsense")
    assert status == 2 and "--nonsense" in err


def test_fit_then_predict(run: Run, data: Path, config: Path, tmp_path: Path) -> None:
    status, out, err = run(fit.main, "--library", "toy", "--data", data)
    assert status == 0 and "fitting int16" in err
    assert "Held-out error" in out and "area_filter_spad_um2" in out
    assert (tmp_path / "own" / "toy.json").is_file()
    status, out, _ = run(predict.main, "--library", "toy", "--config", config, "--json")
    content = json.loads(out)
    assert status == 0 and content["in_range"] is True and "sram" not in content
    area = content["prediction"]["area_um2"]
    assert area["low"] < area["value"] < area["high"]
    assert area["value"] == pytest.approx(_law(filters=224, width=32), rel=0.05)
    assert content["pe"]["area_um2"] == pytest.approx(area["value"])
    status, out, _ = run(predict.main, "--library", "toy", "--config", config)
    assert status == 0 and "inside the fitted range" in out


def _law(filters: int, width: int) -> float:
    """The synthetic law of an INT16 PE with flip-flops at 12 ifmap and 24 psum words."""
    from math import log2

    stored = 6.5 * (12 * 16 + filters * 16 + 24 * width) + 3 * 40
    return 3.0 * 256 + 9.0 * width + 200 + 30 * log2(12 * filters * 24) + stored


def test_fit_prints_json_and_writes_the_same_bytes_again(
    run: Run, data: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    status, out, _ = run(fit.main, "--library", "toy", "--data", data, "-o", first, "--json")
    content = json.loads(out)
    assert status == 0 and content["file"] == str(first)
    assert content["held_out"]["lightpe1"]["area_um2"]["points"] == 8
    assert run(fit.main, "--library", "toy", "--data", data, "-o", second)[0] == 0
    assert first.read_bytes() == second.read_bytes()


def test_predict_macros_of_an_accelerator(run: Run, data: Path, tmp_path: Path) -> None:
    assert run(fit.main, "--library", "toy", "--data", data)[0] == 0
    path = tmp_path / "accelerator.yaml"
    kinds = "".join(f"  {name}_spad_kind: macro\n" for name in ("ifmap", "filter", "psum"))
    point = f"  pe_type: int16\n  psum_bits: 32\n  pipeline_depth: 2\n{kinds}"
    path.write_text(f"rows: 12\npe:\n{point}")
    status, _, err = run(predict.main, "--library", "toy", "--config", path)
    assert status == 1 and "give it explicitly as one of 22, 32, 45, 65, 90, 180 nm" in err
    arguments = ("--library", "toy", "--config", path, "--node", "45", "--json")
    status, out, _ = run(predict.main, *arguments)
    content = json.loads(out)
    assert status == 0 and set(content["sram"]) == {"ifmap_spad", "filter_spad", "psum_spad"}
    assert content["sram"]["psum_spad"]["banks"] == 2
    assert "itrs-lstp, 45 nm" in content["provenance"][-1]
    assert content["pe"]["area_um2"] > content["prediction"]["area_um2"]["value"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pe_type: int17\n", "pe_type must be one of"),
        ("pe_type: int16\nfilter: 3\n", "unknown key 'filter'"),
        ("pe_type: int16\nfilter_spad: 0\n", "filter_spad must be an integer from"),
        ("{", "not YAML"),
    ],
)
def test_a_wrong_configuration_is_wrong_usage(
    run: Run, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    status, _, err = run(predict.main, "--library", "toy", "--config", path)
    assert status == 2 and message in err


def test_what_fails_says_what_would_be_right(run: Run, tmp_path: Path, config: Path) -> None:
    status, _, err = run(predict.main, "--library", "nowhere", "--config", config)
    assert status == 1 and "no fitted models for library 'nowhere'" in err
    status, _, err = run(fit.main, "--library", "nowhere")
    assert (
        status == 1
        and "no datapoints for the library 'nowhere'" in err
        and "make characterize" in err
    )
    status, _, err = run(fit.main, "--library", "../x")
    assert status == 1 and "library must be a name" in err
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    status, _, err = run(fit.main, "--library", "toy", "--data", empty)
    assert status == 1 and "cannot read datapoints from" in err
    assert not (tmp_path / "own").exists()


def test_datapoints_of_another_library_are_refused(run: Run, data: Path, tmp_path: Path) -> None:
    status, _, err = run(fit.main, "--library", "other", "--data", data)
    assert status == 1 and "must be of library 'other', not toy" in err
    assert not (tmp_path / "own").exists()


def test_too_few_points_leave_no_file(run: Run, data: Path, tmp_path: Path) -> None:
    pd.read_csv(data).head(12).to_csv(data, index=False)
    status, _, err = run(fit.main, "--library", "toy", "--data", data)
    assert status == 1 and "a fit needs at least 16" in err
    status, _, _ = run(fit.main, "--library", "toy", "--data", data, "--held-out", "4")
    assert status == 0 and (tmp_path / "own" / "toy.json").is_file()
    status, _, err = run(fit.main, "--library", "toy", "--held-out", "1")
    assert status == 2 and "must be an integer from 2 to 10000, not '1'" in err
    assert run(fit.main, "--library", "toy", "--seed", "-1")[0] == 2
