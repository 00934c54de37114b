"""DRAM options: the default, the sources, and an unknown name."""

from __future__ import annotations

import pytest

from models.dram import DRAM_KINDS, dram_kind
from models.errors import ModelError


def test_the_default_is_640_pj_per_32_bit_word() -> None:
    assert dram_kind().energy_pj_per_bit * 32 == 640
    assert dram_kind().energy_pj_per_byte == 160


@pytest.mark.parametrize("name", DRAM_KINDS)
def test_every_option_names_its_source(name: str) -> None:
    kind = dram_kind(name)
    assert kind.name == name and 1 < kind.energy_pj_per_bit < 100
    assert "ISSCC 2014" in kind.source or "MICRO 2017" in kind.source


@pytest.mark.parametrize("name", ["hbm", None, 3])
def test_an_unknown_name_lists_the_options(name: object) -> None:
    with pytest.raises(ModelError, match="DRAM must be one of gddr5, hbm2, horowitz,"):
        dram_kind(name)  # type: ignore[arg-type]
