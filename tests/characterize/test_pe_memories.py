"""Which memories stand beside a PE, and what their accesses add."""

from __future__ import annotations

import numpy as np
import pytest

from characterize.pe_memories import SPADS, SpadMacros, spad_macros, word_bits
from flows.sram import SramModel
from hw.errors import ConfigError

POINT = {"ifmap_spad": 12, "filter_spad": np.array([64, 224]), "psum_spad": 25, "psum_width": 45}


def test_word_bits_come_from_the_number_formats() -> None:
    assert word_bits("int16") == (16, 16)
    assert word_bits("lightpe1") == (8, 4)
    with pytest.raises(ConfigError, match="pe_type must be one of"):
        word_bits("int17")


def test_each_macro_has_the_words_and_bits_of_its_scratchpad() -> None:
    sram = SramModel(45)
    macros = spad_macros(sram, "int16", ("macro",) * 3, POINT)
    ifmap, filters, psum = sram.macro(12, 16), sram.macro([64, 224], 16), sram.macro(13, 45)
    np.testing.assert_array_equal(macros.area_um2("ifmap_spad"), ifmap.area_um2)
    np.testing.assert_array_equal(macros.area_um2("filter_spad"), filters.area_um2)
    np.testing.assert_array_equal(macros.area_um2("psum_spad"), 2 * psum.area_um2)
    np.testing.assert_array_equal(macros.leakage_uw("psum_spad"), 2 * psum.leakage_uw)
    np.testing.assert_array_equal(macros.product_pj("ifmap_spad"), 0)
    np.testing.assert_array_equal(macros.product_pj("filter_spad"), filters.read_pj)
    np.testing.assert_array_equal(macros.product_pj("psum_spad"), psum.read_pj + psum.write_pj)
    np.testing.assert_array_equal(macros.read_pj("ifmap_spad"), ifmap.read_pj)
    np.testing.assert_array_equal(macros.write_pj("ifmap_spad"), ifmap.write_pj)


def test_synthesized_scratchpads_add_nothing() -> None:
    macros = spad_macros(SramModel(45), "int16", ("flipflop", "macro", "latch"), POINT)
    assert set(macros.banks) == {"filter_spad"}
    for spad in set(SPADS) - {"filter_spad"}:
        assert macros.area_um2(spad) == macros.leakage_uw(spad) == macros.product_pj(spad) == 0
    assert SpadMacros(banks={}).period_ns(1.5, np.nan) == 1.5


def test_the_slowest_of_logic_cycle_and_access_sets_the_period() -> None:
    macros = spad_macros(SramModel(90), "int16", ("macro",) * 3, POINT)
    access = np.max([np.broadcast_to(bank.access_ns, 2) for bank in macros.banks.values()], axis=0)
    cycle = np.max([np.broadcast_to(bank.cycle_ns, 2) for bank in macros.banks.values()], axis=0)
    np.testing.assert_array_equal(macros.period_ns(100.0, 0.0), [100.0, 100.0])
    np.testing.assert_allclose(macros.period_ns(0.0, 50.0), access + 50.0)
    np.testing.assert_allclose(macros.period_ns(0.0, -10.0), cycle)
