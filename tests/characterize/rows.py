"""A datapoint for tests of schema, store and tables; its figures mean nothing."""

from __future__ import annotations

from typing import Any

from characterize.schema import COLUMNS, SCHEMA_VERSION


def row(key: str = "k1", **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in COLUMNS:
        values[column.name] = {str: "x", int: 2, float: 1.5}[column.kind]
    values |= {
        "key": key,
        "schema_version": SCHEMA_VERSION,
        "status": "ok",
        "message": None,
        "log": None,
        "library": "toy",
        "pe_type": "int8",
        "method": "activity",
        "psum_width": 29,
        "saturating": 0,
        "decoders": "pe",
        "config_digest": key,
    }
    return values | changes
