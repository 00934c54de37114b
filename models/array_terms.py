"""What an array's overhead is made of: for each figure the terms that add up to it.

A term is a count of something that is really there (registers beside each PE, gates of each row and
lane, wires across a row) as a function of rows, columns, lanes and the widths of words and tags;
its coefficient, which a fit finds and which is never negative, is what one of them costs.
So a term may be trusted beyond the arrays that were measured as far as the array is made alike.

Counts follow `hw.array`: a lane carries a word, its two tags and a bit that says it is there; the
set-up of a PE is its tags, lanes and place in the chain; links keep two psums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hw.config import PEConfig
from hw.pe.control import PassLayout
from hw.pe.registry import PE_TYPES

from .term_model import Counts, Floats, Term

__all__ = ["AREA_PARTS", "RANGES", "TERMS", "array_counts"]

AREA_PARTS = ("nodes", "links", "rows", "columns", "entries", "control")
"""Parts of the overhead, each with an area and a leakage of its own."""
RANGES = ("rows", "cols", "filter_lanes", "ifmap_lanes", "weight", "activation", "psum")
"""Counts whose measured range a model states."""


def _one(counts: Counts) -> Floats:
    return np.ones_like(counts["rows"])


def _bits(count: Floats) -> Floats:
    """Return the bits that number so many things, 0 for one."""
    return np.frexp(count - 1)[1].astype(np.float64)


def array_counts(
    pe: PEConfig,
    rows: ArrayLike,
    cols: ArrayLike,
    filter_lanes: ArrayLike,
    ifmap_lanes: ArrayLike,
) -> dict[str, Floats]:
    """Return what the terms are made from, arrays of one shape.

    Parameters
    ----------
    pe
        PE point of all PEs.  Its scratchpads only decide the widths of two counters.
    rows, cols, filter_lanes, ifmap_lanes
        Numbers or arrays that broadcast.
    """
    y, x, lf, li = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in (rows, cols, filter_lanes, ifmap_lanes))
    )
    kind = PE_TYPES[pe.pe_type]
    row_tag, col_tag = _bits(y), _bits(x * y)
    setup = 4 + row_tag + 2 * col_tag + _bits(lf) + _bits(li)
    filter_word, ifmap_word = 1 + col_tag + pe.weight_bits, 1 + col_tag + pe.activation_bits
    one = np.ones_like(setup)
    return {
        "rows": y,
        "cols": x,
        "nodes": y * x,
        "filter_lanes": lf,
        "ifmap_lanes": li,
        "row_tag": row_tag,
        "col_tag": col_tag,
        "setup": setup,
        "input": one * (pe.weight_bits + pe.activation_bits),
        "select": (lf - 1) * filter_word + (li - 1) * ifmap_word,
        "beat": lf * (row_tag + filter_word) + li * (row_tag + ifmap_word),
        "words": lf * pe.weight_bits + li * pe.activation_bits,
        "weight": one * pe.weight_bits,
        "activation": one * pe.activation_bits,
        "psum": one * pe.psum_width,
        "integer": one * (kind.accumulator is None),
        "float": one * (kind.accumulator is not None),
        "saturating": one * pe.saturating,
        "turn": row_tag + (pe.psum_spad - 1).bit_length(),
        "pass": one * int(PassLayout(pe).size),
    }


def _word(network: str, bits: str) -> dict[str, dict[str, Term]]:
    """Return the terms of the energies of one network's words; tags stand still."""
    lanes = f"{network}_lanes"
    return {
        f"{network}_entry_pj": {
            "bit": lambda c: c[bits],
            "bit to each row": lambda c: c[bits] * c["rows"],
            "clock of a tag bit": lambda c: c["row_tag"] + c["col_tag"],
            "word": _one,
            "beat, shared by lanes": lambda c: 1 / c[lanes],
        },
        f"{network}_row_pj": {
            "register bit": lambda c: c[bits],
            "bit to each PE": lambda c: c[bits] * c["cols"],
            "bit of the lane each PE listens to": lambda c: c[bits] * c["cols"] / c[lanes],
            "match of each PE, shared by lanes": lambda c: c["cols"] / c[lanes],
        },
        f"{network}_take_pj": {"register bit": lambda c: c[bits], "PE": _one},
    }


_LOGIC: dict[str, dict[str, Term]] = {
    "nodes": {
        "input register": lambda c: c["nodes"] * c["input"],
        "lane selector": lambda c: c["nodes"] * c["select"],
        "set-up register": lambda c: c["nodes"] * c["setup"],
        "psum selector": lambda c: c["nodes"] * c["psum"],
        "PE": lambda c: c["nodes"],
    },
    "links": {
        "adder and queue": lambda c: c["nodes"] * c["psum"] * c["integer"],
        "saturation": lambda c: c["nodes"] * c["psum"] * c["saturating"],
        "floating-point link": lambda c: c["nodes"] * c["float"],
        "PE": lambda c: c["nodes"] * c["integer"],
    },
    "rows": {
        "lane gate": lambda c: c["rows"] * c["beat"],
        "lane register": lambda c: c["rows"] * c["words"],
        "tag compare": lambda c: c["rows"] * c["row_tag"] * (c["filter_lanes"] + c["ifmap_lanes"]),
        "set-up register": lambda c: c["rows"] * c["setup"],
        "wires to PEs": lambda c: c["nodes"] * c["beat"],
        "set-up wires": lambda c: c["nodes"],
    },
    "columns": {
        "turn": lambda c: c["cols"] * c["turn"],
        "psum output": lambda c: c["nodes"] * c["psum"],
        "column": lambda c: c["cols"],
        "PE": lambda c: c["nodes"],
    },
    "entries": {
        "beat": lambda c: c["beat"],
        "wires to rows": lambda c: c["rows"] * c["beat"],
        "entry": _one,
    },
    "control": {
        "PE": lambda c: c["nodes"],
        "pass": lambda c: c["pass"],
        "array": _one,
    },
}

TERMS: dict[str, dict[str, Term]] = {
    **{f"area_{part}_um2": terms for part, terms in _LOGIC.items()},
    **{f"leakage_{part}_uw": terms for part, terms in _LOGIC.items()},
    "idle_pj": {
        "input register": _LOGIC["nodes"]["input register"],
        "set-up register": _LOGIC["nodes"]["set-up register"],
        "psum queue": lambda c: c["nodes"] * c["psum"],
        "floating-point link": lambda c: c["nodes"] * c["float"],
        "PE": lambda c: c["nodes"],
        "row": _LOGIC["rows"]["set-up register"],
        "lane register": _LOGIC["rows"]["lane register"],
        "column": _LOGIC["columns"]["turn"],
        "beat": lambda c: c["beat"],
        "array": _one,
    },
    "psum_hop_pj": {
        "adder and queue": lambda c: c["psum"] * c["integer"],
        "saturation": lambda c: c["psum"] * c["saturating"],
        "floating-point link": lambda c: c["float"],
        "hop": lambda c: c["integer"],
    },
    "psum_enter_pj": {
        "bit to each PE": lambda c: c["psum"] * c["rows"],
        "turn": lambda c: c["row_tag"],
        "turn to each PE": lambda c: c["rows"] * (c["rows"] > 1),
    },
    "psum_leave_pj": {
        "gate of a bit": lambda c: c["psum"],
        "bit from each PE": lambda c: c["psum"] * c["rows"],
        "turn": lambda c: 1.0 * (c["rows"] > 1),
        "turn to each PE": lambda c: c["rows"] * (c["rows"] > 1),
    },
    **_word("filter", "weight"),
    **_word("ifmap", "activation"),
    "overhead_path_ns": {
        "ready of all PEs": lambda c: c["col_tag"],
        "floating-point link": lambda c: c["float"],
        "lanes": lambda c: np.log2(np.maximum(c["filter_lanes"], c["ifmap_lanes"])),
        "array": _one,
    },
}
"""Terms by figure; names of figures are columns of `characterize.array_schema` but for the last,
which only arrays show whose own paths are longer than those of their PEs."""
