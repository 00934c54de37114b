"""Networks as tables of layer shapes: the zoo in `dse/networks` and a user's own tables.

A table is CSV (a header, lines that begin with `#` are notes) or YAML (a list of mappings, or a
mapping with the key `layers`); its columns are the fields of `hw.layer.Layer` and, for FLightNN,
the shares `k0`, `k1`, `k2` of filters with so many terms (`dse.term_mix`).  Fully connected
layers of the zoo are 1 x 1 convolutions over the flattened input (C = inputs), which lets an array
spread them over all its rows; the products are the same.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from hw.errors import HwError, nearest
from hw.layer import Layer

from .errors import WorkloadError
from .term_mix import SHARES, TermMix

__all__ = ["COUNTED", "Network", "load_network", "network_names"]

COUNTED = (
    "Counted: convolutions and fully connected layers, products with zero padding included. "
    "Not counted: bias, pooling, normalisation, residual additions, activation functions, "
    "identity shortcuts."
)
"""What totals of a network contain; reports print it beside them."""

_FIELDS = {entry.name: entry for entry in dataclasses.fields(Layer)}
_COLUMNS = (*_FIELDS, *SHARES)
_REQUIRED = tuple(
    name
    for name, entry in _FIELDS.items()
    if entry.default is dataclasses.MISSING and name != "name"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A named sequence of layers."""

    name: str
    layers: tuple[Layer, ...]
    term_mixes: Mapping[str, TermMix] = field(default_factory=dict)
    """FLightNN mixes by the name of their layer; a layer without one has the most terms."""

    def __post_init__(self) -> None:
        if not self.layers:
            raise WorkloadError(f"network {self.name!r} must have at least one layer")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights of all layers, without bias."""
        return sum(layer.weights for layer in self.layers)

    def unique_layers(self) -> tuple[tuple[Layer, int], ...]:
        """Return each distinct layer once (named after its first) with its multiplicity.

        Layers are alike in shape and mix.
        """
        count: dict[tuple[Any, ...], int] = {}
        first: dict[tuple[Any, ...], Layer] = {}
        for layer in self.layers:
            shape = (*dataclasses.astuple(layer)[1:], self.term_mixes.get(layer.name))
            first.setdefault(shape, layer)
            count[shape] = count.get(shape, 0) + 1
        return tuple((layer, count[shape]) for shape, layer in first.items())

    def batched(self, images: int) -> Network:
        """Return the same network with a batch of `images` in every layer."""
        layers = tuple(dataclasses.replace(layer, n=images) for layer in self.layers)
        return dataclasses.replace(self, layers=layers)

    def with_mix(self, mix: TermMix) -> Network:
        """Return the same network with a mix for every layer that has none of its own."""
        mixes = {layer.name: mix for layer in self.layers} | dict(self.term_mixes)
        return dataclasses.replace(self, term_mixes=mixes)

    @property
    def mix_text(self) -> str:
        """One sentence on the mixes, for reports."""
        without = sum(layer.name not in self.term_mixes for layer in self.layers)
        mixes = ["most terms"] * (without > 0)
        mixes += sorted({str(mix) for mix in self.term_mixes.values()})
        shown = "; ".join(mixes[:3]) + ("; …" if len(mixes) > 3 else "")
        return (
            f"Filters by their FLightNN terms (shares k0,k1,k2; without a mix from a table or "
            f"--flightnn-mix all have the most terms, which costs the most): {shown}."
        )


def network_names() -> tuple[str, ...]:
    """Return the names of the zoo, sorted."""
    folder = resources.files("dse") / "networks"
    return tuple(sorted(f.name[:-4] for f in folder.iterdir() if f.name.endswith(".csv")))


def load_network(name_or_path: str | Path) -> Network:
    """Return a network of the zoo by name, or the one in a layer table (CSV or YAML).

    Anything that ends in `.csv`, `.yaml` or `.yml`, or holds a path separator, is a file.

    Raises
    ------
    WorkloadError
        For a name that is not in the zoo, or a table with a wrong entry (names file, row, field).
    """
    text = str(name_or_path)
    path = Path(text)
    if text in network_names():
        table = resources.files("dse") / "networks" / f"{text}.csv"
        return _network(text, _csv_rows(table.read_text(encoding="utf-8"), f"{text}.csv"))
    if path.suffix.lower() not in (".csv", ".yaml", ".yml"):
        if "/" in text or path.is_file():
            raise WorkloadError(f"{text}: a layer table must end in .csv, .yaml or .yml")
        raise WorkloadError(
            f"network must be a layer table (.csv, .yaml) or {nearest(text, network_names())}, "
            f"not {text!r}"
        )
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise WorkloadError(f"cannot read the layer table {text!r}: {reason}") from None
    rows = _csv_rows if path.suffix.lower() == ".csv" else _yaml_rows
    return _network(path.stem, rows(content, text))


def _csv_rows(text: str, where: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of a CSV table, each with the words that locate it."""
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(i, line) for i, line in lines if not line.lstrip().startswith("#")]
    if not lines:
        raise WorkloadError(f"{where}: the table is empty; it must begin with {_columns()}")
    try:
        cells = list(csv.reader([line for _, line in lines], strict=True))
    except csv.Error as error:
        raise WorkloadError(f"{where}: not CSV: {error}") from None
    header = [cell.strip() for cell in cells[0]]
    for name in header:
        if name not in _COLUMNS:
            raise WorkloadError(
                f"{where}: unknown column {name!r}; it must be {nearest(name, _COLUMNS)}"
            )
        if header.count(name) > 1:
            raise WorkloadError(
                f"{where}: column {name!r} must stand once, not {header.count(name)} times"
            )
    rows = []
    for (number, _), row in zip(lines[1:], cells[1:], strict=True):
        place = f"{where}, line {number}"
        if len(row) != len(header):
            raise WorkloadError(f"{place}: must have {len(header)} cells, not {len(row)}")
        entry: dict[str, Any] = {}
        for name, cell in zip(header, (cell.strip() for cell in row), strict=True):
            if not cell and name not in _REQUIRED:
                continue
            entry[name] = cell if name == "name" else _number(cell, name, place)
        rows.append((place, entry))
    return rows


def _number(cell: str, name: str, place: str) -> int | float:
    share = name in SHARES
    try:
        return float(cell) if share else int(cell)
    except ValueError:
        kind = "a number" if share else "an integer"
        raise WorkloadError(f"{place}: {name} must be {kind}, not {cell!r}") from None


def _yaml_rows(text: str, where: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the entries of a YAML table, each with the words that locate it."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WorkloadError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    if isinstance(data, dict):
        if set(data) - {"layers", "name"} or "layers" not in data:
            raise WorkloadError(
                f"{where}: must have the key 'layers' (and 'name'), not {sorted(map(str, data))}"
            )
        data = data["layers"]
    if not isinstance(data, list):
        raise WorkloadError(f"{where}: must be a list of layers with the keys {_columns()}")
    rows = []
    for number, entry in enumerate(data, 1):
        place = f"{where}, layer {number}"
        if not isinstance(entry, dict):
            raise WorkloadError(
                f"{place}: must be a mapping with the keys {_columns()}, not {entry!r}"
            )
        for key in entry:
            if key not in _COLUMNS:
                raise WorkloadError(
                    f"{place}: unknown key {key!r}; it must be {nearest(key, _COLUMNS)}"
                )
        rows.append((place, entry))
    return rows


def _network(name: str, rows: list[tuple[str, dict[str, Any]]]) -> Network:
    layers: list[Layer] = []
    names: set[str] = set()
    mixes: dict[str, TermMix] = {}
    for number, (place, entry) in enumerate(rows, 1):
        for required in _REQUIRED:
            if required not in entry:
                raise WorkloadError(f"{place}: missing {required!r}; a layer needs {_columns()}")
        shares = [entry[name] for name in SHARES if name in entry]
        if len(shares) not in (0, len(SHARES)):
            raise WorkloadError(f"{place}: must have {', '.join(SHARES)} together, or none of them")
        shape = {name: value for name, value in entry.items() if name not in SHARES}
        try:
            layer = Layer(**{"name": f"layer{number}", **shape})
            if shares:
                mixes[layer.name] = TermMix(*shares)
        except (HwError, WorkloadError) as error:
            raise WorkloadError(f"{place}: {error}") from None
        if layer.name in names:
            raise WorkloadError(
                f"{place}: name must differ from every other layer's, not {layer.name!r} again"
            )
        names.add(layer.name)
        layers.append(layer)
    if not layers:
        raise WorkloadError(f"{name}: the table must have at least one layer below {_columns()}")
    return Network(name=name, layers=tuple(layers), term_mixes=mixes)


def _columns() -> str:
    optional = [name for name in _COLUMNS if name not in _REQUIRED]
    return f"{', '.join(_REQUIRED)} (optional: {', '.join(optional)})"
