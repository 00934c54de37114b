"""Where area, leakage and energy of whole PEs go, and what each PE type gains over the integers.

Measured datapoints give the synthesized parts; `whole_pe` adds the memories of `macro` scratchpads.
Nothing is interpolated: a PE point that was not measured is missing, and the command that measures
it is told.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.sram import SramModel
from hw.config import PSUM_DEPTH, SPAD_KINDS, PEConfig
from hw.errors import ConfigError, nearest

from .errors import CharacterizeError
from .pe_memories import SPADS
from .plan import (
    BASELINE,
    BASELINE_PSUM_BITS,
    ECONOMICAL_DEPTH,
    can_decode_at_edge,
    make_plan,
)  # fmt: skip
from .whole_pe import Kinds, WholePE, kinds_text, point_name, whole_pe

__all__ = [
    "BASELINES", "Breakdown", "Missing", "breakdown", "parse_kinds", "parse_sizes",
]  # fmt: skip

BASELINES = ("int16", "int16 sat32", "int16 sat16", "int8", "int4")
"""What gains are given over; `int16` is the one with exact psums."""
_BASELINE_TYPES = ("int16", "int8", "int4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A PE point that was not measured."""

    name: str
    pe_type: str
    spads: str
    command: str
    """What measures it."""
    plan: str
    """Line of the plan file FILE that the command names; empty where it needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Whole PEs of one library at one set of sizes."""

    library: str
    sizes: tuple[int, int, int]
    memories: str
    """Where the figures of macros come from."""
    points: tuple[WholePE, ...]
    """By PE type, baselines first, then by kind of scratchpad."""
    baselines: tuple[WholePE, ...]
    """What `gain` compares with, shown or not."""
    missing: tuple[Missing, ...]

    def gain(self, point: WholePE, baseline: str) -> dict[str, float] | None:
        """Return how often `point` is better than a baseline with the same kind of scratchpads.

        `perf_per_area` and `energy`, above 1 where the point is better; None where the baseline
        was not measured.  Of the pipeline depths a baseline was measured at, each figure is
        compared with the best.
        """
        same = [
            base
            for base in self.baselines
            if base.spads == point.spads and _without_depth(base.name) == baseline
        ]
        if not same:
            return None
        return {
            "perf_per_area": point.performance_per_area
            / max(base.performance_per_area for base in same),
            "energy": min(base.energy_pj for base in same) / point.energy_pj,
        }


def parse_sizes(text: str) -> tuple[int, int, int]:
    """Return scratchpad sizes [words] from `ifmap/filter/psum`; `ConfigError` for other texts."""
    words = text.split("/")
    if len(words) != 3 or not all(word.isdecimal() for word in words):
        raise ConfigError(f"--sizes must be ifmap/filter/psum words like 12/224/24, not {text!r}")
    ifmap, filters, psum = map(int, words)
    return ifmap, filters, psum


def parse_kinds(text: str) -> Kinds:
    """Return scratchpad kinds from one kind or `ifmap/filter/psum` kinds."""
    kinds = text.split("/")
    for kind in kinds:
        if kind not in SPAD_KINDS:
            raise ConfigError(f"--spads must be {nearest(kind, SPAD_KINDS)}, not {kind!r}")
    if len(kinds) == 1:
        kinds *= 3
    if len(kinds) != 3:
        raise ConfigError(f"--spads must be one kind or ifmap/filter/psum kinds, not {text!r}")
    return kinds[0], kinds[1], kinds[2]


def breakdown(
    table: pd.DataFrame,
    library: str,
    *,
    sizes: tuple[int, int, int],
    kinds: Sequence[Kinds],
    pe_types: Sequence[str],
    sram: SramModel | None,
) -> Breakdown:
    """Split what was measured of PE types at one set of sizes.

    Parameters
    ----------
    table
        Datapoints of the library.
    sizes
        Words of the ifmap, filter and psum scratchpad.
    kinds
        Kinds of the three scratchpads, one triple per variant that is shown.
    sram
        Memories of the library's node; needed where a kind is `macro`.

    Raises
    ------
    CharacterizeError
        Nothing of it was measured; the message holds the command that does.
    """
    points: list[WholePE] = []
    missing: list[Missing] = []
    for pe_type in dict.fromkeys((*_BASELINE_TYPES, *pe_types)):
        for triple in dict.fromkeys(kinds):
            rows = _rows(table, pe_type, sizes, triple)
            found = {point_name(row): row for row in rows}
            points += [whole_pe(row, sram) for row in found.values()]
            missing += [
                _missing(config, library)
                for config in _expected(pe_type, sizes, triple)
                if _config_name(config) not in found
            ]
    wanted = [point for point in points if point.pe_type in pe_types]
    if not wanted:
        first = next(entry for entry in missing if entry.pe_type in pe_types)
        raise CharacterizeError(
            f"no datapoint at {'/'.join(map(str, sizes))} words with {first.spads} scratchpads for "
            f"{', '.join(pe_types)} on {library}; measure it: {first.command}"
            + (f", where FILE holds the line {first.plan}" if first.plan else "")
        )
    names = [name for base in BASELINES for name in (base, f"{base} d{ECONOMICAL_DEPTH}")]
    names += [point.name for point in wanted if point.name not in names]
    order = {name: number for number, name in enumerate(names)}
    return Breakdown(
        library=library,
        sizes=sizes,
        memories=sram.provenance if sram is not None else "",
        points=tuple(sorted(wanted, key=lambda point: order[point.name])),
        baselines=tuple(point for point in points if _without_depth(point.name) in BASELINES),
        missing=tuple(missing),
    )


def _rows(
    table: pd.DataFrame, pe_type: str, sizes: tuple[int, int, int], kinds: Kinds
) -> list[dict[str, Any]]:
    """Return the datapoints of a PE type, widest psums first."""
    chosen = table["pe_type"].eq(pe_type) & table["psum_depth"].eq(PSUM_DEPTH)
    for spad, size, kind in zip(SPADS, sizes, kinds, strict=True):
        chosen &= table[spad].eq(size) & table[f"{spad}_kind"].eq(kind)
    rows = table[chosen].sort_values(["decoders", "psum_width"], ascending=False, kind="stable")
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _config_name(config: PEConfig) -> str:
    return point_name(
        {
            "pe_type": config.pe_type,
            "psum_width": config.psum_width,
            "saturating": config.saturating,
            "decoders": config.decoders,
            "pipeline_depth": config.depth,
        }
    )


def _without_depth(name: str) -> str:
    return re.sub(r" d\d$", "", name)


def _expected(pe_type: str, sizes: tuple[int, int, int], kinds: Kinds) -> list[PEConfig]:
    fields: dict[str, Any] = dict(zip(SPADS, sizes, strict=True))
    fields |= {f"{spad}_kind": kind for spad, kind in zip(SPADS, kinds, strict=True)}
    widths = BASELINE_PSUM_BITS if pe_type == BASELINE else (None,)
    configs = [PEConfig(pe_type=pe_type, psum_bits=bits, **fields) for bits in widths]
    if can_decode_at_edge(pe_type):
        configs.append(PEConfig(pe_type=pe_type, decoders="edge", **fields))
    return configs


def _missing(config: PEConfig, library: str) -> Missing:
    command = f"python -m characterize --pe {config.pe_type} --library {library}"
    plan = ""
    if config not in make_plan("quick", config.pe_type):
        defaults = {field.name: field.default for field in dataclasses.fields(PEConfig)}
        fields = {k: v for k, v in dataclasses.asdict(config).items() if v != defaults[k]}
        del fields["pe_type"]
        plan = f"- {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}"
        command += " --plan FILE"
    return Missing(
        name=_config_name(config),
        pe_type=config.pe_type,
        spads=kinds_text(_kinds(config)),
        command=command,
        plan=plan,
    )


def _kinds(config: PEConfig) -> Kinds:
    return config.ifmap_spad_kind, config.filter_spad_kind, config.psum_spad_kind
