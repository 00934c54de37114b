"""Signal-to-quantization-noise ratio of the number formats at equal bits.

    python -m benchmarks.sqnr [--values 65536] [--seed 0]

Every format quantizes the same seeded tensors, uniform, Gaussian, Laplace and Student-t with three
degrees of freedom, each after division by a scale of the tensor that is searched for the least
squared error (in steps of 1/64 octave); block formats have their own scales and no other.  The
signal is the mean square of the tensor, the noise the mean square of the difference.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from hw.formats import Microscaling, canonical_codes, parse, quantize

Rows = tuple[tuple[str, tuple[str, ...]], ...]

DATA: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "uniform": lambda rng, n: rng.uniform(-1, 1, n),
    "Gaussian": lambda rng, n: rng.standard_normal(n),
    "Laplace": lambda rng, n: rng.laplace(size=n),
    "Student-t (3)": lambda rng, n: rng.standard_t(3, n),
}


def _one(*names: str) -> Rows:
    return tuple((name, (name,)) for name in names)


def _lp(bits: int) -> Rows:
    names = (f"lp{bits}_{es}_{rs}" for es in range(3) for rs in range(1, bits))
    return ((f"lp{bits}, best es, rs", tuple(names)),)


ROWS: dict[int, Rows] = {
    8: (
        _one("int8", "float8_e4m3fn", "float8_e5m2", "float_e3m4f", "float_e2m5f")
        + _one("lightnn2", "flightnn2", "sp2_8", "flint8", "lns8g8", "lns8g16")
        + _one("posit8_0", "posit8_1", "posit8_2", "lp8_1_3", "lp8_2_2")
        + _lp(8)
        + _one("mxint8", "mxfp8_e4m3", "mxfp8_e5m2")
    ),
    4: (
        _one("int4", "float4_e2m1fn", "lightnn1", "pot4", "flint4", "sp2_4")
        + _one("lns4g1", "lns4g2", "posit4_0", "posit4_1", "lp4_0_3", "lp4_1_1")
        + _lp(4)
        + _one("mxfp4")
    ),
}
"""Rows of the table at each width: its title and the formats of which it shows the best."""


@functools.cache
def _tables(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sorted values of a format and the borders between them."""
    fmt = parse(name)
    assert not isinstance(fmt, Microscaling)
    values = fmt.decode(canonical_codes(fmt))
    return values, values[:-1] + np.diff(values) / 2


class Tensor:
    """Data of one distribution, with the sums that give the error of a format at any scale."""

    def __init__(self, data: NDArray[np.float64]) -> None:
        self.data = data
        self.power = float(np.mean(data**2))
        self._sorted = np.sort(data)
        self._sums = np.concatenate([[0.0], np.cumsum(self._sorted)])

    def error(self, name: str, scale: float) -> float:
        """Return the mean squared error of rounding to nearest at one scale.

        With n values of sum s that become the value v, the error is that of all squares plus
        n v**2 - 2 v s for each v.
        """
        values, borders = _tables(name)
        ends = np.searchsorted(self._sorted, borders * scale)
        ends = np.concatenate([[0], ends, [len(self.data)]])
        scaled = values * scale
        cells = np.diff(ends) * scaled**2 - 2 * scaled * np.diff(self._sums[ends])
        return self.power + float(cells.sum()) / len(self.data)


def sqnr_db(name: str, tensor: Tensor) -> float:
    """Return the ratio of signal to quantization noise [dB] at the best scale of the tensor."""
    fmt = parse(name)
    if isinstance(fmt, Microscaling):
        blocks = tensor.data.reshape(-1, fmt.block)
        error = float(np.mean((fmt.quantize(blocks) - blocks) ** 2))
    else:
        magnitudes = np.abs(_tables(name)[0])
        magnitudes = magnitudes[magnitudes > 0]
        # the largest value of the tensor becomes anything from the smallest value of the format to
        # 256 times its largest
        peak = np.log2(np.abs(tensor.data).max())
        low, high = peak - np.log2(magnitudes.max()) - 8, peak - np.log2(magnitudes.min())
        scale = min(np.exp2(np.arange(low, high, 1 / 64)), key=lambda s: tensor.error(name, s))
        quantized = quantize(fmt, tensor.data / scale) * scale
        error = float(np.mean((quantized - tensor.data) ** 2))
    return 10 * float(np.log10(tensor.power / error))


def main() -> None:
    """Print one table for 8 bits and one for 4."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--values", type=int, default=65536, help="of a tensor, a multiple of 32")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.values < 32 or arguments.values % 32:
        parser.error(f"--values must be a positive multiple of 32, not {arguments.values}")
    rng = np.random.default_rng(arguments.seed)
    tensors = {title: Tensor(draw(rng, arguments.values)) for title, draw in DATA.items()}
    for bits, rows in ROWS.items():
        table = []
        for title, names in rows:
            fmt = parse(names[0])
            stored = fmt.block_bits / 32 if isinstance(fmt, Microscaling) else fmt.bits
            cells: list[object] = [title, stored]
            for tensor in tensors.values():
                ratio, best = max((sqnr_db(name, tensor), name) for name in names)
                cells.append(f"{ratio:.1f}" + (f" {best}" if len(names) > 1 else ""))
            table.append(cells)
        print(f"\n{bits} bits: signal to quantization noise [dB]\n")
        headers = ["format", "bits", *tensors]
        align = ("left", "right", *("left" for _ in tensors))
        print(tabulate(table, headers, tablefmt="github", colalign=align, disable_numparse=True))


if __name__ == "__main__":
    main()
