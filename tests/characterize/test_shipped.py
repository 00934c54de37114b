"""The shipped datapoints: enough of them, within the schema, and measured by this very tree."""

from __future__ import annotations

import pandas as pd
import pytest

from characterize.datapoints import SHIPPED, read_csv
from characterize.plan import make_plan
from characterize.schema import PARTS
from characterize.source_digest import generator_digest, measurement_digest
from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

LIBRARIES = {
    "nangate45": tuple(PE_TYPES),
    "osu018": ("int16", "int8", "lightpe1", "lightpe2"),
}
LATCHES = ("nangate45",)
"""Libraries that state an area for their latches."""
CHECK = 0.03
"""Largest error of actions times energies in passes that did not calibrate them."""
MISSED: dict[str, dict[str, float]] = {
    "nangate45": {
        "bf16": 0.034, "binaryw": 0.033, "flightpe": 0.06, "fp8_e4m3": 0.034, "lp2": 0.05,
        "mxfp4": 0.04, "mxint8": 0.038, "ternaryw": 0.035,
    },
    "osu018": {"int16": 0.048, "int8": 0.043, "lightpe1": 0.037, "lightpe2": 0.042},
}  # fmt: skip
"""PE types above it, and what they stay within; docs/simulated-energy.md names them."""
LEAST = 24
"""PE points of each type."""


@pytest.fixture(scope="module", params=sorted(LIBRARIES))
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    return read_csv(SHIPPED / f"{request.param}.csv")


def test_every_plan_is_complete(table: pd.DataFrame) -> None:
    assert (table["status"] == "ok").all()
    types = LIBRARIES[table["library"][0]]
    assert set(table["pe_type"]) >= set(types)
    for pe_type in types:
        have = set(table.loc[table["pe_type"] == pe_type, "config_digest"])
        plan = make_plan("quick", pe_type, latches=table["library"][0] in LATCHES)
        assert {point.digest() for point in plan} <= have
        assert len(have) >= LEAST


def test_rows_were_measured_by_this_tree(table: pd.DataFrame) -> None:
    """Remeasure with `make characterize` and export again when hardware or flow have changed."""
    assert set(table["flow_digest"]) == {measurement_digest()}
    for pe_type, rows in table.groupby("pe_type"):
        assert set(rows["generator_digest"]) == {generator_digest(str(pe_type))}


def test_splits_add_up(table: pd.DataFrame) -> None:
    for total, part in (
        ("area_um2", "area_{}_um2"),
        ("leakage_uw", "leakage_{}_uw"),
        ("product_pj", "product_{}_pj"),
    ):
        split = sum(table[part.format(name)] for name in PARTS)
        assert (abs(split - table[total]) <= 2e-5 * table[total]).all()
    assert (table["product_pj"] > table["idle_pj"]).all()


def test_energies_add_up_in_other_passes(table: pd.DataFrame) -> None:
    assert set(table["method"]) == {"simulated"} and set(table["operands"]) == {"digits"}
    missed = MISSED[table["library"][0]]
    for (pe_type, kind), errors in table.groupby(["pe_type", "filter_spad_kind"])["check_error"]:
        print(
            f"{table['library'][0]} {pe_type} {kind}: {100 * errors.median():.1f} %, at most "
            f"{100 * errors.max():.1f} %, {(errors > CHECK).sum()} of {len(errors)} above "
            f"{100 * CHECK:.0f} %"
        )
    for pe_type, errors in table.groupby("pe_type")["check_error"]:
        most, above = errors.max(), int((errors > CHECK).sum())
        assert most <= missed.get(str(pe_type), CHECK)
        assert (str(pe_type) in missed) == (above > 0)


def test_configurations_are_real(table: pd.DataFrame) -> None:
    for row in table.to_dict("records"):
        own = PE_TYPES[row["pe_type"]].pipeline_depth
        config = PEConfig(
            pe_type=row["pe_type"],
            **{f"{n}_spad": row[f"{n}_spad"] for n in ("ifmap", "filter", "psum")},
            **{f"{n}_spad_kind": row[f"{n}_spad_kind"] for n in ("ifmap", "filter", "psum")},
            psum_bits=row["psum_width"] if row["saturating"] else None,
            pipeline_depth=depth if (depth := row["pipeline_depth"]) != own else None,
            decoders=row["decoders"],
        )
        assert config.digest() == row["config_digest"]
