"""The breakdown as tables for a terminal, as Markdown for a document, and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from hw.pe.registry import PE_TYPES

from .breakdown import BASELINES, Breakdown, Missing
from .schema import PARTS
from .whole_pe import WholePE

__all__ = ["PART_TITLES", "as_data", "as_text", "digits"]

PART_TITLES = {
    "datapath": "arithmetic",
    "ifmap_spad": "ifmap spad",
    "filter_spad": "filter spad",
    "psum_spad": "psum spad",
    "control": "control",
}


def digits(value: float) -> str:
    """Return at least four significant digits without an exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}".rstrip(".")


def as_text(made: Breakdown, *, markdown: bool) -> str:
    """Return the splits, the gains and what is missing as tables with their titles."""
    style = "pipe" if markdown else "simple"
    blocks = []
    for title, heads, body in (_area(made), _energy(made), _leakage(made), *_gains(made)):
        align = ("left", "left", *["right"] * (len(heads) - 2))
        text = tabulate(body, heads, tablefmt=style, disable_numparse=True, colalign=align)
        blocks.append((f"**{title}**" if markdown else title) + "\n" * (1 + markdown) + text)
    item = "- " if markdown else ""
    blocks.append("\n".join(item + note for note in _notes(made, code="`" if markdown else "")))
    return "\n\n".join(blocks)


Table = tuple[str, list[str], list[list[str]]]


def _where(made: Breakdown) -> str:
    return f"{made.library}, {'/'.join(map(str, made.sizes))} words"


def _split(parts: Mapping[str, float], *others: float) -> list[str]:
    return [digits(value) for value in (*(parts[part] for part in PARTS), *others)]


def _area(made: Breakdown) -> Table:
    heads = ["PE type", "spads", "psum bits", *PART_TITLES.values(), "total", "clock ns"]
    body = [
        [p.name, p.spads, f"{p.psum_width}", *_split(p.area_um2, p.total_area_um2, p.period_ns)]
        for p in made.points
    ]
    return f"Area [µm²] and shortest clock period, {_where(made)}", heads, body


def _energy(made: Breakdown) -> Table:
    heads = ["PE type", "spads", "products/cycle", *PART_TITLES.values(), "leakage", "total"]
    body = []
    for p in made.points:
        first = [p.name, p.spads, f"{p.products_per_cycle:.3g}"]
        body.append([*first, *_split(p.product_pj, p.leakage_pj, p.energy_pj)])
    return f"Energy of a product [pJ], {_where(made)}", heads, body


def _leakage(made: Breakdown) -> Table:
    heads = ["PE type", "spads", *PART_TITLES.values(), "total"]
    body = []
    for p in made.points:
        split = p.leakage_split_uw
        parts = ["–"] * len(PARTS) if split is None else _split(split)
        body.append([p.name, p.spads, *parts, digits(p.leakage_uw)])
    return f"Leakage [µW], {_where(made)}", heads, body


def _gains(made: Breakdown) -> list[Table]:
    heads = ["PE type", "spads", *BASELINES]
    return [
        (
            f"{what}: times as good as each baseline with the same spads, {_where(made)}",
            heads,
            [[p.name, p.spads, *(_gain(made, p, base, figure) for base in BASELINES)]
             for p in made.points],
        )
        for figure, what in (
            ("perf_per_area", "Performance per area"),
            ("energy", "Energy of a product"),
        )
    ]  # fmt: skip


def _gain(made: Breakdown, point: WholePE, base: str, figure: str) -> str:
    gain = made.gain(point, base)
    return "–" if gain is None else f"{gain[figure]:.2f}"


def _notes(made: Breakdown, code: str) -> list[str]:
    notes = []
    if made.memories:
        notes.append(f"Memories of macro scratchpads. {made.memories}.")
    small = {(p.name, spad) for p in made.points for spad in p.smallest_macro}
    if small:
        spads = ", ".join(PART_TITLES[spad] for spad in PARTS if spad in {s for _, s in small})
        notes.append(
            f"Smaller than the smallest tabulated memory, and charged as it ({spads}): "
            + ", ".join(dict.fromkeys(p.name for p in made.points if p.smallest_macro))
            + "."
        )
    for pe_type in dict.fromkeys(p.pe_type for p in made.points):
        if (terms := PE_TYPES[pe_type].terms) > 1:
            notes.append(f"{pe_type}: per term; a weight takes up to {terms}.")
    if any(p.decoders == "edge" for p in made.points):
        notes.append("edge: decoders stand at the array's edge and are in no figure above.")
    if any(p.leakage_split_uw is None for p in made.points):
        notes.append("–: leakage was measured as a total only (datapoints of schema version 1).")
    return notes + _to_measure(made.missing, code)


def _to_measure(missing: Sequence[Missing], code: str) -> list[str]:
    """Say how to measure what is missing, once for all PE types that lack the same."""
    by_command: dict[str, list[Missing]] = {}
    for entry in missing:
        by_command.setdefault(entry.command, []).append(entry)
    alike: dict[tuple[tuple[str, str, str], ...], list[Missing]] = {}
    for entries in by_command.values():
        lacks = tuple((e.name.removeprefix(e.pe_type), e.spads, e.plan) for e in entries)
        alike.setdefault(lacks, []).append(entries[0])
    notes = []
    for lacks, firsts in alike.items():
        types = [entry.pe_type for entry in firsts]
        spads: dict[str, list[str]] = {}
        for suffix, kinds, _ in lacks:
            spads.setdefault(suffix, []).append(kinds)
        what = "; ".join(
            f"{', '.join(pe_type + suffix for pe_type in types)} ({', '.join(kinds)})"
            for suffix, kinds in spads.items()
        )
        command = firsts[0].command
        if len(types) > 1:
            command = command.replace(f"--pe {types[0]} ", "--pe TYPE ")
        lines = [f"Not measured: {what}; measure with {code}{command}{code}"]
        lines += [
            f"  {code}{plan}{code} in FILE" for plan in dict.fromkeys(p for *_, p in lacks) if plan
        ]
        notes.append(("  \n" if code else "\n").join(lines))
    return notes


def as_data(made: Breakdown) -> dict[str, Any]:
    """Return everything as plain data, every figure with its unit in its name."""
    return {
        "library": made.library,
        "sizes": dict(zip(("ifmap_spad", "filter_spad", "psum_spad"), made.sizes, strict=True)),
        "memories": made.memories,
        "points": [
            asdict(point)
            | {
                "products_per_ns_um2": point.performance_per_area,
                "total_area_um2": point.total_area_um2,
                "leakage_pj": point.leakage_pj,
                "energy_pj": point.energy_pj,
                "gains": {base: made.gain(point, base) for base in BASELINES},
            }
            for point in made.points
        ],
        "missing": [asdict(entry) for entry in made.missing],
    }
