"""Layers as PE types run them: words of lanes, and filters apart by their terms."""

from __future__ import annotations

import pytest

from dse.layer_runs import layer_runs
from dse.term_mix import TermMix
from hw.layer import Layer
from hw.pe.registry import PE_TYPES

from .design_points import special_layers, zoo_layers

LAYER = Layer(name="x", c=40, h=8, w=8, m=10, r=3, s=3, padding=1)
DEPTHWISE = Layer(name="d", c=20, h=7, w=7, m=20, r=3, s=3, padding=1, groups=20)


@pytest.mark.parametrize("name", sorted(PE_TYPES))
def test_words_hold_all_channels_and_filters(name: str) -> None:
    kind = PE_TYPES[name]
    for layer in special_layers() + zoo_layers()[::7]:
        (run,) = layer_runs(layer, kind)
        assert run.terms == kind.terms
        assert run.layer.groups == layer.groups and run.layer.e == layer.e
        for had, words, lanes in (
            (layer.c, run.layer.c, kind.channel_lanes),
            (layer.m, run.layer.m, kind.filter_lanes),
        ):
            spare = words * lanes - had
            assert 0 <= spare < lanes * layer.groups
        assert run.layer.macs * kind.lanes >= layer.macs
        if kind.lanes == 1:
            assert run.layer == layer


def test_sixteen_channels_share_a_word() -> None:
    (run,) = layer_runs(LAYER, PE_TYPES["binary"])
    assert (run.layer.c, run.layer.m) == (3, 10)
    (run,) = layer_runs(DEPTHWISE, PE_TYPES["binary"])
    assert (run.layer.c, run.layer.m) == (20, 20)  # a group has one channel: 15 lanes idle


def test_filters_of_one_and_two_terms_run_apart() -> None:
    one, two = layer_runs(LAYER, PE_TYPES["flightpe"], TermMix(0.2, 0.5, 0.3))
    assert (one.terms, one.layer.m, one.layer.name) == (1, 5, "x, k=1")
    assert (two.terms, two.layer.m, two.layer.name) == (2, 3, "x, k=2")
    assert one.layer.c == two.layer.c == 40
    assert layer_runs(LAYER, PE_TYPES["flightpe"], TermMix(1, 0, 0)) == ()


def test_depthwise_groups_have_one_number_of_terms() -> None:
    one, two = layer_runs(DEPTHWISE, PE_TYPES["flightpe"], TermMix(0, 0.25, 0.75))
    assert (one.layer.groups, one.layer.c, one.layer.m) == (5, 5, 5)
    assert (two.layer.groups, two.layer.c, two.layer.m) == (15, 15, 15)


def test_a_mix_is_of_no_use_to_types_with_one_term() -> None:
    (run,) = layer_runs(LAYER, PE_TYPES["int8"], TermMix(1, 0, 0))
    assert (run.layer, run.terms) == (LAYER, 1)
