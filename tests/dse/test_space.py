from __future__ import annotations

import itertools

import numpy as np
import pytest

from dse.errors import DesignError
from dse.space import AXES, EYERISS_POINT, exhaustive_space, sample_space


def rows_of(space: object) -> set[tuple[float, ...]]:
    columns = space.columns  # type: ignore[attr-defined]
    return set(zip(*(columns[name].tolist() for name in AXES), strict=True))


@pytest.mark.parametrize("count", [300, 5000, 900_000])
def test_samples_are_distinct_points_of_the_space_with_the_corners(count: int) -> None:
    space = sample_space(count)
    assert len(space) == count
    for name, values in AXES.items():
        assert set(np.unique(space.columns[name])) <= set(values)
    points = rows_of(space)
    assert len(points) == count
    if count < 900_000:
        corners = set(itertools.product(*((v[0], v[-1]) for v in AXES.values())))
        assert corners <= points
        assert tuple(map(float, EYERISS_POINT)) in points


def test_a_sample_follows_from_its_seed() -> None:
    assert rows_of(sample_space(400, seed=5)) == rows_of(sample_space(400, seed=5))
    assert rows_of(sample_space(400, seed=5)) != rows_of(sample_space(400, seed=6))


def test_the_whole_space_has_every_point_once() -> None:
    space = exhaustive_space()
    assert len(space) == 987_840
    assert len(rows_of(space)) == 987_840


@pytest.mark.parametrize("count", [0, 299, 10**7])
def test_sizes_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(DesignError, match=r"samples must be from 300 to 987840, not"):
        sample_space(count)
