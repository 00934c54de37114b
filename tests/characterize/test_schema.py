from __future__ import annotations

from pathlib import Path

import pytest

from characterize.errors import StoreError
from characterize.schema import (
    COLUMNS,
    PARTS,
    SCHEMA_VERSION,
    check_row,
    column_table,
    columns_after,
)

from .rows import row


def test_a_whole_row_passes_and_keeps_its_types() -> None:
    checked = check_row({k: str(v) if v is not None else "" for k, v in row().items()}, "here")
    assert checked == row()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"area_um2": -1.0}, "here: area_um2 must be a float from 0 to 1e\\+08 µm², not -1.0"),
        ({"area_um2": "large"}, "here: area_um2 must be float, not 'large'"),
        ({"area_um2": float("nan")}, "here: column 'area_um2' is empty"),
        ({"area_um2": float("inf")}, "here: area_um2 must be a float"),
        ({"ifmap_spad": 2.5}, "here: ifmap_spad must be a int"),
        ({"status": "maybe"}, "here: status must be ok or failed, not 'maybe'"),
        ({"colour": "red"}, "here: unknown column 'colour'"),
        ({"pe_type": ""}, "here: column 'pe_type' is empty"),
        ({"schema_version": 99}, "here: schema version 99; this program knows versions up to"),
        ({"schema_version": None}, "here: schema_version must be int, not None"),
        ({"decoders": None}, "here: column 'decoders' is empty"),
        ({"leakage_control_uw": None}, "here: column 'leakage_control_uw' is empty"),
    ],
)
def test_wrong_rows_name_place_column_and_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        check_row(row(**change), "here")


def test_a_failed_row_needs_no_figures() -> None:
    failed = {k: v for k, v in row(status="failed", message="why").items() if k != "area_um2"}
    assert check_row(failed, "here")["area_um2"] is None


def test_an_older_row_keeps_its_version_and_lacks_what_came_later() -> None:
    third = {"operands", "tap_pj", "psum_out_pj", "check_error"}
    second = {"decoders", "recipe", *(f"leakage_{part}_uw" for part in PARTS)}
    for version, later in ((1, second | third), (2, third)):
        assert {column.name for column in columns_after(version)} == later
        old = {n: value for n, value in row(schema_version=version).items() if n not in later}
        checked = check_row(old, "here")
        assert {name: checked[name] for name in old} == old
        before = dict.fromkeys(later) | ({"decoders": "pe"} if "decoders" in later else {})
        assert {name: checked[name] for name in later} == before
        assert check_row(checked, "again") == checked
    assert columns_after(SCHEMA_VERSION) == ()


def test_the_documented_table_is_this_schema() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "datapoints.md").read_text()
    assert column_table() in documented
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
