"""Networks as tables of layer shapes: the zoo in `dse/networks` and a user's own tables.

A table is CSV (a header, lines that begin with `#` are notes) or YAML (a list of mappings, or a
mapping with the key `layers`); its columns are the fields of `hw.layer.Layer`.  Fully connected
layers of the zoo are 1 x 1 convolutions over the flattened input (C = inputs), which lets an array
spread them over all its rows; the products are the same.
"""

from __future__ import annotations

import csv
import dataclasses
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from hw.errors import HwError, nearest
from hw.layer import Layer

from .errors import WorkloadError

__all__ = ["COUNTED", "Network", "load_network", "network_names"]

COUNTED = (
    "Counted: convolutions and fully connected layers, products with zero padding included. "
    "Not counted: bias, pooling, normalisation, residual additions, activation functions, "
    "identity shortcuts."
)
"""What totals of a network contain; reports print it beside them."""

_FIELDS = {field.name: field for field in dataclasses.fields(Layer)}
_REQUIRED = tuple(
    name
    for name, field in _FIELDS.items()
    if field.default is dataclasses.MISSING and name != "name"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A named sequence of layers."""

    name: str
    layers: tuple[Layer, ...]

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
        """Return each distinct shape once (named after its first layer) with its multiplicity."""
        count: dict[tuple[int, ...], int] = {}
        first: dict[tuple[int, ...], Layer] = {}
        for layer in self.layers:
            shape = dataclasses.astuple(layer)[1:]
            first.setdefault(shape, layer)
            count[shape] = count.get(shape, 0) + 1
        return tuple((layer, count[shape]) for shape, layer in first.items())

    def batched(self, images: int) -> Network:
        """Return the same network with a batch of `images` in every layer."""
        layers = tuple(dataclasses.replace(layer, n=images) for layer in self.layers)
        return dataclasses.replace(self, layers=layers)


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
        if name not in _FIELDS:
            raise WorkloadError(
                f"{where}: unknown column {name!r}; it must be {nearest(name, _FIELDS)}"
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
            entry[name] = cell if name == "name" else _integer(cell, name, place)
        rows.append((place, entry))
    return rows


def _integer(cell: str, name: str, place: str) -> int:
    try:
        return int(cell)
    except ValueError:
        raise WorkloadError(f"{place}: {name} must be an integer, not {cell!r}") from None


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
            if key not in _FIELDS:
                raise WorkloadError(
                    f"{place}: unknown key {key!r}; it must be {nearest(key, _FIELDS)}"
                )
        rows.append((place, entry))
    return rows


def _network(name: str, rows: list[tuple[str, dict[str, Any]]]) -> Network:
    layers: list[Layer] = []
    names: set[str] = set()
    for number, (place, entry) in enumerate(rows, 1):
        for field in _REQUIRED:
            if field not in entry:
                raise WorkloadError(f"{place}: missing {field!r}; a layer needs {_columns()}")
        try:
            layer = Layer(**{"name": f"layer{number}", **entry})
        except HwError as error:
            raise WorkloadError(f"{place}: {error}") from None
        if layer.name in names:
            raise WorkloadError(
                f"{place}: name must differ from every other layer's, not {layer.name!r} again"
            )
        names.add(layer.name)
        layers.append(layer)
    if not layers:
        raise WorkloadError(f"{name}: the table must have at least one layer below {_columns()}")
    return Network(name=name, layers=tuple(layers))


def _columns() -> str:
    optional = [name for name in _FIELDS if name not in _REQUIRED]
    return f"{', '.join(_REQUIRED)} (optional: {', '.join(optional)})"
