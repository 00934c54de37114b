"""The cost model on the shipped models: sums, identities, and one point counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dse.evaluation import Energy, evaluate
from dse.space import AXES, EYERISS_POINT, Space, sample_space
from dse.variants import Variant, fitted_variants
from dse.workloads import load_network
from models.dram import dram_kind
from models.ppa import PPAModel
from models.sram import SramModel

NETWORK = load_network("resnet20")


@pytest.fixture(scope="module")
def model() -> PPAModel:
    return PPAModel.load("nangate45")


def single_point() -> Space:
    columns = {name: np.array([float(v)]) for name, v in zip(AXES, EYERISS_POINT, strict=True)}
    return Space(columns=columns, how="one point")


@pytest.mark.parametrize("kind", ["flipflop", "macro"])
@pytest.mark.parametrize("pe_type", ["int16", "int8", "lightpe1", "lightpe2"])
def test_totals_are_the_sums_of_layers_and_parts(pe_type: str, kind: str, model: PPAModel) -> None:
    space = sample_space(400)
    result, layers = evaluate(
        Variant(pe_type=pe_type, spad_kind=kind),
        space,
        NETWORK,
        model=model,
        sram=SramModel(45),
        dram=dram_kind(),
        keep_layers=True,
    )
    ok = result.feasible
    assert ok.any()
    assert sum(cost.count for cost in layers) == len(NETWORK.layers)
    for field in dataclasses.fields(Energy):
        parts = sum(cost.count * getattr(cost.energy, field.name)[ok] for cost in layers)
        whole = getattr(result.energy, field.name)[ok]
        assert np.allclose(parts, whole, rtol=1e-12)
        assert (whole > 0).all()
    assert np.allclose(
        result.total_mj[ok], result.on_chip_mj[ok] + result.energy.dram_pj[ok] * 1e-9
    )
    cycles = sum(cost.count * cost.cycles[ok] for cost in layers)
    assert np.allclose(cycles, result.cycles[ok])
    # No array can be faster than one product per PE and cycle.
    pes = space.columns["rows"] * space.columns["cols"]
    assert (result.cycles[ok] >= NETWORK.macs / pes[ok]).all()


def test_one_point_counted_by_hand(model: PPAModel) -> None:
    """Each action's number times its energy, written out for the Eyeriss point."""
    space, sram = single_point(), SramModel(45)
    variant = Variant(pe_type="int8", spad_kind="macro")
    result, layers = evaluate(
        variant, space, NETWORK, model=model, sram=sram, dram=dram_kind(), keep_layers=True
    )
    features = {"ifmap_spad": 12, "filter_spad": 224, "psum_spad": 24}
    features |= {"psum_width": 29, "saturating": 0}
    made = model.predict(
        "int8",
        kinds=("macro",) * 3,
        pipeline_depth=2,
        features={k: [v] for k, v in features.items()},
    )
    ifmap, filters = sram.macro([12], [8]), sram.macro([224], [8])
    psum, glb = sram.macro([12], [29]), sram.glb([108], [16])
    product = made["product_pj"] + filters.read_pj + psum.read_pj + psum.write_pj
    on_chip = 0.0
    for cost in layers:
        done = cost.performance
        pj = done.products * product
        pj += done.products / cost.mapping.p * ifmap.read_pj
        pj += (168 * cost.cycles - done.products) * made["idle_pj"]
        pj += done.filter_loads * (made["filter_load_pj"] + filters.write_pj)
        pj += done.ifmap_loads * (made["ifmap_load_pj"] + ifmap.write_pj)
        pj += done.psum_passes * made["psum_pass_pj"]
        pj += done.glb_read_bytes * glb.read_pj_per_byte
        pj += done.glb_write_bytes * glb.write_pj_per_byte
        leakage = made["leakage_uw"] + ifmap.leakage_uw + filters.leakage_uw + 2 * psum.leakage_uw
        pj += (168 * leakage + glb.leakage_uw) * cost.cycles * result.period_ns * 1e-3
        on_chip += cost.count * float(pj[0])
    assert result.energy.on_chip_pj[0] == pytest.approx(on_chip, rel=1e-9)
    pe_area = made["area_um2"] + ifmap.area_um2 + filters.area_um2 + 2 * psum.area_um2
    assert result.area_mm2[0] == pytest.approx(float((168 * pe_area + glb.area_um2)[0]) * 1e-6)
    slowest = max(made["critical_path_ns"][0], *(m.cycle_ns[0] for m in (ifmap, filters, psum)))
    access = max(m.access_ns[0] for m in (ifmap, filters, psum)) + made["macro_path_ns"][0]
    assert result.period_ns[0] == pytest.approx(max(slowest, access))


def test_the_baseline_set_has_exact_and_saturating_psums(model: PPAModel) -> None:
    names = {v.name for v in fitted_variants(model) if v.pe_type == "int16"}
    assert names == {"int16", "int16/sat32", "int16/sat16"}
