"""From datapoints to a model: held-out points, groups, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models import polynomial, training
from models.errors import ModelError
from models.model_file import ModelFile
from models.targets import FEATURES, FITTED_TARGETS, MACRO_TARGET, TARGETS
from models.training import fit_library, usable_datapoints

Make = Callable[..., pd.DataFrame]
FLIPFLOP = ("flipflop",) * 3


def test_every_group_and_target_is_fitted_within_the_noise(fitted: ModelFile) -> None:
    assert [group.key for group in fitted.groups] == [
        ("int16", FLIPFLOP, 2),
        ("int16", ("macro",) * 3, 2),
        ("lightpe1", FLIPFLOP, 2),
    ]
    for group in fitted.groups:
        assert (MACRO_TARGET in group.targets) == ("macro" in group.kinds)
        for target in group.targets.values():
            assert target.held_out.mape < 0.03 and target.held_out.max < 0.1
    assert set(fitted.held_out["int16"]) == set(TARGETS)
    assert set(fitted.held_out["lightpe1"]) == set(TARGETS) - {MACRO_TARGET}
    assert fitted.datapoints == 96 and fitted.measuring_seconds == 96 * 20
    assert fitted.left_out == ()


def test_at_least_eight_points_per_type_are_held_out(fitted: ModelFile) -> None:
    assert fitted.held_out["int16"]["area_um2"].points == 16
    assert fitted.held_out["lightpe1"]["area_um2"].points == 8
    for group in fitted.groups:
        assert group.training_points == 24 and group.held_out_points == 8


def test_no_fit_sees_a_held_out_point(
    make_datapoints: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_datapoints(points=32, seed=5)
    frame["psum_pass_pj"] = np.linspace(1.0, 2.0, 32)  # distinct: identifies each point
    seen: set[float] = set()
    sizes: list[int] = []
    original = polynomial.fit_target

    def spy(target: str, columns: dict, actual: np.ndarray, folds: list) -> object:
        if target == "psum_pass_pj":
            seen.update(actual.tolist())
            sizes.extend(len(train) + len(test) for train, test in folds)
        return original(target, columns, actual, folds)

    monkeypatch.setattr(training, "fit_target", spy)
    model = fit_library(frame, seed=1)
    assert len(seen) == 24 and set(sizes) == {24}
    assert model.groups[0].held_out_points == 8


def test_the_stored_error_is_that_of_the_stored_coefficients(make_datapoints: Make) -> None:
    """Garbling the held-out points changes their error and nothing else."""
    frame = usable_datapoints(make_datapoints(points=32, seed=6))
    test = training._draw(frame, 8, 4)
    garbled = frame.copy()
    garbled.loc[test, "idle_pj"] *= 3
    first, second = fit_library(frame, seed=4), fit_library(garbled, seed=4)
    a, b = (model.groups[0].targets["idle_pj"] for model in (first, second))
    assert dataclasses.replace(a, held_out=b.held_out) == b
    assert a.held_out.mape < 0.03 and b.held_out.mape == pytest.approx(2 / 3, abs=0.02)
    assert b.held_out.coverage == 0


def test_the_range_is_that_of_all_points(fitted: ModelFile, datapoints: pd.DataFrame) -> None:
    for group in fitted.groups:
        rows = datapoints[datapoints["pe_type"] == group.pe_type]
        rows = rows[rows["ifmap_spad_kind"] == group.kinds[0]]
        for name in FEATURES:
            assert (group.low[name], group.high[name]) == (rows[name].min(), rows[name].max())


def test_the_same_seed_gives_the_same_model_in_any_row_order(make_datapoints: Make) -> None:
    frame = make_datapoints(points=24, seed=7)
    shuffled = frame.sample(frac=1, random_state=1)
    assert fit_library(frame, seed=2) == fit_library(shuffled, seed=2)
    assert fit_library(frame, seed=2) != fit_library(frame, seed=3)


def test_predictions_of_parts_never_fall_below_the_floor(fitted: ModelFile) -> None:
    for group in fitted.groups:
        for name, target in group.targets.items():
            assert (target.floor < 0) == (name == "psum_out_pj")  # negative in the laws
    assert fitted.groups[0].targets["area_filter_spad_um2"].floor > 0


def test_failed_rows_and_older_copies_of_a_key_are_left_out(make_datapoints: Make) -> None:
    frame = make_datapoints(points=24, seed=8)
    old = frame.copy()
    old["idle_pj"] *= 2
    failed = make_datapoints(points=4, seed=9).assign(status="failed", area_um2=np.nan)
    both = pd.concat([old, frame, failed], ignore_index=True)
    assert fit_library(both) == fit_library(frame)


def test_points_without_their_decoders_are_left_out(make_datapoints: Make) -> None:
    frame = make_datapoints(points=32)
    edge = frame.assign(key="edge-" + frame["key"], decoders="edge", area_um2=1.0)
    both = usable_datapoints(pd.concat([frame, edge]))
    pd.testing.assert_frame_equal(both, usable_datapoints(frame))


def test_a_quick_campaign_is_enough(make_datapoints: Make) -> None:
    """16 points with flip-flops, 10 with macros and one with latches: corners and a few between."""
    parts = []
    for kind, points in (("flipflop", 16), ("macro", 10), ("latch", 1)):
        frame = make_datapoints("lightpe1", (kind,) * 3, points=max(points, 4), seed=points)
        parts.append(frame.head(points).assign(psum_width=29, saturating=0))
    model = fit_library(pd.concat(parts, ignore_index=True), seed=1)
    assert [(g.kinds[0], g.training_points, g.held_out_points) for g in model.groups] == [
        ("flipflop", 10, 6),
        ("macro", 8, 2),
    ]
    assert model.left_out == (
        "lightpe1 latch/latch/latch depth 2: 1 datapoints, at least 9 needed",
    )


def test_a_group_that_is_too_small_is_named(make_datapoints: Make) -> None:
    few = make_datapoints(kinds=("latch", "latch", "latch"), points=5, seed=3)
    model = fit_library(pd.concat([make_datapoints(points=24), few], ignore_index=True))
    assert model.left_out == ("int16 latch/latch/latch depth 2: 5 datapoints, at least 9 needed",)
    assert len(model.groups) == 1


def test_too_few_points_say_how_many_are_needed(make_datapoints: Make) -> None:
    with pytest.raises(ModelError, match=r"PE type 'int16' has 12 datapoints, .* at least 16"):
        fit_library(make_datapoints(points=12))
    with pytest.raises(ModelError, match=r"has 7 datapoints, 0 of them in 0 group.* at least 16"):
        fit_library(make_datapoints(points=7))
    model = fit_library(make_datapoints(points=12), held_out=4)
    assert model.groups[0].held_out_points == 4
    assert set(model.groups[0].targets) == set(FITTED_TARGETS) - {MACRO_TARGET}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: f.drop(columns="idle_pj"), "datapoints lack the column(s) idle_pj"),
        (lambda f: f.assign(status="failed"), "there is no datapoint with status 'ok'"),
        (
            lambda f: f.assign(library_digest=["a"] * 12 + ["b"] * 12),
            "datapoints must share one library_digest, not a, b",
        ),
        (
            lambda f: f.assign(method=["activity"] * 12 + ["simulated"] * 12),
            "datapoints must share one method, not activity, simulated",
        ),
        (lambda f: f.assign(leakage_uw="much"), ": leakage_uw must be a number, not 'much'"),
        (lambda f: f.assign(product_pj=1e9), "must sum up to product_pj (1e+09), not to"),
        (
            lambda f: f.assign(ifmap_spad_kind="macro"),
            ": macro_path_ns must be a number, not 'nan'",
        ),
    ],
)
def test_bad_datapoints_are_refused(
    make_datapoints: Make, change: Callable[[pd.DataFrame], pd.DataFrame], text: str
) -> None:
    with pytest.raises(ModelError) as caught:
        fit_library(change(make_datapoints(points=24)))
    assert text in str(caught.value)
