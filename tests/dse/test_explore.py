from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from dse.evaluate import main as evaluate_main
from dse.explore import main
from dse.variants import fitted_variants
from hw.pe.registry import PE_TYPES
from models.model_file import save_model_file
from models.ppa import PPAModel

from .all_types import file_of_all_types

FEW = ["--network", "resnet20", "--samples", "800"]


def test_one_json_value_with_the_whole_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FEW, "--json", "-o", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((tmp_path / "summary.json").read_text())
    variants = {(best["variant"], best["spad_kind"]) for best in result["best"]}
    explored = fitted_variants(PPAModel.load("nangate45"))
    assert variants == {(v.name, v.spad_kind) for v in explored}
    assert len(result["best"]) == 3 * len(variants)
    for best in result["best"]:
        assert sum(best["share"].values()) == pytest.approx(1)
        assert best["spread"] >= 1
        if best["pe_type"] == "int16":
            assert best["gain_same_spads"] <= 1
            assert best["gain_any_spads"] <= 1
    assert max(b["gain_any_spads"] for b in result["best"] if b["pe_type"] == "int16") == 1
    front = pd.read_csv(tmp_path / "front.csv")
    assert front["perf_per_area"].is_monotonic_decreasing
    assert front["on_chip_mj"].is_monotonic_decreasing
    assert (tmp_path / "exploration.png").read_bytes().startswith(b"\x89PNG")


def test_every_registered_type_is_compared_with_int16_int8_and_int4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "all.json"
    save_model_file(file_of_all_types(), library)
    models = ["--library", str(library), "--node", "45"]
    arguments = [*FEW, *models, "--flightnn-mix", "0.1,0.6,0.3", "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    report = capsys.readouterr().out
    assert "No gain over int8: " in report and "No gain over int4: " in report
    assert "most): 0.1,0.6,0.3." in report
    result = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {best["pe_type"] for best in result["best"]} == set(PE_TYPES)
    for rival in ("int8", "int4"):
        for best in result["best"]:
            same = [
                other["value"]
                for other in result["best"]
                if (other["pe_type"], other["spad_kind"], other["objective"])
                == (rival, best["spad_kind"], best["objective"])
            ]
            gain = best["value"] / same[0]
            gain = gain if best["objective"] == "perf_per_area" else 1 / gain
            assert best["gain_over"][rival] == pytest.approx(gain)


def test_types_fitted_at_another_depth_only_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of_all_types()
    groups = [g for g in file.groups if g.pe_type in ("int16", "int8", "int4")]
    shifted = [
        dataclasses.replace(g, pipeline_depth=g.pipeline_depth % 3 + 1)
        if g.pe_type == "int4"
        else g
        for g in groups
    ]
    library = tmp_path / "some.json"
    save_model_file(dataclasses.replace(file, groups=tuple(shifted)), library)
    arguments = [*FEW, "--library", str(library), "--node", "45", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--pe", "int8"]) == 0
    assert "Without models at their own pipeline depth: int4." in capsys.readouterr().out
    assert main([*arguments, "--pe", "int4"]) == 2
    assert "int4 has no model at pipeline depth" in capsys.readouterr().err


def test_chosen_types_stand_beside_their_rivals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FEW, "--pe", "lightpe1", "--json", "-o", str(tmp_path)]) == 0
    best = json.loads(capsys.readouterr().out)["best"]
    fitted = set(PPAModel.load("nangate45").pe_types)
    assert {b["pe_type"] for b in best} == {"int16", "lightpe1", *({"int8", "int4"} & fitted)}


def test_the_report_shows_gains_splits_spread_and_what_is_not_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FEW, "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for text in (
        "gain, same spads",
        "spread",
        "arithmetic %",
        "DRAM %",
        "Pareto front",
        "Not counted: bias",
        "Not counted: wires beyond the library's wire-load model",
        "shell %",
        "CACTI",
        "held-out",
    ):
        assert text in out


def test_a_point_of_the_front_evaluates_to_the_same_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*FEW, "--json", "-o", str(tmp_path)]) == 0
    for point in json.loads(capsys.readouterr().out)["front"][:3]:
        kind = point["spad_kind"]
        saturating = point["variant"].partition("/sat")[2]
        config = tmp_path / "point.yaml"
        config.write_text(
            json.dumps(
                {
                    "pe": {
                        "pe_type": point["pe_type"],
                        **{n: point[n] for n in ("ifmap_spad", "filter_spad", "psum_spad")},
                        **{f"{n}_spad_kind": kind for n in ("ifmap", "filter", "psum")},
                        "psum_bits": int(saturating) if saturating else None,
                    },
                    **{
                        name: point[name]
                        for name in (
                            "rows",
                            "cols",
                            "glb_kib",
                            "glb_bytes_per_cycle",
                            "dram_gb_per_s",
                        )
                    },
                }
            )
        )
        assert evaluate_main(["--config", str(config), "--network", "resnet20", "--json"]) == 0
        total = json.loads(capsys.readouterr().out)["total"]
        for name in ("latency_ms", "area_mm2", "on_chip_mj", "total_mj", "perf_per_area"):
            assert total[name] == pytest.approx(point[name], rel=1e-9)


def test_a_users_own_table_is_explored(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("name,c,h,w,m,r,s,padding\nfirst,3,32,32,16,3,3,1\nsecond,16,32,32,16,3,3,1\n")
    arguments = ["--network", str(table), "--samples", "800", "--pe", "int8", "-o", str(tmp_path)]
    assert main(arguments) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--network", "vgg61"], 2, "vgg16"),
        (["--network", "resnet20", "--pe", "int9"], 2, "--pe must be one of"),
        (["--network", "resnet20", "--samples", "10"], 2, "samples must be from 300"),
        (["--network", "resnet20", "--batch", "0"], 2, "--batch must be at least 1"),
        (["--network", "resnet20", "--flightnn-mix", "1,1"], 2, "a mix must be three shares"),
        (["--network", "resnet20", "--seed", "-1"], 2, "--seed must not be negative"),
        (["--network", "resnet20", "--library", "nothing"], 1, "nothing"),
        (["--network", "nowhere/table.yaml"], 2, "nowhere/table.yaml"),
    ],
)
def test_mistakes_get_one_clear_message(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err


def test_a_design_that_cannot_run_a_layer_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text("pe: {pe_type: int8, ifmap_spad: 8}\nrows: 8\n")
    assert evaluate_main(["--config", str(config), "--network", "alexnet"]) == 1
    assert "conv1: filter row longer than the ifmap scratchpad" in capsys.readouterr().err
