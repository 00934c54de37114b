"""`python -m characterize.energy`: energies of PEs by simulating their netlists.

Prints for each PE type and data set what a product, a word moved and an idle cycle cost, with what
stated activity makes of them, how well actions times energies predict other passes, and how much
glitches would add in the datapath (`--glitches` measures that).
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

from flows.errors import FlowError, LibraryNotFound
from flows.libraries import CellLibrary
from hw.command import run_command
from hw.config import SPAD_KINDS, PEConfig
from hw.errors import ConfigError, HwError, nearest
from hw.pe.registry import PE_TYPES

from .energy_comparison import stated_against_simulated
from .energy_points import EnergyTask, energy_key, measure_energy
from .energy_table import (
    ENERGY_COLUMNS,
    ENERGY_ORDER,
    check_energy_row,
    load_energies,
    read_energies,
)
from .errors import CharacterizeError
from .glitch_points import (
    GLITCH_COLUMNS,
    check_glitch_row,
    glitch_factors,
    glitch_key,
    load_glitches,
    measure_glitch,
)
from .point_command import PointKind, Task, add_point_options, run_points
from .point_table import Row
from .stimuli import DATA_SETS

__all__ = ["main"]

BUILD = Path("build/characterize")
_SHOWN = {
    "product_pj": "product [pJ]",
    "stated_product_pj": "stated",
    "filter_load_pj": "filter [pJ]",
    "stated_filter_load_pj": "stated",
    "ifmap_load_pj": "ifmap [pJ]",
    "stated_ifmap_load_pj": "stated",
    "psum_pass_pj": "psum [pJ]",
    "stated_psum_pass_pj": "stated",
    "idle_pj": "idle [pJ]",
    "stated_idle_pj": "stated",
    "check_error": "check",
    "mean_error": "rms",
    "row_error": "row's actions",
    "seconds": "seconds",
}


def _title(row: Row) -> str:
    return str(row["pe_type"])


def _sizes(row: Row) -> str:
    return "/".join(str(row[f"{spad}_spad"]) for spad in ("ifmap", "filter", "psum"))


_LABELS: dict[str, Callable[[Row], str]] = {
    "PE type": _title,
    "spads": _sizes,
    "operands": lambda row: str(row["data_set"]),
}
_GLITCHES = PointKind(
    name="glitches",
    columns=GLITCH_COLUMNS,
    order=ENERGY_ORDER,
    check=check_glitch_row,
    load=load_glitches,
    labels=_LABELS,
    shown={
        "glitch_factor": "glitch factor",
        "settled_pj": "settled [pJ]",
        "all_pj": "all [pJ]",
        "settled_toggles": "settled toggles",
        "all_toggles": "all toggles",
        "seconds": "seconds",
    },
)


def _energies() -> PointKind:
    """Return the kind of energies; each is shown with the glitch factor that is known for it."""

    @functools.cache
    def factors(library: str) -> dict[tuple[str, str], float]:
        return glitch_factors(library, Path("build/store") / f"glitches-{library}.csv")

    def glitch(row: Row) -> str:
        found = factors(row["library"]).get((row["config_digest"], row["data_set"]))
        return "" if found is None else f"{found:.2f}"

    return PointKind(
        name="energy",
        columns=ENERGY_COLUMNS,
        order=ENERGY_ORDER,
        check=check_energy_row,
        load=load_energies,
        labels=_LABELS | {"glitches": glitch},
        shown=_SHOWN,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m characterize.energy",
        description="Simulate the netlists of PEs with the operands of a small network and with "
        "uniform random ones, check every psum, and print what products, words and idle cycles "
        "cost beside what stated activity makes of them.  Each point that ends is stored at once "
        "and not measured again.",
    )
    parser.add_argument("--library", default="osu018", metavar="L", help="name or path")
    parser.add_argument(
        "--pe", nargs="+", default=list(PE_TYPES), metavar="TYPE", help="PE types; default all"
    )
    parser.add_argument(
        "--sizes", default="12/224/24", metavar="I/F/P",
        help="words of the ifmap, filter and psum scratchpad; default 12/224/24",
    )  # fmt: skip
    parser.add_argument(
        "--spads", default="flipflop", choices=SPAD_KINDS, help="what they are made of"
    )
    parser.add_argument(
        "--set", default="both", choices=(*DATA_SETS, "both"), help="operands; default both"
    )
    parser.add_argument(
        "--glitches", action="store_true",
        help="simulate the datapaths with delays instead: glitch factors, kept in a table of "
        "their own and shown beside the energies",
    )  # fmt: skip
    parser.add_argument(
        "--stated", action="store_true",
        help="compare what is shipped (or in --store) with stated activity, measure nothing",
    )  # fmt: skip
    add_point_options(parser, "energy")
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
    if arguments.stated:
        return _compare(arguments)
    for name in arguments.pe:
        if name not in PE_TYPES:
            raise ConfigError(f"--pe must be {nearest(name, PE_TYPES)}, not {name!r}")
    points = [_point(name, arguments.sizes, arguments.spads) for name in arguments.pe]
    kind = _GLITCHES if arguments.glitches else _energies()
    return run_points(arguments, kind, lambda library: _tasks(arguments, points, library))


def _compare(arguments: argparse.Namespace) -> int:
    """Print whom stated activity flatters."""
    stored = arguments.store
    table = load_energies(arguments.library) if stored is None else read_energies(stored)
    data_set = DATA_SETS[0] if arguments.set == "both" else arguments.set
    lines = stated_against_simulated(table, data_set)
    if arguments.json:
        print(lines.to_json(orient="records", indent=2))
        return 0
    heads = [
        "PE type", "stated [pJ]", "simulated [pJ]", "stated / simulated", "int16 / type, stated",
        "simulated", "flattered by",
    ]  # fmt: skip
    forms = ("", ".2f", ".2f", ".2f", ".2f", ".2f", "+.0%")
    form = "github" if arguments.markdown else "simple"
    print(tabulate(lines.to_numpy().tolist(), heads, floatfmt=forms, tablefmt=form))
    return 0


def _point(pe_type: str, sizes: str, kind: str) -> PEConfig:
    words = sizes.split("/")
    if len(words) != 3 or not all(word.isdecimal() for word in words):
        raise ConfigError(f"--sizes must be three sizes like 12/224/24, not {sizes!r}")
    ifmap, filters, psums = (int(word) for word in words)
    return PEConfig(
        pe_type=pe_type, ifmap_spad=ifmap, filter_spad=filters, psum_spad=psums,
        ifmap_spad_kind=kind, filter_spad_kind=kind, psum_spad_kind=kind,
    )  # fmt: skip


def _tasks(
    arguments: argparse.Namespace, points: list[PEConfig], library: CellLibrary
) -> list[Task]:
    sets = DATA_SETS if arguments.set == "both" else (arguments.set,)
    tasks = [
        EnergyTask(config=config, library=library, data_set=data_set, build=BUILD)
        for config in points
        for data_set in sets
    ]
    key, measure = (energy_key, measure_energy)
    if arguments.glitches:
        key, measure = (glitch_key, measure_glitch)
    return [(key(task), functools.partial(measure, task)) for task in tasks]


if __name__ == "__main__":
    sys.exit(main())
