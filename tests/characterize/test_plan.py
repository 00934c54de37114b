from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from characterize.errors import PlanError
from characterize.plan import PLANS, SIZES, can_decode_at_edge, make_plan
from hw.pe.registry import PE_TYPES


@pytest.mark.parametrize("name", sorted(PLANS))
def test_plans_hold_the_corners_and_the_eyeriss_point(name: str) -> None:
    points = make_plan(name, "lightpe2")
    assert len(points) == len(set(points)) == sum(PLANS[name]) + 1
    assert [p.filter_spad for p in points if p.psum_spad_kind == "latch"] == [224]
    for kind in ("flipflop", "macro"):
        sizes = {
            (p.ifmap_spad, p.filter_spad, p.psum_spad) for p in points if p.psum_spad_kind == kind
        }
        assert (12, 224, 24) in sizes
        assert set(itertools.product(*((s[0], s[-1]) for s in SIZES.values()))) <= sizes
    assert any(p.filter_spad == 512 for p in points)


def test_a_plan_depends_on_its_seed_only() -> None:
    assert make_plan("full", "int8", seed=3) == make_plan("full", "int8", seed=3)
    assert make_plan("full", "int8", seed=3) != make_plan("full", "int8", seed=4)


def test_the_baseline_is_measured_with_saturating_psums_too() -> None:
    assert {p.psum_bits for p in make_plan("quick", "int16")} == {None, 32, 16}


def test_every_baseline_has_the_eyeriss_point_with_every_kind() -> None:
    points = [p for p in make_plan("quick", "int16") if p.filter_spad == 224 and p.ifmap_spad == 12]
    have = {(p.psum_bits, p.psum_spad_kind) for p in points if p.psum_spad == 24}
    assert have == set(itertools.product((None, 32, 16), ("flipflop", "latch", "macro")))


@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_types_with_decoders_are_measured_without_them_too(pe_type: str) -> None:
    edge = [p.filter_spad_kind for p in make_plan("quick", pe_type) if p.decoders == "edge"]
    assert edge == (["flipflop", "macro"] if can_decode_at_edge(pe_type) else [])


def test_a_plan_file_lists_points(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("- {ifmap_spad: 8}\n- {ifmap_spad: 8}\n- {psum_spad_kind: latch}\n")
    points = make_plan(str(path), "int8")
    assert [(p.ifmap_spad, p.psum_spad_kind) for p in points] == [(8, "flipflop"), (12, "latch")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {ifmap_spad: 1}", "entry 1: ifmap_spad must be an integer from 2"),
        ("- {ifmap_spad: 8}\n- {size: 3}", "entry 2: must be a mapping with"),
        ("{}", "a plan must be a list"),
        ("- {pe_type: int8}", "entry 1: must be a mapping with"),
    ],
)
def test_wrong_plan_files_name_the_entry(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError, match=message):
        make_plan(str(path), "int8")


def test_an_unknown_plan_gets_the_names() -> None:
    with pytest.raises(PlanError, match="one of full, quick; did you mean 'quick'"):
        make_plan("quik", "int8")
