from __future__ import annotations

import dataclasses
import re

import pytest

from hw.config import AcceleratorConfig, PEConfig
from hw.errors import ConfigError


@pytest.mark.parametrize(
    ("pe_type", "exact"), [("int16", 45), ("int8", 29), ("lightpe1", 29), ("lightpe2", 30)]
)
def test_exact_psum_is_product_bits_and_the_bits_of_the_depth(pe_type: str, exact: int) -> None:
    config = PEConfig(pe_type=pe_type)
    assert config.psum_width == exact
    assert not config.saturating
    assert PEConfig(pe_type=pe_type, psum_bits=exact - 1).saturating


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pe_type": "int17"}, "pe_type must be one of .*; did you mean 'int1?6'"),
        ({"ifmap_spad": 0}, "ifmap_spad must be an integer from 2 to 1024, not 0"),
        ({"filter_spad": 1.5}, "filter_spad must be an integer from 2 to 4096, not 1.5"),
        ({"psum_spad": True}, "psum_spad must be an integer from 2 to 1024, not True"),
        ({"psum_spad_kind": "dram"}, "psum_spad_kind must be one of flipflop, latch, macro"),
        ({"psum_bits": 8}, "psum_bits must be an integer from 16 to 64, not 8"),
        ({"pipeline_depth": 4}, "pipeline_depth must be an integer from 1 to 3, not 4"),
    ],
)
def test_what_cannot_exist_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(PEConfig(pe_type="int16"), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rows must be an integer from 1 to 256, not 0"),
        ({"glb_kib": 8}, "glb_kib must be an integer from 9 to 2048, not 8"),
        ({"dram_gb_per_s": 0}, "dram_gb_per_s must be a number above 0 up to 1024, not 0"),
        ({"pe": "int16"}, "pe must be a PEConfig, not 'int16'"),
    ],
)
def test_accelerators_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(AcceleratorConfig(pe=PEConfig(pe_type="int8")), **change)


def test_digests_tell_configurations_apart() -> None:
    config = PEConfig(pe_type="int8")
    assert config.digest() == PEConfig(pe_type="int8").digest()
    assert config.digest() != dataclasses.replace(config, psum_spad=25).digest()
    assert re.fullmatch("[0-9a-f]{16}", AcceleratorConfig(pe=config).digest())


@pytest.mark.parametrize("kind", ["flipflop", "latch", "macro"])
@pytest.mark.parametrize("filters", [1, 2, 3, 4, 5, 16, 17])
def test_a_tap_takes_a_slot_per_filter_unless_psums_collide(kind: str, filters: int) -> None:
    config = PEConfig(pe_type="int8", psum_spad_kind=kind)
    interval = config.psum_interval(filters)
    assert interval >= max(filters, config.psum_latency)
    assert interval <= max(filters, config.psum_latency) + (kind == "macro")
    if kind == "macro":
        assert interval % 2 == 0
