"""The SRAM model against its own table, its rules, and the published scaling."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from flows.errors import FlowError
from flows.scaling import scale_to_180
from flows.sram import DEVICES, NODE_OF_LIBRARY, NODES_NM, TABLE, SramModel, node_of_library

COLUMNS = ("access_ns", "cycle_ns", "read_pj", "write_pj")


def _rows() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("node", [node for node in NODES_NM if node != 180])
def test_a_single_macro_is_exact_at_every_tabulated_capacity(node: int, device: str) -> None:
    model = SramModel(node, device)
    rows = [r for r in _rows() if int(r["node_nm"]) == node and r["device"] == device]
    assert len(rows) == 73
    compared = 0
    for row in rows:
        width, capacity = int(row["word_bits"]), int(row["capacity_bytes"])
        macro = model.macro(capacity * 8 // width, width)
        area_um2 = float(row["area_mm2"]) * 1e6
        # A wider macro of the same words may be smaller in the table and is then chosen.
        assert float(macro.area_um2) <= area_um2 * (1 + 1e-12)
        if float(macro.area_um2) < area_um2 * (1 - 1e-9):
            continue
        compared += 1
        for name in COLUMNS:
            assert float(getattr(macro, name)) == pytest.approx(float(row[name]), rel=1e-12)
        leakage_mw = float(row["subthreshold_leakage_mw"]) + float(row["gate_leakage_mw"])
        assert float(macro.leakage_uw) == pytest.approx(leakage_mw * 1e3, rel=1e-12)
        assert not macro.clamped
    assert compared >= 70


@pytest.mark.parametrize(
    ("device", "leakage_mw"), [("itrs-hp", 62.2), ("itrs-lop", 2.80), ("itrs-lstp", 0.00334)]
)
def test_the_device_decides_the_leakage_of_128_kib_at_45_nm(device: str, leakage_mw: float) -> None:
    leakage_uw = SramModel(45, device).glb(128, 8).leakage_uw
    assert float(leakage_uw) == pytest.approx(leakage_mw * 1e3, rel=5e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("node", NODES_NM)
@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 45, 64, 100, 256, 512])
def test_area_and_leakage_grow_with_words(node: int, device: str, bits: int) -> None:
    words = np.arange(1, 5000, 7)
    macro = SramModel(node, device).macro(words, bits)
    assert (np.diff(macro.area_um2) >= -1e-9).all()
    assert macro.leakage_uw[-1] > macro.leakage_uw[0]


@pytest.mark.parametrize("words", [12, 64, 224, 512, 4096])
def test_area_grows_with_bits(words: int) -> None:
    macro = SramModel(45).macro(words, np.arange(1, 600))
    assert (np.diff(macro.area_um2) >= -1e-9).all()


def test_interpolation_lies_between_its_neighbours() -> None:
    model = SramModel(45)
    low, middle, high = (model.macro(words, 64) for words in (1024, 1500, 2048))
    for name in ("area_um2", "read_pj", "leakage_uw"):
        assert getattr(low, name) < getattr(middle, name) < getattr(high, name)
    weight = np.log2(1500 / 1024)
    expected = np.exp2((1 - weight) * np.log2(low.area_um2) + weight * np.log2(high.area_um2))
    assert float(middle.area_um2) == pytest.approx(float(expected), rel=1e-12)


def test_smaller_than_the_smallest_macro_is_the_smallest_and_says_so() -> None:
    macro = SramModel(45).macro([4, 32], 16)
    assert macro.clamped.tolist() == [True, False]
    assert macro.area_um2[0] == macro.area_um2[1]


def test_45_bits_are_32_and_16_side_by_side() -> None:
    model = SramModel(45)
    wide, parts = model.macro(64, 45), [model.macro(64, bits) for bits in (32, 16)]
    assert float(wide.area_um2) == pytest.approx(sum(float(p.area_um2) for p in parts))
    assert float(wide.read_pj) == pytest.approx(sum(float(p.read_pj) for p in parts))
    assert float(wide.access_ns) == max(float(p.access_ns) for p in parts)
    assert wide.area_um2 < model.macro(64, 64).area_um2


def test_narrow_words_share_a_row() -> None:
    model = SramModel(45)
    assert model.macro(224, 4).area_um2 == model.macro(112, 8).area_um2
    assert model.macro(224, 4).read_pj == model.macro(112, 8).read_pj
    assert model.macro(224, 1).area_um2 == model.macro(28, 8).area_um2


def test_a_port_wider_than_the_table_is_several_banks() -> None:
    model = SramModel(45)
    two, one = model.glb(128, 64), model.glb(64, 32)
    assert int(two.banks) == 2 and int(one.banks) == 1
    assert float(two.area_um2) == pytest.approx(2 * float(one.area_um2))
    assert float(two.read_pj_per_byte) == pytest.approx(float(one.read_pj_per_byte))


def test_the_glb_keeps_its_capacity_at_every_port_width() -> None:
    model = SramModel(45)
    areas = model.glb(108, [1, 2, 3, 5, 8, 16, 24, 32, 64]).area_um2
    assert areas.max() / areas.min() < 1.6


def test_cycles_of_the_glb() -> None:
    glb = SramModel(45).glb(128, 8)
    access_ns, cycle_ns = float(glb.access_ns), float(glb.cycle_ns)
    assert glb.access_cycles(10.0) == 1
    assert glb.access_cycles(access_ns) == 1
    assert glb.access_cycles(access_ns / 2) == 2
    assert glb.access_cycles(access_ns / 2.01) == 3
    assert glb.interval_cycles(cycle_ns / 3) == 3


def test_180_nm_is_scaled_from_90_nm_and_says_so() -> None:
    """The factors, by hand from the coefficients of the paper at 1.8 V and 1.3 V."""
    delay = (97.09 * 3.24 - 356.7 * 1.8 + 406.5) / (
        -60.34 * 2.197 + 262.5 * 1.69 - 384.2 * 1.3 + 210.9
    )
    energy = (24.64 * 1.8 - 17.98) / (4.762 * 1.69 - 4.781 * 1.3 + 2.092)
    scaling = scale_to_180("itrs-lstp")
    assert (scaling.area, scaling.delay, scaling.energy) == pytest.approx((6.6, delay, energy))
    old, new = SramModel(90).macro(224, 16), SramModel(180).macro(224, 16)
    assert float(new.area_um2 / old.area_um2) == pytest.approx(6.6)
    assert float(new.access_ns / old.access_ns) == pytest.approx(delay)
    assert float(new.read_pj / old.read_pj) == pytest.approx(energy)
    assert new.leakage_uw == old.leakage_uw
    model = SramModel(180)
    assert model.scaled and "Stillmaker" in model.provenance and "unscaled" in model.provenance
    assert not SramModel(45).scaled and "itrs-lstp, 45 nm" in SramModel(45).provenance


def test_shapes_broadcast_and_repeat() -> None:
    model = SramModel(45)
    macro = model.macro(np.full((3, 1), 224), np.array([16, 8]))
    assert macro.area_um2.shape == macro.clamped.shape == (3, 2)
    assert macro.area_um2[0, 0] == macro.area_um2[2, 0] > macro.area_um2[1, 1]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: SramModel(77), "SRAM node must be one of 22, 32, 45, 65, 90, 180 nm, not 77"),
        (
            lambda: SramModel(45, "hp"),
            "SRAM device must be one of itrs-hp, itrs-lop, itrs-lstp, not 'hp'",
        ),
        (lambda: SramModel(45).macro(0, 8), "words must be positive integers, not 0"),
        (lambda: SramModel(45).macro(8, 1.5), "bits must be positive integers, not 1.5"),
        (
            lambda: SramModel(45).macro(1 << 20, 256),
            "an SRAM bank must hold at most 2 MiB, which 1048576 words of 256 bits exceed",
        ),
    ],
)
def test_what_cannot_be_is_refused(call: object, text: str) -> None:
    with pytest.raises(FlowError) as caught:
        call()  # type: ignore[operator]
    assert str(caught.value) == text


def test_nodes_of_libraries() -> None:
    assert {name: node_of_library(name) for name in NODE_OF_LIBRARY} == NODE_OF_LIBRARY
    assert NODE_OF_LIBRARY == {"nangate45": 45, "osu018": 180}
    with pytest.raises(FlowError, match="node of library 'sky130' is not known"):
        node_of_library("sky130")
