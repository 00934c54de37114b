"""The cost model on the shipped models: sums, identities, and one point counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dse.array_costs import extrapolated, not_counted
from dse.errors import DesignError, WorkloadError
from dse.evaluation import Energy, evaluate
from dse.global_buffer import GlobalBuffer
from dse.shell_costs import off_chip_bytes
from dse.space import AXES, EYERISS_POINT, Space, sample_space
from dse.term_mix import TermMix
from dse.variants import Variant, fitted_variants
from dse.workloads import Network, load_network
from flows.sram import SramModel
from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig
from hw.layer import Layer
from hw.pe.registry import PE_TYPES
from models.array_overhead import ArrayOverhead
from models.dram import dram_kind
from models.ppa import PPAModel
from models.shell_overhead import ShellModel

from .all_types import file_of_all_types

NETWORK = load_network("resnet20")


@pytest.fixture(scope="module")
def model() -> PPAModel:
    return PPAModel(file_of_all_types())


def single_point() -> Space:
    columns = {name: np.array([float(v)]) for name, v in zip(AXES, EYERISS_POINT, strict=True)}
    return Space(columns=columns, how="one point")


@pytest.mark.parametrize("kind", ["flipflop", "macro"])
@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_totals_are_the_sums_of_layers_and_parts(pe_type: str, kind: str, model: PPAModel) -> None:
    space = sample_space(300)
    result, layers = evaluate(
        Variant(pe_type=pe_type, spad_kind=kind),
        space,
        NETWORK,
        model=model,
        sram=SramModel(45),
        dram=dram_kind(),
        overhead=(overhead := ArrayOverhead.load("nangate45")),
        shells=(shells := ShellModel.load("nangate45")),
        keep_layers=True,
    )
    ok = result.feasible
    assert ok.any()
    assert sum(cost.count for cost in layers) == len(NETWORK.layers)
    for field in dataclasses.fields(Energy):
        parts = sum(cost.count * getattr(cost.energy, field.name)[ok] for cost in layers)
        whole = getattr(result.energy, field.name)[ok]
        assert np.allclose(parts, whole, rtol=1e-12)
        known = {"networks_pj": overhead.covers(pe_type), "shell_pj": shells.covers(pe_type)}
        assert (whole > 0).all() or (not known.get(field.name, True) and not whole.any())
    assert np.allclose(
        result.total_mj[ok], result.on_chip_mj[ok] + result.energy.dram_pj[ok] * 1e-9
    )
    cycles = sum(cost.count * cost.cycles[ok] for cost in layers)
    assert np.allclose(cycles, result.cycles[ok])
    # No array can be faster than the products of one word per PE and cycle.
    kind = PE_TYPES[pe_type]
    pes = space.columns["rows"] * space.columns["cols"]
    slots = sum(cost.count * cost.performance.slots[ok] for cost in layers)
    assert (slots * kind.lanes >= NETWORK.macs * kind.terms).all()
    assert (result.cycles[ok] >= slots / pes[ok]).all()


def test_one_point_counted_by_hand(model: PPAModel) -> None:
    """Each action's number times its energy, written out for the Eyeriss point."""
    space, sram = single_point(), SramModel(45)
    variant = Variant(pe_type="int8", spad_kind="macro")
    result, layers = evaluate(
        variant, space, NETWORK, model=model, sram=sram, dram=dram_kind(), keep_layers=True
    )
    config = variant.pe_config()
    features = {"ifmap_spad": 12, "filter_spad": 224, "psum_spad": 24}
    features |= {"psum_width": config.psum_width, "saturating": 0}
    made = model.predict(
        "int8",
        kinds=("macro",) * 3,
        pipeline_depth=config.depth,
        features={k: [v] for k, v in features.items()},
    )
    ifmap, filters = sram.macro([12], [8]), sram.macro([224], [8])
    psum, glb = sram.macro([12], [29]), sram.glb([108], [16])
    bank = sram.glb([4], [16])  # 27 of them
    product = made["product_pj"] + filters.read_pj + psum.read_pj + psum.write_pj
    on_chip = 0.0
    for cost in layers:
        done = cost.performance
        pj = done.slots * product
        pj += done.slots / cost.mapping.p * ifmap.read_pj
        pj += (168 * cost.cycles - done.slots) * made["idle_pj"]
        pj += done.filter_loads * (made["filter_load_pj"] + filters.write_pj)
        pj += done.ifmap_loads * (made["ifmap_load_pj"] + ifmap.write_pj)
        pj += done.slots * (1 / cost.mapping.p - 1 / 16) * made["tap_pj"]
        pj += (done.psum_passes - done.slots / 12) * made["psum_out_pj"]
        pj += done.glb_read_bytes * glb.read_pj_per_byte
        pj += done.glb_write_bytes * glb.write_pj_per_byte
        leakage = made["leakage_uw"] + ifmap.leakage_uw + filters.leakage_uw + 2 * psum.leakage_uw
        pj += (168 * leakage + 27 * bank.leakage_uw) * cost.cycles * result.period_ns * 1e-3
        on_chip += cost.count * float(pj[0])
    assert result.energy.on_chip_pj[0] == pytest.approx(on_chip, rel=1e-9)
    pe_area = made["area_um2"] + ifmap.area_um2 + filters.area_um2 + 2 * psum.area_um2
    assert result.area_mm2[0] == pytest.approx(
        float((168 * pe_area + 27 * bank.area_um2)[0]) * 1e-6
    )
    slowest = max(made["critical_path_ns"][0], *(m.cycle_ns[0] for m in (ifmap, filters, psum)))
    access = max(m.access_ns[0] for m in (ifmap, filters, psum)) + made["macro_path_ns"][0]
    assert result.period_ns[0] == pytest.approx(max(slowest, access))


def test_the_overhead_of_an_array_is_added(model: PPAModel) -> None:
    """Area and leakage once for each point, energies for each word that moves, the slower clock."""
    variant, space = Variant(pe_type="int16", spad_kind="macro"), single_point()
    overhead = ArrayOverhead.load("nangate45")
    (without, _), (result, layers) = (
        evaluate(
            variant, space, NETWORK, model=model, sram=SramModel(45), dram=dram_kind(),
            overhead=x, keep_layers=True,
        )
        for x in (None, overhead)
    )  # fmt: skip
    lanes = {"filter_lanes": 4, "ifmap_lanes": 4}
    columns = space.columns
    figures = overhead.figures(variant.pe_config(), columns["rows"], columns["cols"], **lanes)
    assert result.area_mm2[0] - without.area_mm2[0] == pytest.approx(figures.area_um2[0] * 1e-6)
    slower = max(without.period_ns[0], figures.overhead_path_ns[0])
    assert result.period_ns[0] == pytest.approx(slower)
    leakage_uw = [
        x.energy.leakage_pj[0] / (x.cycles[0] * x.period_ns[0] * 1e-3) for x in (without, result)
    ]
    assert leakage_uw[1] - leakage_uw[0] == pytest.approx(figures.leakage_uw[0])
    assert without.energy.networks_pj[0] == 0
    least = sum(
        cost.count * cost.performance.psum_passes[0] * figures.psum_hop_pj[0] for cost in layers
    )
    assert result.energy.networks_pj[0] > least


def test_the_shell_is_added(model: PPAModel) -> None:
    """Area, leakage and clock once for each point, energies for each row and word that moves."""
    variant, space = Variant(pe_type="int16", spad_kind="flipflop"), single_point()
    shells = ShellModel.load("nangate45")
    (without, _), (result, layers) = (
        evaluate(
            variant, space, NETWORK, model=model, sram=SramModel(45), dram=dram_kind(),
            shells=x, keep_layers=True,
        )
        for x in (None, shells)
    )  # fmt: skip
    point = {
        name: int(value[0]) for name, value in space.columns.items() if name != "dram_gb_per_s"
    }
    glb = GlobalBuffer.of(
        SramModel(45), np.array([point["glb_kib"]]), np.array([point["glb_bytes_per_cycle"]])
    )
    hardware = HardwareConfig(
        design=AcceleratorConfig(
            pe=variant.pe_config(psum=point["psum_spad"]),
            **{name: point[name] for name in ("rows", "cols", "glb_kib", "glb_bytes_per_cycle")},
        ),
        off_chip_bytes=int(
            off_chip_bytes(
                space.columns["dram_gb_per_s"][0], result.period_ns[0], point["glb_bytes_per_cycle"]
            )
        ),
    )
    figures = shells.figures(
        variant.pe_config(),
        rows=point["rows"],
        cols=point["cols"],
        row_bits=hardware.row_bits,
        off_chip_bits=hardware.off_chip_bits,
        banks=hardware.banks,
        psum_queue=hardware.queue_psums,
        memory_latency=int(glb.access_cycles(result.period_ns)[0]),
        filter_lanes=hardware.array.filter_lanes,
        ifmap_lanes=hardware.array.ifmap_lanes,
    )
    assert result.area_mm2[0] - without.area_mm2[0] == pytest.approx(figures.area_um2 * 1e-6)
    assert result.period_ns[0] == max(without.period_ns[0], figures.critical_path_ns)
    leakage_uw = [
        x.energy.leakage_pj[0] / (x.cycles[0] * x.period_ns[0] * 1e-3) for x in (without, result)
    ]
    assert leakage_uw[1] - leakage_uw[0] == pytest.approx(figures.leakage_uw)
    for cost in layers:
        layer, done = cost.name, cost.performance
        spent = done.cycles[0] * figures.idle_pj
        moved = {
            "filter_row": done.filter_rows, "ifmap_row": done.ifmap_rows,
            "ifmap_read_row": done.ifmap_read_rows, "filter_word": done.filter_words,
            "ifmap_word": done.ifmap_words, "psum_read_row": done.psum_read_rows,
            "psum_enter": done.psum_in_words, "psum_leave": done.psum_out_words,
            "psum_write_row": done.psum_write_rows, "output_row": done.output_rows,
            "requantize": done.psum_out_words - done.psum_in_words,
        }  # fmt: skip
        spent += sum(float(n[0]) * getattr(figures, f"{name}_pj") for name, n in moved.items())
        assert cost.energy.shell_pj[0] == pytest.approx(float(spent)), layer
        # Each output leaves once, padded to the psums that a pass has.
        shape = next(x for x in NETWORK.layers if x.name == layer)
        assert moved["requantize"][0] >= shape.n * shape.m * shape.e * shape.f
    assert without.energy.shell_pj[0] == 0


def test_what_is_not_counted_is_said() -> None:
    overhead, shells = ArrayOverhead.load("nangate45"), ShellModel.load("nangate45")
    both = not_counted(overhead, shells, ["int16", "int8"])
    assert "glitches" in both and "int16" not in both and "shell" not in both
    without = not_counted(overhead, None, ["int16", "int8"])
    assert without.startswith(both)
    assert "shell around the array" in without and "of int16, int8: no shells" in without
    neither = not_counted(None, None, ["int16"])
    assert "links between PEs of int16" in neither and "shell around the array" in neither
    line = extrapolated(overhead, shells)
    assert "arrays of more than 8 rows or 8 columns; shells of more than 6 columns" in line
    assert extrapolated(None, None) == ""


def test_an_off_chip_stream_is_as_wide_as_dram_is_fast() -> None:
    assert off_chip_bytes(12.8, 1.0, 16) == 8
    assert off_chip_bytes(12.8, 2.0, 16) == 16
    assert off_chip_bytes(25.6, 2.0, 16) == 16
    assert off_chip_bytes(3.2, 0.2, 16) == 1
    assert off_chip_bytes(np.array([4.0, 3.9]), 1.0, 64).tolist() == [4, 2]


def test_filters_of_fewer_terms_take_less(model: PPAModel) -> None:
    """On one point: half the slots with one term each, and nothing for filters without one."""
    variant = Variant(pe_type="flightpe", spad_kind="flipflop")
    slots, cycles = [], []
    for mix in (None, TermMix(0, 0, 1), TermMix(0, 1, 0), TermMix(0.5, 0.5, 0)):
        network = NETWORK.with_mix(mix) if mix else NETWORK
        result, layers = evaluate(
            variant, single_point(), network, model=model, sram=SramModel(45), dram=dram_kind(),
            keep_layers=True,
        )  # fmt: skip
        slots.append(sum(float(x.count * x.performance.slots[0]) for x in layers))
        cycles.append(float(result.cycles[0]))
    assert slots[0] == slots[1] and cycles[0] == cycles[1]
    assert slots[1] >= 2 * NETWORK.macs > slots[2] >= NETWORK.macs > slots[3]
    assert cycles[1] > 1.5 * cycles[2] > 1.5 * cycles[3]
    with pytest.raises(WorkloadError, match="must have a filter with a term, not none"):
        evaluate(
            variant, single_point(), NETWORK.with_mix(TermMix(1, 0, 0)), model=model,
            sram=SramModel(45), dram=dram_kind(),
        )  # fmt: skip


def test_sixteen_lanes_run_fewer_words(model: PPAModel) -> None:
    """Where all channels fill words, 16 lanes need a sixteenth of the products of one lane."""
    layer = Layer(name="x", c=64, h=14, w=14, m=32, r=3, s=3, padding=1)
    network = Network(name="one", layers=(layer,))
    found = {}
    for name in ("binary", "int16"):
        variant = Variant(pe_type=name, spad_kind="flipflop")
        _, (found[name],) = evaluate(
            variant, single_point(), network, model=model, sram=SramModel(45), dram=dram_kind(),
            keep_layers=True,
        )  # fmt: skip
    binary, int16 = (found[name].performance for name in ("binary", "int16"))
    assert layer.macs / 16 <= binary.slots[0] < 2 * layer.macs / 16 < int16.slots[0]
    # psums of words cannot become activations in the accelerator: they leave as they are
    psum_bytes = Variant(pe_type="binary", spad_kind="flipflop").pe_config().psum_width / 8
    outputs = 32 * 14 * 14
    assert binary.dram_write_bytes[0] >= outputs * psum_bytes
    assert outputs * 2 <= int16.dram_write_bytes[0] < 1.2 * outputs * 2
    for x, bits in ((binary, 1), (int16, 16)):
        assert x.dram_read_bytes[0] >= (layer.weights + 64 * 16 * 16) * bits / 8


def test_types_are_explored_at_their_own_depth(model: PPAModel) -> None:
    explored = {variant.pe_type for variant in fitted_variants(model)}
    assert explored == set(PE_TYPES)
    first = [v.pe_type for v in fitted_variants(model) if v.spad_kind == "macro"]
    assert first[:5] == ["int16", "int16", "int16", "int8", "int4"]
    other = dataclasses.replace(
        model.file,
        groups=tuple(
            dataclasses.replace(g, pipeline_depth=g.pipeline_depth % 3 + 1)
            if g.pe_type == "int8"
            else g
            for g in model.file.groups
        ),
    )
    assert "int8" not in {v.pe_type for v in fitted_variants(PPAModel(other))}
    with pytest.raises(DesignError, match="int8 has no model at pipeline depth"):
        fitted_variants(PPAModel(other), ["int16", "int8"])


def test_the_baseline_set_has_exact_and_saturating_psums(model: PPAModel) -> None:
    names = {v.name for v in fitted_variants(model) if v.pe_type == "int16"}
    assert names == {"int16", "int16/sat32", "int16/sat16"}
