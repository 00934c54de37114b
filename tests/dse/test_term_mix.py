"""Mixes of FLightNN terms: whole filters, sums, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import WorkloadError
from dse.term_mix import TermMix


def test_a_mix_is_read_and_written() -> None:
    mix = TermMix.parse("0.1, 0.6,0.3")
    assert mix.shares == (0.1, 0.6, 0.3)
    assert TermMix.parse(str(mix)) == mix


def test_filters_are_divided_by_largest_remainders() -> None:
    assert TermMix(0.1, 0.6, 0.3).split(10) == (1, 6, 3)
    assert TermMix(0.25, 0.25, 0.5).split(5) == (1, 1, 3)
    # of equal remainders the dearer one
    assert TermMix(0.5, 0.5, 0).split(3) == (1, 2, 0)
    assert TermMix(0, 0.5, 0.5).split(1) == (0, 0, 1)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 5000))
def test_no_filter_is_lost(first: float, second: float, filters: int) -> None:
    low, high = sorted((first, second))
    mix = TermMix(low, high - low, 1 - high)
    counts = mix.split(filters)
    assert sum(counts) == filters
    for count, share in zip(counts, mix.shares, strict=True):
        assert abs(count - share * filters) < 1 + 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5,0.5", "a mix must be three shares k0,k1,k2 such as 0.1,0.6,0.3, not '0.5,0.5'"),
        ("a,0,1", "a mix must be three shares"),
        ("0.5,0.6,0.2", "k0, k1 and k2 must sum up to 1, not to 1.3"),
        ("-0.5,1,0.5", "k0 must be a share from 0 to 1, not -0.5"),
        ("nan,0,1", "k0 must be a share from 0 to 1, not nan"),
    ],
)
def test_what_is_no_mix_is_refused(text: str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        TermMix.parse(text)
    assert str(caught.value).startswith(message)
