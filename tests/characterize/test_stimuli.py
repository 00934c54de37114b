"""Operands of simulated netlists: real tensors in every PE type's codes, reproducible."""

from __future__ import annotations

import re

import numpy as np
import pytest

from characterize.stimuli import DATA_SETS, make_operands
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.golden import run_pass
from hw.pe.pe_type import PEType
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass


def row_of(kind: PEType, *, accumulate: bool = False) -> RowPass:
    return RowPass(
        filters=4,
        channels=2,
        taps=2,
        positions=3,
        accumulate=accumulate,
        terms=kind.terms,
        scale_words=kind.scaling.words if kind.scaling else 0,
    )


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_operands_are_codes_of_the_pe_type(pe_type: str, data_set: str) -> None:
    config, kind = PEConfig(pe_type=pe_type), PE_TYPES[pe_type]
    row = row_of(kind)
    dice = np.random.default_rng(1)
    made = make_operands(config, row, data_set, lanes=64, dice=dice)
    assert made.filters.shape == (row.filter_words, 64)
    assert made.ifmap.shape == (row.ifmap_words, 64)
    assert made.psums.shape == (0, 64)
    assert made.expected.shape == (row.positions * row.filters, 64)
    for words, bits in (
        (made.filters, config.weight_bits),
        (made.ifmap, config.activation_bits),
        (made.expected, config.psum_width),
    ):
        assert int(words.min()) >= 0 and int(words.max()) < 1 << bits
    assert len(np.unique(made.filters)) > 1 and len(np.unique(made.ifmap)) > 1
    lane = (made.filters[:, 7].tolist(), made.ifmap[:, 7].tolist())
    psums = [psum % (1 << config.psum_width) for psum in run_pass(config, row, *lane)]
    assert made.expected[:, 7].tolist() == psums
    again = make_operands(config, row, data_set, lanes=64, dice=np.random.default_rng(1))
    assert np.array_equal(again.ifmap, made.ifmap) and np.array_equal(again.filters, made.filters)


def test_activations_of_the_network_are_sparse() -> None:
    config = PEConfig(pe_type="int8")
    zeros = {
        data_set: np.mean(
            make_operands(
                config,
                row_of(PE_TYPES["int8"]),
                data_set,
                lanes=128,
                dice=np.random.default_rng(2),
            ).ifmap
            == 0
        )
        for data_set in DATA_SETS
    }
    assert zeros["digits"] > 0.5 > 0.05 > zeros["uniform"]


@pytest.mark.parametrize("pe_type", ["int8", "bf16", "lp2", "mxint8"])
def test_psums_that_come_in_are_added_up(pe_type: str) -> None:
    config, kind = PEConfig(pe_type=pe_type), PE_TYPES[pe_type]
    row = row_of(kind, accumulate=True)
    made = make_operands(config, row, "digits", lanes=64, dice=np.random.default_rng(3))
    assert made.psums.shape == made.expected.shape
    assert np.any(made.psums != 0) and np.any(made.psums != made.expected)
    assert int(made.psums.max()) < 1 << config.psum_width


def test_decoders_at_the_edge_get_decoded_operands() -> None:
    kind = PE_TYPES["posit8"]
    made = {
        place: make_operands(
            PEConfig(pe_type="posit8", decoders=place),
            row_of(kind),
            "digits",
            lanes=64,
            dice=np.random.default_rng(4),
        )
        for place in ("pe", "edge")
    }
    assert kind.weight_decoder is not None
    code = int(made["pe"].filters[0, 0])
    assert made["edge"].filters[0, 0] == kind.weight_decoder.golden(code)
    assert np.array_equal(made["edge"].expected, made["pe"].expected)


def test_wrong_questions_are_refused() -> None:
    config, dice = PEConfig(pe_type="int8"), np.random.default_rng(5)
    message = "data set must be digits or uniform, not 'imagenet'"
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_operands(config, row_of(PE_TYPES["int8"]), "imagenet", lanes=64, dice=dice)
    large = RowPass(filters=99, channels=2, taps=2, positions=1)
    with pytest.raises(ConfigError, match="must be at most"):
        make_operands(config, large, "digits", lanes=64, dice=dice)
