"""SRAM macros and the global buffer, interpolated in a table computed with CACTI 7 at 300 K.

Figures are exact at tabulated capacities and log-log interpolated in capacity between them, at
fixed word widths.  Rules, the same for every PE type:

- a macro smaller than the smallest one of its width is that smallest one (`clamped` is set);
- a width between tabulated ones is composed of macros side by side (45 bits: 32 + 16) or rounded
  up, whichever has the smaller area; a port wider than 256 bits is several banks;
- words narrower than a row share it (8 // bits words in a row of 8 bits; beyond 512 B, where no
  8-bit rows are tabulated, rows of 16 bits), and each access is charged the whole row.

Multiplexers and wires between macros are not counted.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import FlowError
from .scaling import SCALED_NODE_NM, SOURCE_NODE_NM, Scaling, scale_to_180

__all__ = [
    "DEFAULT_DEVICE", "DEVICES", "NODES_NM", "NODE_OF_LIBRARY",
    "Glb", "Macro", "SramModel", "node_of_library",
]  # fmt: skip

Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "data" / "sram_cacti7.csv"
DEVICES = ("itrs-hp", "itrs-lop", "itrs-lstp")
DEFAULT_DEVICE = "itrs-lstp"
NODES_NM = (22, 32, 45, 65, 90, 180)
NODE_OF_LIBRARY = {"nangate45": 45, "osu018": 180}
"""Technology node [nm] of the cell libraries with a known one."""
_WIDTHS = (8, 16, 32, 64, 128, 256)
_FIGURES = ("area_um2", "access_ns", "cycle_ns", "read_pj", "write_pj", "leakage_uw")
_MAX_BITS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """Figures of macros, one per element; every array has the shape of the request."""

    area_um2: Floats
    access_ns: Floats
    """Time from the clock edge to the read data."""
    cycle_ns: Floats
    """Shortest time between two accesses."""
    read_pj: Floats
    write_pj: Floats
    leakage_uw: Floats
    clamped: NDArray[np.bool_]
    """True where a part is smaller than the smallest tabulated macro."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glb:
    """Figures of a global buffer, one per element."""

    area_um2: Floats
    access_ns: Floats
    cycle_ns: Floats
    read_pj_per_byte: Floats
    write_pj_per_byte: Floats
    leakage_uw: Floats
    banks: NDArray[np.int64]
    """Banks side by side that make up the port."""

    def access_cycles(self, period_ns: ArrayLike) -> NDArray[np.int64]:
        """Return the clock cycles from address to data (pipelined), at least one."""
        return _cycles(self.access_ns, period_ns)

    def interval_cycles(self, period_ns: ArrayLike) -> NDArray[np.int64]:
        """Return the clock cycles between two accesses of one bank, at least one."""
        return _cycles(self.cycle_ns, period_ns)


def _cycles(time_ns: Floats, period_ns: ArrayLike) -> NDArray[np.int64]:
    # The tolerance keeps an exact multiple of the period from rounding up.
    cycles = np.ceil(time_ns / np.asarray(period_ns, dtype=np.float64) - 1e-9)
    return np.asarray(np.maximum(cycles, 1), dtype=np.int64)


def node_of_library(library: str) -> int:
    """Return the node [nm] of a known cell library; `FlowError` asks for it otherwise."""
    if library not in NODE_OF_LIBRARY:
        known = ", ".join(f"{name} ({node} nm)" for name, node in NODE_OF_LIBRARY.items())
        raise FlowError(
            f"the technology node of library {library!r} is not known (known: {known}); "
            f"give it explicitly as one of {', '.join(map(str, NODES_NM))} nm"
        )
    return NODE_OF_LIBRARY[library]


@cache
def _table(node_nm: int, device: str) -> dict[int, tuple[Floats, Floats]]:
    """Return, per word width, log2 of the capacities (k,) and log2 of the figures (k, 6)."""
    rows: dict[int, list[tuple[float, ...]]] = {width: [] for width in _WIDTHS}
    with TABLE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["node_nm"]) == node_nm and row["device"] == device:
                leakage_mw = float(row["subthreshold_leakage_mw"]) + float(row["gate_leakage_mw"])
                timing = (float(row["access_ns"]), float(row["cycle_ns"]))
                energy = (float(row["read_pj"]), float(row["write_pj"]))
                area_um2 = float(row["area_mm2"]) * 1e6
                figures = (area_um2, *timing, *energy, leakage_mw * 1e3)
                rows[int(row["word_bits"])].append((float(row["capacity_bytes"]), *figures))
    table = {}
    for width, lines in rows.items():
        logs = np.log2(np.array(sorted(lines)))
        table[width] = (logs[:, 0], logs[:, 1:])
    return table


class SramModel:
    """Memories of one technology node and one device type.

    Parameters
    ----------
    node_nm
        One of `NODES_NM`; 180 nm is scaled from 90 nm (see `flows.scaling`).
    device
        One of `DEVICES`; it decides leakage by orders of magnitude.

    Attributes
    ----------
    provenance : str
        One sentence on source, node, device and scaling, meant for every report.
    scaled : bool
        Whether the figures are scaled from another node.
    """

    def __init__(self, node_nm: int, device: str = DEFAULT_DEVICE) -> None:
        if node_nm not in NODES_NM:
            nodes = ", ".join(map(str, NODES_NM))
            raise FlowError(f"SRAM node must be one of {nodes} nm, not {node_nm!r}")
        if device not in DEVICES:
            raise FlowError(f"SRAM device must be one of {', '.join(DEVICES)}, not {device!r}")
        self.node_nm, self.device = node_nm, device
        self.scaled = node_nm == SCALED_NODE_NM
        self._scaling = scale_to_180(device) if self.scaled else Scaling()
        self._table = _table(SOURCE_NODE_NM if self.scaled else node_nm, device)
        self.provenance = f"SRAM: CACTI 7 table at 300 K, {device}, {node_nm} nm"
        if self.scaled:
            self.provenance += f", {self._scaling.note}"

    def macro(self, words: ArrayLike, bits: ArrayLike) -> Macro:
        """Return the figures of single-port macros of `words` words of `bits` bits.

        Parameters
        ----------
        words, bits
            Positive integers, broadcast against each other.

        Raises
        ------
        FlowError
            Where a figure is no positive integer or one bank exceeds the table (2 MiB).
        """
        words_, bits_ = np.broadcast_arrays(_integers(words, "words"), _integers(bits, "bits"))
        if bits_.size and int(bits_.max()) > _MAX_BITS:
            raise FlowError(f"bits must be at most {_MAX_BITS}, not {int(bits_.max())}")
        # Design spaces repeat few sizes many times: compute each distinct pair once.
        pairs, inverse = np.unique(
            words_.ravel() * (2 * _MAX_BITS) + bits_.ravel(), return_inverse=True
        )
        figures, clamped = self._distinct(pairs // (2 * _MAX_BITS), pairs % (2 * _MAX_BITS))
        columns = {
            name: figures[inverse, column].reshape(words_.shape)
            for column, name in enumerate(_FIGURES)
        }
        return Macro(**columns, clamped=clamped[inverse].reshape(words_.shape))

    def glb(self, kib: ArrayLike, bytes_per_cycle: ArrayLike) -> Glb:
        """Return the figures of global buffers of `kib` KiB whose port moves `bytes_per_cycle`.

        The port is as many banks side by side as its width needs, each access uses all of them,
        and an energy per byte assumes that all bytes of the access are used.
        """
        kib_, width = np.broadcast_arrays(
            _integers(kib, "kib"), _integers(bytes_per_cycle, "bytes_per_cycle")
        )
        bits = 8 * width
        macro = self.macro(-(-kib_ * 1024 // width), bits)
        return Glb(
            area_um2=macro.area_um2,
            access_ns=macro.access_ns,
            cycle_ns=macro.cycle_ns,
            read_pj_per_byte=macro.read_pj / width,
            write_pj_per_byte=macro.write_pj / width,
            leakage_uw=macro.leakage_uw,
            banks=-(-bits // _WIDTHS[-1]),
        )

    def _distinct(
        self, words: NDArray[np.int64], bits: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the figures (n, 6) of the smallest composition of each pair, and `clamped`."""
        shared = np.maximum(8 // bits, 1)
        words, units = -(-words // shared), -(-bits // 8)
        best = np.full((len(words), len(_FIGURES)), np.inf)
        best_clamped = np.zeros(len(words), dtype=bool)
        for rounding in range(len(_WIDTHS)):
            step = 1 << rounding
            figures, clamped = self._composed(words, -(-units // step) * step)
            better = figures[:, 0] < best[:, 0]
            best[better], best_clamped[better] = figures[better], clamped[better]
        if not np.isfinite(best[:, 0]).all():
            index = int(np.argmax(~np.isfinite(best[:, 0])))
            raise FlowError(
                f"an SRAM bank must hold at most 2 MiB, which {words[index]} words of "
                f"{bits[index]} bits exceed"
            )
        scaling = self._scaling
        delay, energy = [scaling.delay] * 2, [scaling.energy] * 2
        best *= [scaling.area, *delay, *energy, 1.0]
        return best, best_clamped

    def _composed(
        self, words: NDArray[np.int64], units: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the figures of `units` bytes per word, made of the widths of its binary digits."""
        total = np.zeros((len(words), len(_FIGURES)))
        clamped = np.zeros(len(words), dtype=bool)
        for width in _WIDTHS:
            unit = width // 8
            count = units // unit if width == _WIDTHS[-1] else (units // unit) % 2
            used = count > 0
            if not used.any():
                continue
            part, small = self._part(words * unit, width)
            part = np.where(used[:, None], part, 0.0)
            several = np.maximum(count, 1)[:, None]
            total[:, :1] += part[:, :1] * several
            total[:, 1:3] = np.maximum(total[:, 1:3], part[:, 1:3])
            total[:, 3:] += part[:, 3:] * several
            clamped |= used & small
        return total, clamped

    def _part(
        self, capacity_bytes: NDArray[np.int64], width: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the figures (n, 6) of one macro of a tabulated width; above the table inf."""
        log_capacity = np.log2(capacity_bytes.astype(np.float64))
        figures, small = self._interpolated(log_capacity, width)
        if width == _WIDTHS[0]:
            wide, _ = self._interpolated(log_capacity, _WIDTHS[1])
            capacities, logs = self._table[width]
            beyond = log_capacity > capacities[-1]
            figures[beyond] = wide[beyond]
            # At the seam the wider rows may be the smaller ones; area must not shrink there.
            figures[beyond, 0] = np.maximum(figures[beyond, 0], np.exp2(logs[-1, 0]))
        return figures, small

    def _interpolated(self, log_capacity: Floats, width: int) -> tuple[Floats, NDArray[np.bool_]]:
        capacities, logs = self._table[width]
        columns = [np.interp(log_capacity, capacities, column) for column in logs.T]
        figures = np.exp2(np.stack(columns, axis=1))
        figures[log_capacity > capacities[-1]] = np.inf
        return figures, log_capacity < capacities[0]


def _integers(value: ArrayLike, name: str) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or (array.size and int(array.min()) < 1):
        raise FlowError(f"{name} must be positive integers, not {value!r}")
    return array.astype(np.int64)
