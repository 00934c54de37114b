"""A layer as a PE type runs it: in words, and once for each number of terms its filters have.

Channel lanes count channels in words of so many channels, filter lanes filters in words of so many
filters; a last word that is not full costs like a full one.  Filters with k terms for each weight
run apart from the others, as a layer of their own that fetches its input anew; filters without a
term are zero and take nothing.  Everything that maps and counts sees such runs only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from hw.layer import Layer
from hw.pe.pe_type import PEType

from .term_mix import TermMix

__all__ = ["LayerRun", "layer_runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRun:
    """Filters of one layer with equally many terms."""

    layer: Layer
    """Shape of the run; channels and filters are words."""
    terms: int
    """Filter words and cycles that a weight takes."""


def layer_runs(layer: Layer, kind: PEType, mix: TermMix | None = None) -> tuple[LayerRun, ...]:
    """Return the runs of `layer` on PEs of one type, those of fewer terms first.

    Parameters
    ----------
    layer
        The layer; channels and filters are numbers.
    kind
        The PE type, whose lanes and terms decide.
    mix
        Shares of filters by terms, of use to a type with several; None is the most terms for all.
    """
    if kind.terms == 1 or mix is None:
        return (LayerRun(layer=_in_words(layer, kind), terms=kind.terms),)
    runs = []
    filters = layer.m // layer.groups
    by_group = layer.groups > filters  # depthwise: whole groups have one number of terms
    for terms, count in enumerate(mix.split(layer.groups if by_group else filters)):
        if not terms or not count:
            continue
        groups = count if by_group else layer.groups
        part = dataclasses.replace(
            layer,
            name=f"{layer.name}, k={terms}",
            c=layer.c // layer.groups * groups,
            m=groups * (filters if by_group else count),
            groups=groups,
        )
        runs.append(LayerRun(layer=_in_words(part, kind), terms=terms))
    return tuple(runs)


def _in_words(layer: Layer, kind: PEType) -> Layer:
    channels, filters = layer.c // layer.groups, layer.m // layer.groups
    return dataclasses.replace(
        layer,
        c=layer.groups * -(-channels // kind.channel_lanes),
        m=layer.groups * -(-filters // kind.filter_lanes),
    )
