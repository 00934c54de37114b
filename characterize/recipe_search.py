"""The search for each PE type's own synthesis recipe and pipeline depth.

`python -m characterize.recipe_search --library nangate45` synthesizes the datapath of every PE type
with one choice varied after the other (ABC script, carry network, Booth encoding, clock target of
the sizing), each time keeping the best, at every pipeline depth; a depth that can no longer make
the PE faster is tried once.  The best is the one with the
smallest cost: area times clock period of the whole PE at 12/224/24 flip-flop words, whose other
parts are synthesized once; its clock period is that of its slowest part.  So a faster datapath
counts as far as the PE gets faster, and a smaller one in proportion to the PE; of depths within a
few percent the smallest is taken.  All that was tried
goes into the table, with the recipes that no other beats in area, delay and energy at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate
from tqdm import tqdm

from flows.activity import Statistic, propagate
from flows.clock import clock_pins_pj
from flows.errors import FlowError, LibraryNotFound
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary, find_library
from flows.netlist import Netlist, area_um2, read_netlist
from flows.power import energy_per_cycle
from flows.recipe import ABC_SCRIPTS, ADDERS, DEFAULT_RECIPE, Recipe
from flows.sta import critical_path
from flows.synthesis import synthesize
from hw.atomic_file import write_atomically
from hw.command import run_command
from hw.config import PEConfig
from hw.errors import ConfigError, HwError, nearest
from hw.pe.pe import PE, pe_modules
from hw.pe.registry import PE_TYPES

from .actions import FILTERS_PER_TAP
from .errors import CharacterizeError
from .recipes import RECIPE_FIELDS, recipe_table

__all__ = [
    "WORTH_A_STAGE",
    "Figures",
    "front",
    "main",
    "mark",
    "measure_part",
    "part_texts",
    "search",
]

BUILD = Path("build/characterize")
DEPTHS = (1, 2, 3)
RELAXED = (1.15,)
"""Clock targets that are tried, in proportion to the delay reached without one: smaller cells."""
WORTH_A_STAGE = 0.02
"""What a deeper pipeline must save in cost: it takes energy and latency, which the cost ignores."""
_ON, _OFF, _STILL = Statistic(1.0, 0.0), Statistic(0.0, 0.0), Statistic(0.5, 0.0)
_RANDOM = Statistic(0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one part has."""

    area_um2: float
    critical_path_ns: float
    product_pj: float


def search(pe_type: str, library: CellLibrary, build: Path = BUILD) -> list[dict[str, Any]]:
    """Search the recipes of one PE type; return a row for each recipe and depth tried."""
    rows: dict[tuple[int, Recipe], dict[str, Any]] = {}
    best: dict[int, tuple[float, Recipe]] = {}

    def attempt(depth: int, recipe: Recipe) -> None:
        if (depth, recipe) in rows:
            return
        config = PEConfig(pe_type=pe_type, pipeline_depth=depth)
        made = measure_part(*part_texts(config)["datapath"], library, recipe, build)
        rest_um2, rest_ns = _rest(config, library, build)
        period = max(rest_ns, made.critical_path_ns)
        cost = (rest_um2 + made.area_um2) * period
        rows[depth, recipe] = {
            "pe_type": pe_type,
            "depth": depth,
            **{name: getattr(recipe, name) for name in RECIPE_FIELDS},
            **dataclasses.asdict(made),
            "cost": cost,
        }
        if depth not in best or cost < best[depth][0]:
            best[depth] = (cost, recipe)

    def slowest(depth: int) -> bool:
        """Return whether the datapath is the slowest part of the PE at a depth."""
        recipe = best[depth][1]
        rest_ns = _rest(PEConfig(pe_type=pe_type, pipeline_depth=depth), library, build)[1]
        return bool(rows[depth, recipe]["critical_path_ns"] > rest_ns)

    multiplies = _multiplies(pe_type)
    for depth in DEPTHS:
        attempt(depth, best[depth - 1][1] if depth - 1 in best else DEFAULT_RECIPE)
        if depth > 1 and not slowest(depth - 1):
            continue  # a deeper datapath cannot make this PE faster
        for field, values in _choices(multiplies):
            for value in values:
                attempt(depth, dataclasses.replace(best[depth][1], **{field: value}))
        reached = min(row["critical_path_ns"] for key, row in rows.items() if key[0] == depth)
        for factor in RELAXED:
            target = round(1e3 * factor * reached)
            attempt(depth, dataclasses.replace(best[depth][1], clock_target_ps=target))
    return list(rows.values())


def mark(rows: list[dict[str, Any]]) -> None:
    """Mark the rows of one PE type that no other beats, and the one that is its own."""
    best: dict[int, dict[str, Any]] = {}
    for row in rows:
        row["non_dominated"] = int(not any(_beats(other, row) for other in rows))
        row["chosen"] = 0
        if row["depth"] not in best or row["cost"] < best[row["depth"]]["cost"]:
            best[row["depth"]] = row
    limit = (1 + WORTH_A_STAGE) * min(row["cost"] for row in rows)
    own = min(depth for depth, row in best.items() if row["cost"] <= limit)
    best[own]["chosen"] = 1


def _choices(multiplies: bool) -> Iterator[tuple[str, Sequence[Any]]]:
    yield "script", tuple(ABC_SCRIPTS)
    yield "adder", ADDERS
    if multiplies:
        yield "booth", (True, False)


def _beats(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether a row is no worse in every figure and better in one."""
    names = ("area_um2", "critical_path_ns", "product_pj")
    return all(row[n] <= other[n] for n in names) and any(row[n] < other[n] for n in names)


def _multiplies(pe_type: str) -> bool:
    """Return whether the datapath leaves a multiplication to synthesis."""
    return " * " in part_texts(PEConfig(pe_type=pe_type))["datapath"][1]


@functools.cache
def part_texts(config: PEConfig) -> dict[str, tuple[str, str]]:
    """Return module name and Verilog of each part of a PE."""
    pe = PE(config)
    modules = pe_modules(pe)[1]
    return {name: (part.module_name, modules[part.module_name]) for name, part in pe.parts.items()}


@functools.lru_cache(maxsize=4)
def _liberty(path: Path) -> Liberty:
    return read_liberty(path)


@functools.cache
def _rest(config: PEConfig, library: CellLibrary, build: Path) -> tuple[float, float]:
    """Return area and delay of all parts of a PE but the datapath."""
    parts = [part for name, part in part_texts(config).items() if name != "datapath"]
    made = [measure_part(*part, library, DEFAULT_RECIPE, build, energy=False) for part in parts]
    return sum(m.area_um2 for m in made), max(m.critical_path_ns for m in made)


def measure_part(
    top: str, text: str, library: CellLibrary, recipe: Recipe, build: Path, *, energy: bool = True
) -> Figures:
    """Synthesize one module with a recipe and return its figures."""
    cache, work = build / "cache", build / "work" / f"{top}-{recipe.digest()}"
    made = synthesize({top: text}, top, library, work_dir=work, cache_dir=cache, recipe=recipe)
    timing = critical_path(made.netlist_verilog, top, library, work_dir=work, cache_dir=cache)
    netlist = read_netlist(made.netlist_json, top, _liberty(library.local_copy(cache)))
    return Figures(
        area_um2=sum(area_um2(netlist).values()),
        critical_path_ns=timing.critical_path_ns,
        product_pj=_product_pj(netlist) if energy else 0.0,
    )


def _product_pj(netlist: Netlist) -> float:
    """Return the energy of a product per cycle, with random operands and psums."""
    enables = {"product_en": _ON, "sum_en": _ON, "begin_en": _OFF, "begin_zero": _OFF}
    others = {"first": _OFF, "opens": _OFF, "scale": _OFF, "block_en": _ON, "convert_en": _OFF}
    activation = Statistic(0.5, 0.5 / FILTERS_PER_TAP)
    data = {"weight": _RANDOM, "activation": activation, "stored_psum": _RANDOM}
    pins = enables | others | data | {"stored_block": _RANDOM, "rst": _OFF}
    known = {name: pin for name, pin in pins.items() if name in netlist.ports}
    activity = propagate(netlist, known, inputs=_STILL, registers=_STILL)
    return energy_per_cycle(netlist, activity).dynamic_pj + sum(clock_pins_pj(netlist).values())


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    for pe_type in {row["pe_type"] for row in rows}:
        mark([row for row in rows if row["pe_type"] == pe_type])
    frame = pd.DataFrame(rows)
    frame["booth"] = frame["booth"].astype(int)
    frame["clock_target_ps"] = frame["clock_target_ps"].astype("Int64")
    return frame.sort_values(["pe_type", "depth", "cost"], ignore_index=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize.recipe_search",
        description="Search the synthesis recipe and pipeline depth of each PE type's datapath.",
    )
    parser.add_argument("--pe", metavar="TYPE", action="append", help="only this PE type")
    parser.add_argument("--library", default="osu018", metavar="L", help="name or path")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes; default 2")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="CSV; rows are merged")
    parser.add_argument(
        "--shipped", action="store_true", help="search nothing, print the shipped table's choices"
    )
    parser.add_argument(
        "--front", action="store_true",
        help="search nothing, print the shipped recipes that no other beats in area, delay and "
        "energy; which is fastest, which has the smallest area x delay, which is the PE type's own",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return run_command(
        lambda: _command(arguments),
        failures=(FlowError, HwError, CharacterizeError),
        usage_errors=(LibraryNotFound,),
    )


def _command(arguments: argparse.Namespace) -> int:
    wanted = arguments.pe or list(PE_TYPES)
    for name in wanted:
        if name not in PE_TYPES:
            raise ConfigError(f"--pe must be {nearest(name, PE_TYPES)}, not {name!r}")
    if arguments.shipped or arguments.front:
        return _show_shipped(arguments, wanted)
    if arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, not {arguments.jobs!r}")
    library = find_library(arguments.library)
    done = _done(arguments.output)
    with ProcessPoolExecutor(max_workers=arguments.jobs) as pool:
        searches = pool.map(search, wanted, [library] * len(wanted))
        for rows in tqdm(searches, total=len(wanted), unit="type", file=sys.stderr):
            done = [row for row in done if row["pe_type"] != rows[0]["pe_type"]] + rows
            if arguments.output is not None:
                text = _table(done).to_csv(index=False, float_format="%.6g", lineterminator="\n")
                write_atomically(arguments.output, text)
    found = _table([row for row in done if row["pe_type"] in wanted])
    _print(found, found["non_dominated"].eq(1) | found["chosen"].eq(1), as_json=arguments.json)
    return 0


def _show_shipped(arguments: argparse.Namespace, wanted: list[str]) -> int:
    table = recipe_table(arguments.library)
    if table is None:
        raise CharacterizeError(f"no table of recipes is shipped for {arguments.library!r}")
    table = table[table["pe_type"].isin(wanted)]
    if arguments.front:
        table = front(table)
    _print(table, table["chosen"].eq(1) | arguments.front, as_json=arguments.json)
    return 0


def front(table: pd.DataFrame) -> pd.DataFrame:
    """Return the recipes that no other beats, and the best ones, of each PE type.

    The column `best` says what a row is the best in: `fastest` clock of the datapath, smallest
    `area x delay` of the datapath, or smallest cost of the whole PE (`own`).
    """
    figures = ["pe_type", "area_um2", "critical_path_ns", "product_pj"]
    table = table.sort_values("chosen", ascending=False, kind="stable").drop_duplicates(figures)
    table = table.sort_index()
    best: dict[Hashable, list[str]] = {}
    for _, rows in table.groupby("pe_type"):
        product = rows["area_um2"] * rows["critical_path_ns"]
        for name, index in (
            ("fastest", rows["critical_path_ns"].idxmin()),
            ("area x delay", product.idxmin()),
            ("own", rows["chosen"].idxmax()),
        ):
            best.setdefault(index, []).append(name)
    table = table.assign(best=[", ".join(best.get(index, [])) for index in table.index])
    return table[table["non_dominated"].eq(1) | table["best"].ne("")]


def _print(table: pd.DataFrame, shown: pd.Series[bool], *, as_json: bool) -> None:
    """Print the whole table as JSON, or its shown rows for people."""
    if as_json:
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=2))
        return
    lines = [
        [
            row.pe_type,
            row.depth,
            f"{row.script}, {row.adder}" + ("" if row.booth else ", no Booth"),
            f"{row.area_um2:,.0f}",
            f"{row.critical_path_ns:.3f}",
            f"{row.product_pj:.2f}",
            f"{row.cost:,.0f}",
            *([row.best] if "best" in table else []),
        ]
        for row in table[shown].itertuples()
    ]
    heads = ["PE type", "depth", "recipe", "area um2", "path ns", "product pJ", "cost um2 ns"]
    heads += ["best"] if "best" in table else []
    print(tabulate(lines, heads, tablefmt="github", disable_numparse=True))


def _done(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.is_file():
        return []
    records = [{str(k): v for k, v in row.items()} for row in pd.read_csv(path).to_dict("records")]
    unknown = [row["pe_type"] for row in records if row["pe_type"] not in PE_TYPES]
    if unknown:
        raise CharacterizeError(f"{path}: unknown PE type {unknown[0]!r}")
    return records


if __name__ == "__main__":
    sys.exit(main())
