"""Look-up tables of a Liberty file: values over input slew and output load.

Whatever the file has (a scalar, one axis, two axes in either order, axes of its own or
of a template) becomes one shape: `values[slew, load]`, with an axis of length one where the
value does not depend on it.  Between the points a table is bilinear, outside it continues the
outermost segment, as static timing analysis does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from .liberty_syntax import Group

__all__ = ["Table", "TableReader", "interpolate"]

FloatArray = NDArray[np.float64]

_SLEW = frozenset({"input_net_transition", "input_transition_time", "related_pin_transition"})
_LOAD = frozenset({"total_output_net_capacitance"})
_SEPARATORS = str.maketrans('",\\\n\r\t', "      ")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Values on a grid of input slew and output load."""

    slew_ns: FloatArray
    """Input slews [ns], shape (s,), strictly rising."""
    load_pf: FloatArray
    """Output loads [pF], shape (l,), strictly rising."""
    values: FloatArray
    """Values, shape (s, l): [ns] of a delay or transition, [pJ] of a power table."""

    def at(self, slew_ns: FloatArray | float, load_pf: FloatArray | float) -> FloatArray:
        """Return the values at slews and loads, arrays of one shape."""
        slew, load = np.broadcast_arrays(np.float64(slew_ns), np.float64(load_pf))
        values = interpolate([self], slew.reshape(1, -1), load.reshape(-1))
        result: FloatArray = values.reshape(slew.shape)
        return result


def interpolate(tables: Sequence[Table], slew_ns: FloatArray, load_pf: FloatArray) -> FloatArray:
    """Look up several tables, each at slews of its own and all at the same loads.

    Tables with equal axes, as the tables of one cell usually are, share one look-up.

    Parameters
    ----------
    tables : sequence of t tables
    slew_ns : float64 array, shape (t, n)
    load_pf : float64 array, shape (n,)

    Returns
    -------
    float64 array, shape (t, n)
    """
    result = np.empty((len(tables), load_pf.size))
    by_axes: dict[tuple[bytes, bytes], list[int]] = {}
    for index, table in enumerate(tables):
        axes = (table.slew_ns.tobytes(), table.load_pf.tobytes())
        by_axes.setdefault(axes, []).append(index)
    for members in by_axes.values():
        first = tables[members[0]]
        values = np.stack([tables[index].values for index in members])
        row, up = _position(first.slew_ns, slew_ns[members])
        column, right = _position(first.load_pf, load_pf)
        next_row = np.minimum(row + 1, first.slew_ns.size - 1)
        next_column = np.minimum(column + 1, first.load_pf.size - 1)
        which = np.arange(len(members))[:, np.newaxis]
        low = values[which, row, column] * (1 - right) + values[which, row, next_column] * right
        high = (
            values[which, next_row, column] * (1 - right)
            + values[which, next_row, next_column] * right
        )
        result[members] = low * (1 - up) + high * up
    return result


def _position(axis: FloatArray, at: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the segment of each point and its place in it (outside 0..1: extrapolation)."""
    if axis.size == 1:
        return np.zeros(at.shape, dtype=np.intp), np.zeros(at.shape)
    segment = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, axis.size - 2)
    return segment, (at - axis[segment]) / (axis[segment + 1] - axis[segment])


class TableReader:
    """Turns table groups into `Table`s, with the templates and units of one library."""

    def __init__(self, library: Group, *, time_ns: float, load_pf: float) -> None:
        self._time_ns = time_ns
        self._load_pf = load_pf
        self._axes: dict[tuple[str, float], FloatArray] = {}
        self._templates = {
            group.arguments[0]: group
            for group in library.named("lu_table_template", "power_lut_template")
            if group.arguments
        }

    def read(self, group: Group, value_unit: float) -> Table:
        """Return the table of a group such as `cell_rise (template) { ... }`.

        Raises
        ------
        LibertyError
            If the template, an axis or a value is missing or wrong.
        """
        template = self._template(group)
        values = self._numbers(group, group, "values") * value_unit
        one = np.zeros(1)
        slew, load, shape, load_first = one, one, [], False
        for dimension in (1, 2, 3):
            variable = template.get(f"variable_{dimension}") if template is not None else None
            if variable is None:
                break
            assert template is not None
            if variable in _SLEW and slew is one:
                slew = axis = self._axis(group, template, dimension, self._time_ns)
            elif variable in _LOAD and load is one:
                load = axis = self._axis(group, template, dimension, self._load_pf)
                load_first = dimension == 1
            else:
                group.fail(
                    f"variable_{dimension} of template {template.label} must be an input "
                    f"transition or total_output_net_capacitance, each once, not {variable!r}"
                )
            shape.append(axis.size)
        if values.size != int(np.prod(shape, dtype=np.int64)):
            expected = " x ".join(str(size) for size in shape) or "1"
            group.fail(f"{group.label} must have {expected} values, not {values.size}")
        if load_first:
            values = values.reshape(load.size, slew.size).T
        return Table(slew_ns=slew, load_pf=load, values=values.reshape(slew.size, load.size))

    def scalar(self, value: float) -> Table:
        """Return a table that is `value` everywhere."""
        return Table(slew_ns=np.zeros(1), load_pf=np.zeros(1), values=np.full((1, 1), value))

    def _template(self, group: Group) -> Group | None:
        name = group.arguments[0] if group.arguments else "scalar"
        if name == "scalar":
            return None
        if name not in self._templates:
            group.fail(f"{group.label} names a table template that the library does not define")
        return self._templates[name]

    def _axis(self, group: Group, template: Group, dimension: int, unit: float) -> FloatArray:
        name = f"index_{dimension}"
        holder = group if name in group.complex else template
        if name not in holder.complex:
            group.fail(f"{group.label} must have {name}, itself or in its template")
        key = (holder.complex[name][0][0], unit)  # the same axis stands in thousands of tables
        if key not in self._axes:
            axis = self._numbers(group, holder, name) * unit
            if axis.size < 1 or np.any(np.diff(axis) <= 0):
                group.fail(f"{name} of {group.label} must be strictly rising")
            self._axes[key] = axis
        return self._axes[key]

    def _numbers(self, group: Group, holder: Group, name: str) -> FloatArray:
        if name not in holder.complex:
            group.fail(f"{group.label} must have {name} (...)")
        text, position = holder.complex[name][0]
        try:
            numbers = np.array([float(item) for item in text.translate(_SEPARATORS).split()])
        except ValueError:
            self._not_numbers(group, name, position)
        if not np.all(np.abs(numbers) < 1e20):  # also false for a NaN
            self._not_numbers(group, name, position)
        return numbers

    def _not_numbers(self, group: Group, name: str, position: int) -> NoReturn:
        group.source.fail(position, f"{name} of {group.label} must be a list of numbers")
