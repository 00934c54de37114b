"""What a shell is made of: for each figure the terms that add up to it.

As in `array_terms`, a term is a count of something that is really there (words of the queues at the
columns, bits of a row of the global buffer, banks to choose from) and its coefficient what one of
them costs.  Counts follow `hw.shell`; one set of them serves area and leakage of each part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hw.accelerator_config import BANK_KIB, requantizes
from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

from .term_model import Counts, Floats, Term

__all__ = ["RANGES", "SHELL_PARTS", "SHELL_TERMS", "shell_counts"]

RANGES = ("cols", "row_bits", "banks", "queue", "psum", "weight", "activation")
"""Counts whose measured range a model states."""


_AHEAD = 4
"""Psums that a column may be ahead of the others, as in `HardwareConfig.leaving_psums`."""


def _one(counts: Counts) -> Floats:
    return np.ones_like(counts["cols"])


def _bits(count: Floats) -> Floats:
    """Return the bits that number so many things, 0 for one."""
    return np.frexp(count - 1)[1].astype(np.float64)


def shell_counts(
    pe: PEConfig,
    *,
    rows: ArrayLike,
    cols: ArrayLike,
    row_bits: ArrayLike,
    off_chip_bits: ArrayLike,
    banks: ArrayLike,
    psum_queue: ArrayLike,
    memory_latency: ArrayLike,
    filter_lanes: ArrayLike,
    ifmap_lanes: ArrayLike,
) -> dict[str, Floats]:
    """Return what the terms are made from, arrays of one shape.

    Parameters
    ----------
    pe
        PE point of all PEs, of which only widths of words and psums matter.
    rows, cols, row_bits, off_chip_bits, banks, psum_queue, memory_latency
        Of `HardwareConfig` (`psum_queue` is its `queue_psums`), numbers or arrays that broadcast.
    filter_lanes, ifmap_lanes
        Of its array, likewise.
    """
    y, x, row, beat, bank, queue, latency, lf, li = np.broadcast_arrays(
        *(
            np.asarray(v, dtype=np.float64)
            for v in (rows, cols, row_bits, off_chip_bits, banks, psum_queue, memory_latency,
                      filter_lanes, ifmap_lanes)
        )
    )  # fmt: skip
    kind, one = PE_TYPES[pe.pe_type], np.ones_like(x)
    # A row too narrow for its words is that of a point that cannot be built.
    words = np.clip(row // pe.psum_width, 1, x)
    cycles = row / beat * np.ceil(x / words)
    to_codes, floats = requantizes(kind), kind.accumulator is not None
    return {
        "cols": x,
        "row_bits": row,
        "banks": bank,
        "queue": queue,
        "leaving": np.minimum(queue, _AHEAD + queue * (cycles - 1) // cycles),
        "psum": one * pe.psum_width,
        "weight": one * kind.weight.bits,
        "activation": one * kind.activation.bits,
        "words": words,
        "groups": np.ceil(x / words),
        "latency": latency,
        "beats": row / beat,
        "lanes": lf + li,
        "filter_beats": np.maximum(1, row // (lf * kind.weight.bits)),
        "ifmap_beats": np.maximum(1, row // (li * kind.activation.bits)),
        "tag": _bits(y) + _bits(x * y),
        "address": _bits(bank * (8192 * BANK_KIB // row)),
        "chain": _bits(y + 1),
        "requantizing": one * to_codes,
        "integer": words * (to_codes and not floats),
        "float": words * (to_codes and floats),
    }


_LOGIC: dict[str, dict[str, Term]] = {
    "registers": {
        "address": lambda c: c["address"],
        "tag": lambda c: c["tag"],
        "chains of a column": lambda c: c["cols"] * c["chain"],
        "layer": _one,
    },
    "sequencer": {"layer": _one},
    "banks": {
        "bit of a bank": lambda c: c["banks"] * c["row_bits"],
        "bank": lambda c: c["banks"] * c["address"],
        "bit kept for a cycle": lambda c: (c["latency"] - 1) * c["row_bits"],
        "row bit": lambda c: c["row_bits"],
    },
    "tiles": {
        "bit of a landing row": lambda c: (c["latency"] + 2) * c["row_bits"],
        "address": lambda c: c["address"],
        "reader and writer": _one,
    },
    "filters": {
        "bit of a landing row": lambda c: (c["latency"] + 2) * c["row_bits"],
        "row bit": lambda c: c["row_bits"],
        "bit kept for a cycle": lambda c: (c["latency"] - 1) * c["row_bits"],
        "queue": _one,
    },
    "psums": {
        "bit of a column's queues": lambda c: c["cols"] * (c["queue"] + c["leaving"]) * c["psum"],
        "word of a column's queues": lambda c: c["cols"] * (c["queue"] + c["leaving"]),
        "psum bit of a column": lambda c: c["cols"] * c["psum"],
        "column": lambda c: c["cols"],
        "bit of a landing row": lambda c: (c["latency"] + 2) * c["row_bits"],
        "address": lambda c: c["address"],
        "reader and writer": _one,
    },
    "feeders": {
        "tag of a lane": lambda c: c["lanes"] * c["tag"],
        "lane": lambda c: c["lanes"],
        "row bit": lambda c: c["row_bits"],
        "feeder": _one,
    },
    "streams": {
        "row bit": lambda c: c["row_bits"],
        "beat of a row": lambda c: c["beats"],
        "stream": _one,
    },
    "requantizer": {
        "bit of a psum": lambda c: c["integer"] * c["psum"],
        "psum": lambda c: c["integer"],
        "bit of an activation": lambda c: c["integer"] * c["activation"],
        "floating-point psum": lambda c: c["float"],
        "row bit": lambda c: c["requantizing"] * c["row_bits"],
        "requantizer": lambda c: c["requantizing"],
    },
    "joints": {"row bit": lambda c: c["row_bits"], "shell": _one},
}
SHELL_PARTS = tuple(_LOGIC)
"""Parts of a shell, each with an area and a leakage of its own."""


def _word(network: str, bits: str) -> dict[str, dict[str, Term]]:
    """Return the terms of a word of a network, which one of several beats of a row holds."""
    beats = f"{network}_beats"
    return {
        f"{network}_word_pj": {
            "bit": lambda c: c[bits],
            "bit that is chosen": lambda c: c[bits] * (c[beats] > 1),
            "choice": lambda c: 1.0 * (c[beats] > 1),
            "word": _one,
        }
    }


SHELL_TERMS: dict[str, dict[str, Term]] = {
    **{f"area_{part}_um2": terms for part, terms in _LOGIC.items()},
    **{f"leakage_{part}_uw": terms for part, terms in _LOGIC.items()},
    "idle_pj": {
        "word of a column's queues": _LOGIC["psums"]["word of a column's queues"],
        "column": lambda c: c["cols"],
        "psum": lambda c: c["integer"] + c["float"],
        "tag of a lane": _LOGIC["feeders"]["tag of a lane"],
        "address": lambda c: c["address"],
        "bit kept for a cycle": _LOGIC["banks"]["bit kept for a cycle"],
        "row bit": lambda c: c["row_bits"],
        "shell": _one,
    },
    "filter_row_pj": {
        "row bit": lambda c: c["row_bits"],
        "row bit of several beats": lambda c: c["row_bits"] * (c["beats"] > 1),
        "beat of a row": lambda c: c["beats"],
        "row": _one,
    },
    "ifmap_row_pj": {
        "row bit": lambda c: c["row_bits"],
        "row bit of several beats": lambda c: c["row_bits"] * (c["beats"] > 1),
        "bit of a bank": _LOGIC["banks"]["bit of a bank"],
        "row": _one,
    },
    "ifmap_read_row_pj": {
        "row bit": lambda c: c["row_bits"],
        "bit of a landing row": _LOGIC["tiles"]["bit of a landing row"],
        "level of a choice": lambda c: c["row_bits"] * _bits(c["banks"]),
        "row": _one,
    },
    **_word("filter", "weight"),
    **_word("ifmap", "activation"),
    "psum_read_row_pj": {
        "psum bit": lambda c: c["words"] * c["psum"],
        "row bit": lambda c: c["row_bits"],
        "bank": lambda c: c["banks"],
        "row": _one,
    },
    "psum_enter_pj": {
        "bit": lambda c: c["psum"],
        "bit of each word": lambda c: c["psum"] * c["queue"],
        "bit for each group": lambda c: c["psum"] * c["groups"],
        "bit of a landing row": lambda c: (c["latency"] + 2) * c["row_bits"] / c["words"],
        "psum": _one,
    },
    "psum_leave_pj": {
        "bit": lambda c: c["psum"],
        "bit of each word": lambda c: c["psum"] * c["leaving"],
        "bit for each group": lambda c: c["psum"] * c["groups"],
        "requantizer that is not asked": lambda c: c["psum"] * (c["integer"] > 0),
        "floating-point requantizer that is not asked": lambda c: 1.0 * (c["float"] > 0),
        "psum": _one,
    },
    "psum_write_row_pj": {
        "psum bit of each bank": lambda c: c["words"] * c["psum"] * c["banks"],
        "row": _one,
    },
    "requantize_pj": {
        "bit": lambda c: c["psum"] * (c["integer"] > 0),
        "psum": lambda c: 1.0 * (c["integer"] > 0),
        "floating-point psum": lambda c: 1.0 * (c["float"] > 0),
    },
    "output_row_pj": {
        "row bit": lambda c: c["row_bits"],
        "row bit of activations": lambda c: c["requantizing"] * c["row_bits"],
        "beat of a row": lambda c: c["beats"],
        "row": _one,
    },
    "critical_path_ns": {
        "columns": lambda c: np.log2(c["cols"]),
        "words of a queue": lambda c: np.log2(c["queue"]),
        "psum bits": lambda c: np.log2(c["psum"]),
        "banks": lambda c: np.log2(c["banks"]),
        "shell": _one,
    },
}
"""Terms by figure; names of figures are columns of `characterize.shell_schema`."""
