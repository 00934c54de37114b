"""One pass of the row-stationary array: where its PEs stand, and the order of all words.

A pass computes e rows (a strip) of F output positions for t*p filters over r*q channels.  PE
(j, o, k) works on filter set j, output row o of the strip and chain row k = i*R + row, row `row` of
the filter in channel set i.  The chains (j, o) stand on the array as follows:

- a strip as wide as the array or narrower: floor(cols / e) filter sets beside each other, further
  ones above;
- a wider strip is folded into ceil(e / cols) pieces of equal width (the last may be narrower) that
  stand above each other, with further filter sets above them.

The order of words on every stream is fixed here and nowhere else:

- filter beats: lane after lane the target g = j*R*r + k, `filter_lanes` targets in parallel; all
  words of a PE's `RowPass` before the next targets;
- ifmap beats: word after word of the `RowPass`, each for all input rows, `ifmap_lanes` in parallel:
  row after row of the strip, within a row channel set after channel set;
- psums of a column, in and out: position by position, within a position chain by chain from row 0
  up, within a chain the p filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import ConfigError
from ..pe.golden import run_pass
from ..pe.row_pass import RowPass
from .row_stationary_config import RowStationaryConfig
from .row_stationary_link import add_psums

__all__ = ["ArrayPass"]

Words = Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayPass:
    """What the array does between one configuration word and the next."""

    row: RowPass
    """The pass of each PE; its `accumulate` says whether psums enter the columns."""
    filter_rows: int
    """Filter rows R."""
    row_step: int = 1
    """Input rows from one output row to the next, min(U, R); unused rows are not sent."""
    strip: int = 1
    """Output rows e."""
    channel_sets: int = 1
    """PE sets r that work on different channels; their psums are added."""
    filter_sets: int = 1
    """PE sets t that work on different filters."""

    @property
    def height(self) -> int:
        """PEs of a chain, R*r."""
        return self.filter_rows * self.channel_sets

    @property
    def strip_rows(self) -> int:
        """Input rows of the strip."""
        return (self.strip - 1) * self.row_step + self.filter_rows

    @property
    def active_pes(self) -> int:
        """PEs that work."""
        return self.height * self.strip * self.filter_sets

    def pieces(self, config: RowStationaryConfig) -> int:
        """Return the pieces a strip is folded into."""
        return -(-self.strip // config.cols)

    def piece_width(self, config: RowStationaryConfig) -> int:
        """Return the columns of a piece, the last of which may be narrower."""
        return -(-self.strip // self.pieces(config))

    def sets_beside(self, config: RowStationaryConfig) -> int:
        """Return the filter sets that may stand beside each other."""
        return max(1, config.cols // self.strip)

    def chains(self, config: RowStationaryConfig) -> int:
        """Return the chains above each other in column 0, which has the most."""
        return -(-self.filter_sets // self.sets_beside(config)) * self.pieces(config)

    def place(self, config: RowStationaryConfig, j: int, o: int) -> tuple[int, int]:
        """Return the column of chain (j, o), and which of the column's chains it is."""
        above, beside = divmod(j, self.sets_beside(config))
        piece, x = divmod(o, self.piece_width(config))
        # Nothing stands beside a folded set.
        return beside * self.strip + x, above * self.pieces(config) + piece

    def column_chains(self, config: RowStationaryConfig) -> list[list[tuple[int, int]]]:
        """Return for each column its chains (j, o) from row 0 up."""
        columns: list[list[tuple[int, int]]] = [[] for _ in range(config.cols)]
        for j in range(self.filter_sets):
            for o in range(self.strip):
                columns[self.place(config, j, o)[0]].append((j, o))
        return columns

    def check(self, config: RowStationaryConfig) -> None:
        """Raise `ConfigError` with the rule and its numbers where the pass does not fit."""
        for name in ("filter_rows", "row_step", "strip", "channel_sets", "filter_sets"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.row_step > self.filter_rows:
            raise ConfigError(
                f"row_step must be at most the {self.filter_rows} filter rows, not {self.row_step}"
            )
        self.row.check(config.pe)
        rows = self.chains(config) * self.height
        if rows > config.rows:
            raise ConfigError(
                f"{self.chains(config)} chains of R*r = {self.height} PEs above each other = "
                f"{rows} must be at most rows = {config.rows}"
            )

    # Words moved; each beat moves up to one word in each lane.

    @property
    def filter_targets(self) -> int:
        """Sets of filter words, each sent once to all PEs that hold it."""
        return self.filter_sets * self.height

    @property
    def filter_words(self) -> int:
        """Filter words that enter the array."""
        return self.filter_targets * self.row.filter_words if self.row.load_filters else 0

    @property
    def ifmap_words(self) -> int:
        """Ifmap words that enter the array."""
        return self.channel_sets * self.strip_rows * self.row.ifmap_words

    @property
    def psum_words(self) -> int:
        """Psums that leave the array, and enter it where the pass accumulates."""
        return self.filter_sets * self.strip * self.row.positions * self.row.filters

    def filter_beats(self, config: RowStationaryConfig, filters: Sequence[Words]) -> list[int]:
        """Return the beats that load filters; `filters[j*R*r + k]` are the words of a target."""
        targets = [divmod(g, self.height) for g in range(self.filter_targets)]
        beats = []
        for group in _groups(range(len(targets)), config.filter_lanes):
            for word in range(self.row.filter_words):
                beats.append([(targets[g][1], targets[g][0], filters[g][word]) for g in group])
        return _pack(config, "filter", beats)

    def ifmap_beats(self, config: RowStationaryConfig, ifmap: Sequence[Words]) -> list[int]:
        """Return the ifmap beats; `ifmap[h*r + i]` are the words of row h in channel set i."""
        tags = [divmod(index, self.channel_sets) for index in range(len(ifmap))]
        beats = []
        for word in range(self.row.ifmap_words):
            for group in _groups(range(len(tags)), config.ifmap_lanes):
                beats.append([(tags[n][1], tags[n][0], ifmap[n][word]) for n in group])
        return _pack(config, "ifmap", beats)

    def column_words(
        self, config: RowStationaryConfig, psums: Mapping[tuple[int, int], Words]
    ) -> list[list[int]]:
        """Return for each column its psums in order; `psums[j, o]` are those of a chain."""
        p = self.row.filters
        return [
            [
                psum
                for f in range(self.row.positions)
                for chain in chains
                for psum in psums[chain][f * p : (f + 1) * p]
            ]
            for chains in self.column_chains(config)
        ]

    def setup(self, config: RowStationaryConfig) -> list[int]:
        """Return the words of the set-up chain in the order in which they are shifted in."""
        pes: dict[tuple[int, int], dict[str, int]] = {}
        rows: dict[int, dict[str, int]] = {}
        for x, chains in enumerate(self.column_chains(config)):
            for c, (j, o) in enumerate(chains):
                for k in range(self.height):
                    i, filter_row = divmod(k, self.filter_rows)
                    target, h = j * self.height + k, o * self.row_step + filter_row
                    rows[c * self.height + k] = {"filter": k, "ifmap": i}
                    pes[c * self.height + k, x] = {
                        "active": 1,
                        "bottom": int(k == 0),
                        "top": int(k == self.height - 1),
                        "last": int(c == len(chains) - 1),
                        "chain": c,
                        "filter_lane": target % config.filter_lanes,
                        "filter_col": j,
                        "ifmap_lane": (h * self.channel_sets + i) % config.ifmap_lanes,
                        "ifmap_col": h,
                    }
        words = []
        for y in range(config.rows):
            words.append(config.row_setup.const(rows.get(y, {})).as_value().value)
            for x in range(config.cols):
                words.append(config.pe_setup.const(pes.get((y, x), {})).as_value().value)
        return words[::-1]

    def golden(
        self,
        config: RowStationaryConfig,
        filters: Sequence[Words],
        ifmap: Sequence[Words],
        psums: Mapping[tuple[int, int], Words] | None = None,
    ) -> dict[tuple[int, int], list[int]]:
        """Return the psum codes that leave each chain (j, o), position by position, filter by
        filter; arguments as in `filter_beats`, `ifmap_beats` and `column_words`."""
        self.check(config)
        pe, mask = config.pe, (1 << config.pe.psum_width) - 1
        own_pass = replace(self.row, accumulate=False)
        out = {}
        for j in range(self.filter_sets):
            for o in range(self.strip):
                incoming = psums[j, o] if self.row.accumulate and psums else ()
                totals = list(incoming) or [0] * (self.row.positions * self.row.filters)
                for k in range(self.height):
                    i, filter_row = divmod(k, self.filter_rows)
                    row = ifmap[(o * self.row_step + filter_row) * self.channel_sets + i]
                    own = run_pass(pe, own_pass, filters[j * self.height + k], row)
                    totals = [
                        add_psums(pe, below, word & mask)
                        for below, word in zip(totals, own, strict=True)
                    ]
                out[j, o] = totals
        return out


def _groups(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _pack(
    config: RowStationaryConfig, network: str, beats: list[list[tuple[int, int, int]]]
) -> list[int]:
    """Return beats of (row tag, column tag, word) as payloads; see `RowStationaryConfig.beat`."""
    layout = config.beat(network)
    word = layout["words"].shape.elem_shape
    row, col, bits = (word[name].offset for name in ("row", "col", "word"))
    payloads = []
    for number, beat in enumerate(beats):
        payload = int(number == len(beats) - 1) << layout["last"].offset
        for lane, (row_tag, col_tag, code) in enumerate(beat):
            item = 1 | row_tag << row | col_tag << col | code << bits
            payload |= item << lane * word.size
        payloads.append(payload)
    return payloads
