"""A whole PE: the sum of what was synthesized and of its macros."""

from __future__ import annotations

import numpy as np
import pytest

from flows.sram import SramModel
from models.errors import ModelError
from models.model_file import ModelFile
from models.pe_ppa import pe_ppa
from models.ppa import PPAModel

FLIPFLOP, MACRO = ("flipflop",) * 3, ("macro",) * 3
FEATURES = {
    "ifmap_spad": 12, "filter_spad": np.array([64, 224]), "psum_spad": 25,
    "psum_width": 45, "saturating": 0,
}  # fmt: skip


def test_flip_flops_need_no_macro(fitted: ModelFile) -> None:
    model = PPAModel(fitted)
    made = model.predict("int16", kinds=FLIPFLOP, pipeline_depth=2, features=FEATURES)
    for sram in (None, SramModel(45)):
        whole = pe_ppa(
            model, sram, "int16", kinds=FLIPFLOP, pipeline_depth=2, features=FEATURES
        )  # fmt: skip
        np.testing.assert_allclose(whole.area_um2, made["area_um2"])
        np.testing.assert_allclose(whole.product_pj, made["product_pj"])
        np.testing.assert_array_equal(whole.period_ns, made["critical_path_ns"])
        np.testing.assert_array_equal(whole.ifmap_read_pj, 0)
        np.testing.assert_array_equal(whole.leakage_uw, made["leakage_uw"])


def test_macros_are_added_as_stated(fitted: ModelFile) -> None:
    model, sram = PPAModel(fitted), SramModel(45)
    made = model.predict("int16", kinds=MACRO, pipeline_depth=2, features=FEATURES)
    whole = pe_ppa(model, sram, "int16", kinds=MACRO, pipeline_depth=2, features=FEATURES)
    ifmap, filters, psum = sram.macro(12, 16), sram.macro([64, 224], 16), sram.macro(13, 45)
    area = made["area_um2"] + ifmap.area_um2 + filters.area_um2 + 2 * psum.area_um2
    np.testing.assert_allclose(whole.area_um2, area)
    leakage = made["leakage_uw"] + ifmap.leakage_uw + filters.leakage_uw + 2 * psum.leakage_uw
    np.testing.assert_allclose(whole.leakage_uw, leakage)
    product = made["product_pj"] + filters.read_pj + psum.read_pj + psum.write_pj
    np.testing.assert_allclose(whole.product_pj, product)
    np.testing.assert_allclose(whole.ifmap_read_pj, np.full(2, ifmap.read_pj))
    np.testing.assert_allclose(whole.filter_load_pj, made["filter_load_pj"] + filters.write_pj)
    np.testing.assert_allclose(whole.ifmap_load_pj, made["ifmap_load_pj"] + ifmap.write_pj)
    np.testing.assert_array_equal(whole.tap_pj, made["tap_pj"])
    np.testing.assert_array_equal(whole.psum_out_pj, made["psum_out_pj"])
    np.testing.assert_array_equal(whole.idle_pj, made["idle_pj"])


def test_a_slow_macro_sets_the_period(fitted: ModelFile) -> None:
    model, sram = PPAModel(fitted), SramModel(90, "itrs-lstp")
    made = model.predict("int16", kinds=MACRO, pipeline_depth=2, features=FEATURES)
    whole = pe_ppa(model, sram, "int16", kinds=MACRO, pipeline_depth=2, features=FEATURES)
    macros = [sram.macro(12, 16), sram.macro([64, 224], 16), sram.macro(13, 45)]
    limits = [made["critical_path_ns"]]
    for macro in macros:
        limits += [np.broadcast_to(macro.cycle_ns, 2), macro.access_ns + made["macro_path_ns"]]
    np.testing.assert_allclose(whole.period_ns, np.max(limits, axis=0))
    slow = pe_ppa(
        model, SramModel(180), "int16", kinds=MACRO, pipeline_depth=2, features=FEATURES
    )  # fmt: skip
    assert (slow.period_ns > made["critical_path_ns"]).all()


def test_macros_need_a_memory_model(fitted: ModelFile) -> None:
    with pytest.raises(ModelError, match="macro scratchpads need an SRAM model"):
        pe_ppa(
            PPAModel(fitted), None, "int16", kinds=MACRO, pipeline_depth=2, features=FEATURES
        )  # fmt: skip
