"""The columns of a datapoint: one documented, versioned table that everything else is made from.

The store, the shipped CSV files, the range checks and `docs/datapoints.md` follow this list.  A row
keeps the version it was measured under: columns that came later hold their `before` value in it,
and older rows stay usable for ever.  Rows of a newer version are refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import StoreError

__all__ = [
    "ACTIVITY",
    "COLUMNS",
    "PARTS",
    "POINT",
    "REFERENCE_PSUM",
    "REFERENCE_TAP",
    "SCHEMA_VERSION",
    "SIMULATED",
    "Column",
    "check_row",
    "column_table",
    "columns_after",
]

SCHEMA_VERSION = 3
"""2: leakage of each part, place of the decoders, recipe; pipelines of 3, psum words of 256.
3: energies by simulation, of taps and of psums that leave, and how well they add up."""
ACTIVITY, SIMULATED = "activity", "simulated"
"""Methods: energies follow from stated activity, or are counted in a simulation of the netlist."""
REFERENCE_TAP, REFERENCE_PSUM = 16, 12
"""Products a tap and products a psum of the pass whose share of both is in `product_pj`."""
PARTS = ("datapath", "ifmap_spad", "filter_spad", "psum_spad", "control")
"""The parts of a PE; `control` includes the little logic that joins the parts."""
POINT = (
    "pe_type", "ifmap_spad", "filter_spad", "psum_spad",
    "ifmap_spad_kind", "filter_spad_kind", "psum_spad_kind",
    "psum_width", "saturating", "psum_depth", "pipeline_depth", "decoders",
)  # fmt: skip
"""The columns that say which PE point a row is about, in rows of every version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its type, unit, origin and range."""

    name: str
    kind: type
    unit: str
    meaning: str
    tool: str
    low: float = -math.inf
    high: float = math.inf
    optional: bool = False
    """Empty where it does not apply, and in rows whose status is `failed`."""
    since: int = 1
    """Schema version that brought the column."""
    before: str | None = None
    """What it holds in rows of an older version."""


def _text(
    name: str,
    meaning: str,
    tool: str = "characterize",
    *,
    optional: bool = False,
    since: int = 1,
    before: str | None = None,
) -> Column:
    return Column(
        name=name, kind=str, unit="", meaning=meaning, tool=tool, optional=optional,
        since=since, before=before,
    )  # fmt: skip


def _count(name: str, unit: str, meaning: str, low: float, high: float) -> Column:
    return Column(
        name=name, kind=int, unit=unit, meaning=meaning, tool="configuration", low=low, high=high
    )


def _figure(
    name: str,
    unit: str,
    meaning: str,
    tool: str,
    high: float,
    *,
    since: int = 1,
    low: float = 0.0,
) -> Column:
    return Column(
        name=name, kind=float, unit=unit, meaning=meaning, tool=tool, low=low, high=high,
        optional=True, since=since,
    )  # fmt: skip


_ENERGY = "Liberty tables"

COLUMNS: tuple[Column, ...] = (
    _text("key", "digest of everything the row depends on; the same key is measured once"),
    _count("schema_version", "", "version of this table it was measured under", 1, SCHEMA_VERSION),
    _text("status", "`ok` or `failed`"),
    _text("message", "why a measurement failed", optional=True),
    _text("log", "folder of a failed measurement, below the build folder", optional=True),
    _text("library", "name of the cell library"),
    _text("library_digest", "SHA-256 of the Liberty text, 16 digits"),
    _text("method", "how energies were found: by stated `activity`, or `simulated`"),
    _text(
        "operands",
        "data of the simulation: `digits` or `uniform`",
        optional=True,
        since=3,
    ),
    _text("pe_type", "registered PE type", "configuration"),
    _count("ifmap_spad", "words", "ifmap scratchpad", 2, 1024),
    _count("filter_spad", "words", "filter scratchpad", 2, 4096),
    _count("psum_spad", "words", "psum scratchpad", 2, 1024),
    _text("ifmap_spad_kind", "`flipflop`, `latch` or `macro` (outside of the PE)", "configuration"),
    _text("filter_spad_kind", "likewise", "configuration"),
    _text("psum_spad_kind", "likewise", "configuration"),
    _count("psum_width", "bit", "width of a stored psum word", 4, 256),
    _count("saturating", "", "1 where the psum saturates, 0 where it is exact", 0, 1),
    _count("psum_depth", "", "accumulations an exact psum is declared for", 1, 1 << 20),
    _count("pipeline_depth", "", "register stages of product and sum", 1, 3),
    _text(
        "decoders", "where codes are decoded: `pe`, or `edge` of the array", "configuration",
        since=2, before="pe",
    ),
    _text("recipe", "synthesis recipe of the datapath", "flows", since=2),
    _text("config_digest", "digest of the PE point", "hw"),
    _text("generator_digest", "digest of the generator's sources for this PE type", "hw"),
    _text("flow_digest", "digest of the flow's and the measurement's sources", "flows"),
    _text("tools", "versions of the tools used"),
    _text("netlist_digest", "digest of the mapped netlist", "Yosys", optional=True),
    _figure("area_um2", "µm²", "cell area of the PE", "Yosys, Liberty", 1e8),
    *(
        _figure(f"area_{part}_um2", "µm²", f"of it in the {part}", "Yosys, Liberty", 1e8)
        for part in PARTS
    ),
    _figure("leakage_uw", "µW", "leakage, weighted by the states of cells", "Liberty", 1e7),
    *(
        _figure(f"leakage_{part}_uw", "µW", f"of it in the {part}", "Liberty", 1e7, since=2)
        for part in PARTS
    ),
    _figure("critical_path_ns", "ns", "shortest clock period", "OpenSTA", 1e3),
    _figure("macro_path_ns", "ns", "longest path from a macro's read data", "OpenSTA", 1e3),
    _figure("product_pj", "pJ", "a clocked cycle with one product", _ENERGY, 1e5),
    *(_figure(f"product_{part}_pj", "pJ", f"of it in the {part}", _ENERGY, 1e5) for part in PARTS),
    _figure("filter_load_pj", "pJ", "a filter word stored, above idle", _ENERGY, 1e5),
    _figure("ifmap_load_pj", "pJ", "an ifmap word stored, above idle", _ENERGY, 1e5),
    _figure(
        "psum_pass_pj", "pJ", "a psum taken in, above idle, with what its products cost more",
        _ENERGY, 1e5, low=-1e5,
    ),
    _figure(
        "tap_pj", "pJ", "an ifmap word read for new products, above those of a word that stays",
        _ENERGY, 1e5, since=3, low=-1e5,
    ),
    _figure(
        "psum_out_pj", "pJ", "a psum that leaves and another one that begins, above more products",
        _ENERGY, 1e5, since=3, low=-1e5,
    ),
    _figure(
        "check_error", "", "largest error of actions times energies in passes that check them",
        "simulation", 10.0, since=3,
    ),
    _figure("idle_pj", "pJ", "a clocked cycle in which nothing happens", _ENERGY, 1e5),
    _figure("cells", "", "cells of the netlist", "Yosys", 1e8),
    _figure("seconds", "s", "time this measurement took", "characterize", 1e6),
    _figure(
        "synthesis_seconds", "s", "synthesis of all its parts, cached ones included", "Yosys", 1e6
    ),
)  # fmt: skip

_BY_NAME = {column.name: column for column in COLUMNS}
_MAY_BE_EMPTY = {"message", "log", "macro_path_ns"}


def columns_after(version: int) -> tuple[Column, ...]:
    """Return the columns that a table of an older schema version lacks."""
    return tuple(column for column in COLUMNS if column.since > version)


def check_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    stated = row.get("schema_version")
    digits = str(stated)
    # A number of many digits is no version, and Python refuses to read it.
    if digits.isdecimal() and (len(digits) > 9 or int(digits) > SCHEMA_VERSION):
        raise StoreError(
            f"{where}: schema version {digits[:20]}; this program knows versions up to "
            f"{SCHEMA_VERSION}: use a newer program"
        )
    version = _checked(_BY_NAME["schema_version"], stated, where)
    unknown = [name for name in row if name not in _BY_NAME]
    if unknown:
        raise StoreError(f"{where}: unknown column {unknown[0]!r}")
    checked: dict[str, Any] = {}
    failed = row.get("status") == "failed"
    for column in COLUMNS:
        value = row.get(column.name)
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            if column.since > version:
                checked[column.name] = column.before
                continue
            if not column.optional or not (failed or column.name in _MAY_BE_EMPTY):
                raise StoreError(f"{where}: column {column.name!r} is empty")
            checked[column.name] = None
            continue
        checked[column.name] = _checked(column, value, where)
    if checked["status"] not in ("ok", "failed"):
        raise StoreError(f"{where}: status must be ok or failed, not {checked['status']!r}")
    return checked


def _checked(column: Column, value: Any, where: str) -> Any:
    try:
        typed = column.kind(value)
    except (TypeError, ValueError):
        raise StoreError(
            f"{where}: {column.name} must be {column.kind.__name__}, not {value!r}"
        ) from None
    if column.kind is str:
        return typed
    if (column.kind is int and typed != float(value)) or not column.low <= typed <= column.high:
        raise StoreError(
            f"{where}: {column.name} must be a {column.kind.__name__} from {column.low:g} to "
            f"{column.high:g} {column.unit}".rstrip()
            + f", not {value!r}"
        )
    return typed


def column_table() -> str:
    """Return the schema as a Markdown table (`python -m characterize --schema`)."""
    lines = ["| column | unit | meaning | from | range |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        bounds = "" if column.kind is str else f"{column.low:g} … {column.high:g}"
        lines.append(
            f"| `{column.name}` | {column.unit} | {column.meaning} | {column.tool} | {bounds} |"
        )
    return "\n".join(lines)
