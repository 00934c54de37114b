"""The PPA model: the same figures as scikit-learn, range, continuation, and its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import model_file, training
from models.errors import ModelError
from models.model_file import ModelFile, load_model_file, save_model_file
from models.polynomial import TargetFit, fit_target
from models.ppa import PPAModel
from models.targets import FEATURES, TARGETS, TOTALS, VARIABLES, variable

FLIPFLOP = ("flipflop",) * 3
POINT = {
    "ifmap_spad": 12, "filter_spad": 224, "psum_spad": 24, "psum_width": 32, "saturating": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def model(fitted: ModelFile) -> PPAModel:
    return PPAModel(fitted)


def test_evaluation_reproduces_scikit_learn(
    make_datapoints: Callable[..., pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: dict[str, TargetFit] = {}

    def record(target: str, *arguments: Any) -> TargetFit:
        fits[target] = fit_target(target, *arguments)
        return fits[target]

    monkeypatch.setattr(training, "fit_target", record)
    frame = make_datapoints(points=40, seed=11, noise=0.05)
    model = PPAModel(training.fit_library(frame, seed=1))
    features = {name: frame[name].to_numpy(dtype=float) for name in FEATURES}
    made = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=features)
    columns = {name: variable(name, features) for name in VARIABLES}
    group = model.groups("int16")[0]
    bounds = zip(group.variables, group.centre, group.half, strict=True)
    inside = np.all([np.abs(columns[v] - c) <= h * (1 + 1e-9) for v, c, h in bounds], axis=0)
    assert inside.sum() >= 24 and len(fits) == len(group.targets)
    for name, fit in fits.items():
        if fit.degree:
            x = np.stack([columns[v] for v in fit.variables], axis=1)
            expected = np.maximum(fit.estimator.predict(x) * _scale(fit), fit.floor)
            np.testing.assert_allclose(made[name][inside], expected[inside], rtol=1e-9)
    assert sum(fit.degree > 0 for fit in fits.values()) >= 8


def _scale(fit: TargetFit) -> float:
    """The pipeline works on targets divided by their mean size."""
    return float(fit.intercept / fit.estimator.named_steps["regression"].intercept_)


def test_arrays_and_totals(model: PPAModel) -> None:
    features = POINT | {"filter_spad": np.array([64, 224, 512])}
    made = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=features)
    for name, parts in TOTALS.items():
        np.testing.assert_allclose(made[name], sum(made[part] for part in parts), rtol=1e-12)
    for name, values in made.values.items():
        assert name in TARGETS and values.shape == (3,) and values.dtype == np.float64
        low, high = made.bounds(name)
        assert ((values > 0) == (name != "psum_out_pj")).all()
        assert (low <= values).all() and (values <= high).all()
    assert (np.diff(made["area_um2"]) > 0).all() and made.in_range.all()


def test_many_points_equal_single_points(model: PPAModel) -> None:
    rng = np.random.default_rng(0)
    count = 20_000
    features = {
        "ifmap_spad": rng.integers(2, 64, count), "filter_spad": rng.integers(2, 4096, count),
        "psum_spad": rng.integers(2, 128, count), "psum_width": rng.integers(16, 64, count),
        "saturating": rng.integers(0, 2, count),
    }  # fmt: skip
    made = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=features)
    for index in range(0, count, 997):
        one = {name: int(column[index]) for name, column in features.items()}
        single = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=one)
        assert single.in_range[0] == made.in_range[index]
        for name in made.values:
            assert single[name][0] == pytest.approx(made[name][index], rel=1e-9)


def test_in_range_is_the_box_of_the_training_points(model: PPAModel) -> None:
    features = POINT | {"filter_spad": [63, 64, 512, 513]}
    made = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=features)
    assert made.in_range.tolist() == [False, True, True, False]


def test_outside_the_range_a_polynomial_goes_on_linearly(model: PPAModel) -> None:
    sizes = np.array([512, 1024, 1536, 2048])
    features = POINT | {"filter_spad": sizes}
    made = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=features)
    steps = np.diff(made["area_filter_spad_um2"])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert steps[0] == pytest.approx(6.5 * 16 * 512, rel=0.1)
    far = model.predict(
        "int16", kinds=FLIPFLOP, pipeline_depth=2, features=POINT | {"filter_spad": 1}
    )
    assert far["area_filter_spad_um2"][0] >= model.groups("int16")[0].targets[
        "area_filter_spad_um2"
    ].floor > 0  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("fp32", FLIPFLOP, 2, POINT), "no model of 'fp32' .*fitted PE types: int16, lightpe1"),
        (("int16", ("latch",) * 3, 2, POINT), "latch/latch/latch .*fitted for this PE type: flip"),
        (("int16", FLIPFLOP, 1, POINT), "at pipeline depth 1 .*at pipeline depth 2"),
        (("int16", FLIPFLOP, 2, {"ifmap_spad": 3}), "features must be ifmap_spad, filter_spad"),
        (("int16", FLIPFLOP, 2, POINT | {"psum_spad": 0}), "psum_spad must be positive, not 0.0"),
        (
            ("int16", FLIPFLOP, 2, POINT | {"psum_spad": [1, 2], "psum_width": [1, 2, 3]}),
            "must have one common shape",
        ),
    ],
)
def test_what_is_not_fitted_is_refused(model: PPAModel, arguments: Any, text: str) -> None:
    pe_type, kinds, depth, features = arguments
    with pytest.raises(ModelError, match=text):
        model.predict(pe_type, kinds=kinds, pipeline_depth=depth, features=features)


def test_a_file_comes_back_equal_and_in_the_same_bytes(fitted: ModelFile, tmp_path: Path) -> None:
    path, again = tmp_path / "new" / "toy.json", tmp_path / "again.json"
    save_model_file(fitted, path)
    loaded = load_model_file(path)
    assert loaded == fitted
    save_model_file(loaded, again)
    assert again.read_bytes() == path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["toy.json"]
    assert PPAModel.load(path).library == PPAModel.load(str(path)).library == "toy"


def _damage(content: dict[str, Any], how: str) -> None:
    group = content["groups"][0]
    target = group["targets"]["idle_pj"]
    if how == "version":
        content["schema_version"] = 99
    elif how == "unknown":
        content["surprise"] = 1
    elif how == "missing":
        del group["centre"]
    elif how == "text":
        target["intercept"] = "abc"
    elif how == "nan":
        target["intercept"] = float("nan")
    elif how == "lengths":
        target["coefficients"].append(1.0)
    elif how == "width":
        target["terms"][0].append(1)
    elif how == "target":
        del group["targets"]["idle_pj"]
    elif how == "half":
        group["half"][0] = 0.0
    elif how == "twice":
        content["groups"].append(group)


@pytest.mark.parametrize(
    "how",
    ["version", "unknown", "missing", "text", "nan", "lengths", "width", "target", "half", "twice"],
)
def test_a_malformed_file_is_refused(fitted: ModelFile, tmp_path: Path, how: str) -> None:
    path = tmp_path / "toy.json"
    save_model_file(fitted, path)
    content = json.loads(path.read_text())
    _damage(content, how)
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"toy\.json: malformed model file: "):
        load_model_file(path)


def test_what_is_no_model_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    with pytest.raises(ModelError, match="cannot read model file"):
        load_model_file(path)
    path.write_text("{")
    with pytest.raises(ModelError, match="malformed model file"):
        load_model_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="not UTF-8 text"):
        load_model_file(path)


def test_own_fits_come_before_shipped_ones(
    fitted: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    monkeypatch.setattr(model_file, "OWN_MODELS", own)
    monkeypatch.setattr(model_file, "SHIPPED_MODELS", shipped)
    with pytest.raises(ModelError, match=r"\(there are: none\).*make characterize"):
        PPAModel.load("toy")
    save_model_file(fitted, shipped / "toy.json")
    assert model_file.find_model_file("toy") == shipped / "toy.json"
    save_model_file(fitted, own / "toy.json")
    assert model_file.find_model_file("toy") == own / "toy.json"
    with pytest.raises(ModelError, match=r"library 'other' \(there are: toy\)"):
        PPAModel.load("other")


@pytest.mark.parametrize("name", ["", "..", "a b", "a;b", "-x", "x" * 65, "a..b"])
def test_library_names_cannot_leave_their_folder(name: str) -> None:
    with pytest.raises(ModelError, match="library must be a name of letters"):
        model_file.find_model_file(name)
