"""The shipped datapoints: enough of them, within the schema, and measured by this very tree."""

from __future__ import annotations

import pandas as pd
import pytest

from characterize.datapoints import SHIPPED, read_csv
from characterize.plan import make_plan
from characterize.schema import PARTS
from characterize.source_digest import flow_digest, generator_digest
from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

LIBRARIES = {
    "nangate45": tuple(PE_TYPES),
    "osu018": ("int16", "int8", "lightpe1", "lightpe2"),
}
LATCHES = ("nangate45",)
"""Libraries that state an area for their latches."""
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
    assert set(table["flow_digest"]) == {flow_digest()}
    for pe_type, rows in table.groupby("pe_type"):
        assert set(rows["generator_digest"]) == {generator_digest(str(pe_type))}


def test_splits_add_up_and_configurations_are_real(table: pd.DataFrame) -> None:
    for total, part in (
        ("area_um2", "area_{}_um2"),
        ("leakage_uw", "leakage_{}_uw"),
        ("product_pj", "product_{}_pj"),
    ):
        split = sum(table[part.format(name)] for name in PARTS)
        assert (abs(split - table[total]) <= 2e-5 * table[total]).all()
    assert (table["product_pj"] > table["idle_pj"]).all()
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
