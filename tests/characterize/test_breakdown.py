"""The breakdown: splits that add up, memories added once, gains per product, what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from characterize.__main__ import main
from characterize.actions import FILTERS_PER_TAP
from characterize.breakdown import Breakdown, breakdown, parse_kinds, parse_sizes
from characterize.breakdown_report import as_text
from characterize.errors import CharacterizeError
from characterize.schema import PARTS
from characterize.store import Store
from flows.sram import SramModel
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES

from .rows import row

SIZES = (12, 224, 24)
FLIPFLOP, MACRO = ("flipflop",) * 3, ("macro",) * 3


def measured(config: PEConfig, **figures: Any) -> dict[str, Any]:
    """Return a version-2 row of a PE point; its figures are made up from `scale`."""
    scale = figures.pop("scale", 1.0)
    values: dict[str, Any] = {
        "pe_type": config.pe_type,
        "psum_width": config.psum_width,
        "saturating": int(config.saturating),
        "psum_depth": config.psum_depth,
        "pipeline_depth": config.depth,
        "decoders": config.decoders,
        "critical_path_ns": 2.0,
        "macro_path_ns": 0.25,
    }
    for spad in ("ifmap_spad", "filter_spad", "psum_spad"):
        values |= {spad: getattr(config, spad), f"{spad}_kind": getattr(config, f"{spad}_kind")}
    for number, part in enumerate(PARTS, 1):
        values[f"area_{part}_um2"] = 100.0 * number * scale
        values[f"leakage_{part}_uw"] = 10.0 * number * scale
        values[f"product_{part}_pj"] = 1.0 * number * scale
    for total, part in (("area_um2", "area_{}_um2"), ("leakage_uw", "leakage_{}_uw")):
        values[total] = sum(values[part.format(name)] for name in PARTS)
    return row(config.digest(), **({"library": "toy"} | values | figures))


def point(pe_type: str, kind: str = "flipflop", **fields: Any) -> PEConfig:
    kinds = {f"{spad}_spad_kind": kind for spad in ("ifmap", "filter", "psum")}
    return PEConfig(pe_type=pe_type, **kinds, **fields)


def split(rows: list[dict[str, Any]], *pe_types: str, kinds: Any = (FLIPFLOP, MACRO)) -> Breakdown:
    return breakdown(
        pd.DataFrame(rows), "toy", sizes=SIZES, kinds=kinds, pe_types=pe_types, sram=SramModel(45)
    )  # fmt: skip


def test_a_synthesized_pe_is_its_row() -> None:
    (whole,) = split([measured(point("int16"))], "int16").points
    assert (whole.name, whole.spads, whole.psum_width) == ("int16", "flipflop", 45)
    assert whole.total_area_um2 == 1500 and whole.leakage_uw == 150 and whole.period_ns == 2.0
    assert list(whole.area_um2.values()) == [100, 200, 300, 400, 500]
    assert whole.leakage_pj == pytest.approx(150e-6 * 2e-9 * 1e12)
    assert whole.energy_pj == pytest.approx(15 + 0.3)
    assert whole.performance_per_area == pytest.approx(1 / 3000)
    assert whole.smallest_macro == ()


def test_macros_are_added_to_their_parts_and_to_the_period() -> None:
    sram = SramModel(45)
    ifmap, filters, psum = sram.macro(12, 16), sram.macro(224, 16), sram.macro(12, 45)
    (whole,) = split([measured(point("int16", "macro"))], "int16").points
    added = {
        "ifmap_spad": (200 + ifmap.area_um2, 20 + ifmap.leakage_uw, 2 + ifmap.read_pj / 16),
        "filter_spad": (300 + filters.area_um2, 30 + filters.leakage_uw, 3 + filters.read_pj),
        "psum_spad": (
            400 + 2 * psum.area_um2,
            40 + 2 * psum.leakage_uw,
            4 + psum.read_pj + psum.write_pj,
        ),
    }
    assert FILTERS_PER_TAP == 16
    assert whole.leakage_split_uw is not None
    for spad, (area, leakage, energy) in added.items():
        assert whole.area_um2[spad] == pytest.approx(float(area))
        assert whole.leakage_split_uw[spad] == pytest.approx(float(leakage))
        assert whole.product_pj[spad] == pytest.approx(float(energy))
    assert sum(whole.leakage_split_uw.values()) == pytest.approx(whole.leakage_uw)
    assert set(whole.smallest_macro) == {"ifmap_spad"} | ({"psum_spad"} if psum.clamped else set())
    slow = measured(point("int16", "macro"), critical_path_ns=0.1, macro_path_ns=3.0)
    (whole,) = split([slow], "int16").points
    access = max(float(macro.access_ns) for macro in (ifmap, filters, psum))
    assert whole.period_ns == pytest.approx(access + 3.0)


def test_gains_are_ratios_over_the_same_kind_of_scratchpad() -> None:
    rows = [measured(point("int16")), measured(point("int16", psum_bits=16), scale=0.5)]
    rows += [measured(point("lightpe1"), scale=0.25, critical_path_ns=1.0)]
    rows += [measured(point("lightpe1", "macro"))]
    made = split(rows, "lightpe1", kinds=(FLIPFLOP, MACRO, FLIPFLOP))
    flipflop, macro = made.points
    gain = made.gain(flipflop, "int16")
    assert gain is not None
    assert gain["perf_per_area"] == pytest.approx(4 * 2)
    assert gain["energy"] == pytest.approx((15 + 0.3) / (15 / 4 + 150e-3 / 4))
    saturating = made.gain(flipflop, "int16 sat16")
    assert saturating is not None and saturating["perf_per_area"] == pytest.approx(4)
    assert made.gain(flipflop, "int8") is None and made.gain(macro, "int16") is None


def test_figures_are_per_product_of_all_lanes() -> None:
    lanes = PE_TYPES["binary"].lanes
    assert lanes > 1
    (whole,) = split([measured(point("binary"))], "binary").points
    assert whole.products_per_cycle == lanes
    assert whole.energy_pj == pytest.approx((15 + 0.3) / lanes)
    assert whole.performance_per_area == pytest.approx(lanes / 3000)


def test_another_pipeline_depth_is_a_row_of_its_own() -> None:
    """A baseline is compared with at its best depth, for each figure."""
    other = PE_TYPES["int8"].pipeline_depth % 3 + 1
    rows = [
        measured(point("int8"), scale=2.0),
        measured(point("int8", pipeline_depth=other), scale=1.0),
        measured(point("int4"), scale=1.0),
    ]
    made = split(rows, "int8", "int4")
    assert [p.name for p in made.points] == ["int8", "int4", f"int8 d{other}"]
    gains = made.gain(made.points[0], "int8")
    assert gains is not None and gains["energy"] < 1 and gains["perf_per_area"] < 1
    best = made.gain(made.points[2], "int8")
    assert best == {"perf_per_area": 1.0, "energy": 1.0}


def test_other_sizes_and_kinds_are_not_shown() -> None:
    rows = [measured(point("int8", ifmap_spad=16)), measured(point("int8", "latch"))]
    rows += [measured(point("int8", psum_depth=64))]
    with pytest.raises(CharacterizeError, match="no datapoint at 12/224/24 words with flipflop"):
        split(rows, "int8")
    made = split([*rows, measured(point("int8"))], "int8")
    assert [p.name for p in made.points] == ["int8"]
    assert [p.spads for p in split(rows, "int8", kinds=[("latch",) * 3]).points] == ["latch"]


def test_what_is_missing_comes_with_the_command_that_measures_it() -> None:
    made = split([measured(point("int16"))], "int16")
    missing = {(m.name, m.spads): m for m in made.missing}
    assert ("int16", "flipflop") not in missing
    entry = missing["int16 sat32", "flipflop"]
    assert (entry.command, entry.plan) == ("python -m characterize --pe int16 --library toy", "")
    with pytest.raises(CharacterizeError) as raised:
        breakdown(
            pd.DataFrame([measured(point("int16"))]), "toy", sizes=(4, 8, 4), kinds=[FLIPFLOP],
            pe_types=["int8"], sram=None,
        )  # fmt: skip
    assert "python -m characterize --pe int8 --library toy --plan FILE, where FILE holds" in str(
        raised.value
    )
    assert "- {ifmap_spad: 4, filter_spad: 8, psum_spad: 4}" in str(raised.value)


def test_rows_of_version_1_have_the_total_of_leakage_only() -> None:
    none = {f"leakage_{part}_uw": None for part in PARTS}
    old = measured(point("int8"), schema_version=1, recipe=None, **none)
    made = split([old], "int8")
    assert made.points[0].leakage_split_uw is None and made.points[0].leakage_uw == 150
    assert "leakage was measured as a total only" in as_text(made, markdown=False)


@pytest.mark.parametrize("text", ["", "12", "12/224", "a/b/c", "1/2/3/4", "-1/2/3"])
def test_wrong_sizes_say_what_would_be_right(text: str) -> None:
    with pytest.raises(ConfigError, match="--sizes must be ifmap/filter/psum words"):
        parse_sizes(text)


def test_kinds_are_one_or_three() -> None:
    assert parse_kinds("latch") == ("latch",) * 3
    assert parse_kinds("flipflop/macro/latch") == ("flipflop", "macro", "latch")
    with pytest.raises(ConfigError, match="--spads must be one of flipflop, latch, macro"):
        parse_kinds("ram")
    with pytest.raises(ConfigError, match="one kind or ifmap/filter/psum kinds"):
        parse_kinds("latch/latch")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.sqlite"
    for name in ("int16", "int8", "lightpe1"):
        for kind in ("flipflop", "macro"):
            Store(path).put(measured(point(name, kind), scale=PE_TYPES[name].weight.bits / 16))
    return path


def test_the_command_prints_tables_json_and_markdown_and_draws(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "new" / "split.png"
    command = ["--breakdown", "--library", "toy", "--node", "45", "--store", str(store)]
    assert main([*command, "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    for text in ("Area [µm²]", "Energy of a product [pJ]", "Leakage [µW]", "Performance per area"):
        assert text in out
    assert "SRAM: CACTI 7 table at 300 K, itrs-lstp, 45 nm" in out
    assert picture.read_bytes().startswith(b"\x89PNG")

    assert main([*command, "--pe", "lightpe1", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [(p["name"], p["spads"]) for p in content["points"]] == [
        ("lightpe1", "flipflop"),
        ("lightpe1", "macro"),
    ]
    gains = content["points"][0]["gains"]
    assert gains["int16"]["perf_per_area"] == pytest.approx(4) and gains["int4"] is None

    assert main([*command, "--spads", "flipflop", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^\| int8 +\| flipflop \|", out, re.MULTILINE) and "SRAM" not in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--breakdown", "--pe", "int9"], 2, "--pe must be one of"),
        (["--breakdown", "--sizes", "12"], 2, "--sizes must be ifmap/filter/psum words"),
        (["--breakdown", "--plot", "x.pdf"], 2, "--plot must name a .png file, not 'x.pdf'"),
        (
            ["--breakdown", "--sizes", "1/2/2", "--node", "45"],
            2,
            "ifmap_spad must be an integer from 2",
        ),
        (["--breakdown"], 1, "technology node of library 'toy' is not known"),
        (["--breakdown", "--pe", "int4", "--node", "45"], 1, "--pe int4 --library toy"),
        (["--pe", "int8", "--markdown"], 2, "--markdown must come with --breakdown"),
        (["--status", "--sram-device", "itrs-hp"], 2, "--sram-device must come with --breakdown"),
    ],
)
def test_mistakes_get_one_clear_message(
    arguments: list[str],
    status: int,
    message: str,
    store: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*arguments, "--library", "toy", "--store", str(store)]) == status
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err
