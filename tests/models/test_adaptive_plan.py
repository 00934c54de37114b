"""Adaptive sampling: which points are chosen, that the loop ends, and the command's bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from characterize.plan import SIZES as SPACE
from characterize.plan import make_plan
from hw.config import PEConfig
from models import sample
from models.adaptive_plan import adaptive_plan
from models.errors import ModelError
from models.group_fits import HEADLINE, GroupFits

Make = Callable[..., pd.DataFrame]


def place(config: PEConfig) -> tuple[int, int, int, int]:
    return config.ifmap_spad, config.filter_spad, config.psum_spad, config.psum_width


def places(frame: pd.DataFrame) -> list[tuple[int, int, int, int]]:
    names = ["ifmap_spad", "filter_spad", "psum_spad", "psum_width"]
    return [(a, b, c, d) for a, b, c, d in frame[names].to_numpy().tolist()]


@pytest.fixture(scope="module")
def rows(make_datapoints: Make) -> pd.DataFrame:
    return make_datapoints(points=16)


def test_points_are_new_and_of_the_default_space(rows: pd.DataFrame) -> None:
    plan = adaptive_plan(rows, "int16", count=12)
    chosen = [place(point) for point in plan.points]
    assert len(set(chosen)) == len(chosen) == 12
    assert not set(chosen) & set(places(rows))
    assert {point.psum_bits for point in plan.points} <= {None, 16, 32}
    assert {point.pipeline_depth for point in plan.points} == {2}
    for point in plan.points:
        assert all(getattr(point, name) in words for name, words in SPACE.items())
    assert plan == adaptive_plan(rows, "int16", count=12)
    assert plan.measured == 16
    assert {figure for _, figure in plan.errors} == set(HEADLINE)


def test_a_point_taken_makes_all_others_more_certain(rows: pd.DataFrame) -> None:
    found = adaptive_plan(rows, "int16", count=20).uncertainties
    assert list(found) == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.9 * found[0]


def test_far_from_what_is_known_it_is_uncertain(make_datapoints: Make) -> None:
    rows = make_datapoints(points=400, seed=2)
    near = rows[(rows["filter_spad"] <= 224) & (rows["psum_spad"] <= 32)].head(30)
    points = adaptive_plan(near, "int16", count=3).points
    assert max(point.filter_spad for point in points) == 512
    assert max(point.psum_spad for point in points) == 64


def test_groups_share_a_plan(make_datapoints: Make) -> None:
    macro = make_datapoints(kinds=("macro",) * 3, points=12, seed=5)
    plan = adaptive_plan(pd.concat([make_datapoints(points=60), macro]), "int16", count=10)
    kinds = [point.filter_spad_kind for point in plan.points]
    assert kinds.count("macro") > kinds.count("flipflop")  # fewer points, less certain
    assert len(plan.errors) == 2 * len(HEADLINE)


def test_measuring_and_choosing_end_at_the_target(make_datapoints: Make) -> None:
    pool = make_datapoints(points=600, noise=0.002, seed=4).drop_duplicates(
        ["ifmap_spad", "filter_spad", "psum_spad", "psum_width"]
    )
    log2 = np.log2(pool[["ifmap_spad", "filter_spad", "psum_spad"]].to_numpy().T)
    pool["critical_path_ns"] = 0.2 + 0.05 * log2[1] * log2[2] + 0.1 * log2[0] ** 2  # 15 terms
    have = set(places(pool))
    known = pool.head(10)
    errors = []
    for _ in range(6):
        plan = adaptive_plan(
            known, "int16", count=6, target=0.004, allowed=lambda point: place(point) in have
        )
        errors.append(plan.error)
        if not plan.points:
            break
        wanted = {place(point) for point in plan.points}
        measured = pool[[found in wanted for found in places(pool)]]
        assert len(measured) == 6
        known = pd.concat([known, measured])
    assert errors[-1] <= 0.004 < 0.02 < errors[0]
    made = GroupFits(known).predict(pool)
    for name in HEADLINE:
        assert (made[name] / pool[name] - 1).abs().mean() < 0.008


def test_nothing_is_left(rows: pd.DataFrame) -> None:
    plan = adaptive_plan(rows, "int16", count=3, allowed=lambda _: False)
    assert plan.points == () and plan.error > 0


def test_too_few_points_say_how_many_are_needed(make_datapoints: Make) -> None:
    with pytest.raises(ModelError, match=r"at least 9 datapoints of one .* not 5; measure some"):
        adaptive_plan(make_datapoints(points=5), "int16", count=1)
    with pytest.raises(ModelError, match="not 0; measure some: `make characterize PE=bf16"):
        adaptive_plan(make_datapoints(points=24), "bf16", count=1)


@pytest.fixture
def data(tmp_path: Path, rows: pd.DataFrame) -> Path:
    path = tmp_path / "toy.csv"
    rows.to_csv(path, index=False)
    return path


def run(data: Path, *arguments: object) -> int:
    fixed = ("--library", "toy", "--data", data)
    return sample.main([str(argument) for argument in (*fixed, *arguments)])


def test_the_command_writes_a_plan_that_characterize_reads(
    data: Path, rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plans" / "next.yaml"
    command = ("--pe", "int16", "--points", 5, "-o", path)
    assert run(data, *command, "--target", "0.1%") == 0
    said = capsys.readouterr()
    assert f"5 points in {path}" in said.err and "uncertain by %" in said.out
    points = make_plan(str(path), "int16")
    assert points == list(adaptive_plan(rows, "int16", count=5).points)
    assert run(data, *command, "--target", "20%") == 0
    assert "no plan written: the target is reached; estimated error" in capsys.readouterr().err
    assert not path.exists()  # what was written before is not the next plan
    assert run(data, *command, "--json") == 0
    assert f'"file": "{path}"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--pe", "int17"), 2, "PE type must be one of"),
        (("--pe", "int16; rm -r"), 2, "not 'int16; rm -r'"),
        (("--pe", "int8"), 1, "at least 9 datapoints"),
        (("--pe", "int16", "--target", "good"), 2, "must be a percentage like 3% or 0.03"),
        (("--pe", "int16", "--target", "0%"), 2, "not '0%'"),
        (("--pe", "int16", "--target", "3"), 2, "not '3'"),
        (("--pe", "int16", "--target", "nan"), 2, "not 'nan'"),
        (("--pe", "int16", "--points", "0"), 2, "must be an integer from 1 to 1000, not '0'"),
    ],
)
def test_bad_input_is_named(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    path = tmp_path / "next.yaml"
    assert run(data, *arguments, "-o", path) == status
    assert message in capsys.readouterr().err
    assert not path.exists()
