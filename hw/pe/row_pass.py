"""One pass of a PE: a 1-D row convolution over a set of filters, channels and taps.

The order of words on every stream is fixed here and nowhere else:

- filter words: tap by tap, within a tap term by term, within a term the p filters; a tap is one of
  the q*S pairs of filter column and channel, columns outermost;
- ifmap words: column by column, within a column the q channels;
- psums in and out: position by position, within a position the p filters.

A PE type with shared scales (Microscaling) gets them in line: the q channels of a column are (part
of) a block, and the words of its scale follow as if they were further channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config import PEConfig
from ..errors import ConfigError
from .registry import PE_TYPES

__all__ = ["RowPass"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPass:
    """What the PE is told at the start of a pass."""

    filters: int
    """Filters p."""
    channels: int
    """Channels q."""
    taps: int
    """Filter columns S."""
    stride: int = 1
    """Columns from one position to the next, U; at most S (unused columns are not sent)."""
    positions: int
    """Output positions F."""
    load_filters: bool = True
    """Whether new filter words come first; otherwise those of the pass before stay."""
    accumulate: bool = False
    """Whether psums come in; otherwise psums begin at zero."""
    terms: int = 1
    """Words, and cycles, that a weight takes (k of FLightNN)."""
    scale_words: int = 0
    """Words of scale after the channels of a column."""

    @property
    def column(self) -> int:
        """Ifmap words of one column: the q channels and their scale."""
        return self.channels + self.scale_words

    @property
    def window(self) -> int:
        """Ifmap words of one position; q*S, which is also the number of products per psum."""
        return self.column * self.taps

    @property
    def step(self) -> int:
        """New ifmap words from one position to the next, q*U."""
        return self.column * self.stride

    @property
    def filter_words(self) -> int:
        """Filter words of the pass, p*q*S with one term."""
        return self.filters * self.window * self.terms

    @property
    def ifmap_words(self) -> int:
        """Ifmap words of the pass."""
        return self.window + (self.positions - 1) * self.step

    def cycles(self, config: PEConfig) -> int:
        """Return the busy cycles of the pass where no stream ever stalls it.

        Filter words one per cycle, then one slot per cycle, then the pipeline empties.  Holds
        where the first window arrives while filters are loaded, and later words in time.
        """
        load = self.filter_words if self.load_filters else 0
        interval = config.psum_interval(self.filters)
        # Unused slots at the end of the last tap already let the pipeline empty.
        drain = max(1, config.pipeline_stages - (interval - self.filters))
        return load + self.positions * self.window * self.terms * interval + drain

    def check(self, config: PEConfig) -> None:
        """Raise `ConfigError` with the rule and its numbers where the pass does not fit the PE."""
        for name in ("filters", "channels", "taps", "stride", "positions", "terms"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        kind = PE_TYPES[config.pe_type]
        scaling = kind.scaling
        scale_words = scaling.words if scaling else 0
        if self.scale_words != scale_words:
            raise ConfigError(
                f"scale_words of {kind.name} must be {scale_words}, not {self.scale_words}"
            )
        rules = (
            (self.terms, kind.terms, "terms of a weight", kind.name),
            (self.channels, scaling.block if scaling else self.channels, "channels q", "the block"),
            (self.window, config.ifmap_spad, "q*S words of the window", "ifmap_spad"),
            (self.filter_words, config.filter_spad, "p*q*S filter words", "filter_spad"),
            (self.filters, config.psum_spad, "p psums", "psum_spad"),
            (self.stride, self.taps, "stride U", "the filter's columns S"),
            (self.positions, 1 << 16, "positions F", "the position counter"),
        )
        for need, have, what, where in rules:
            if need > have:
                raise ConfigError(f"{what} = {need} must be at most {where} = {have}")

    def fields(self, config: PEConfig) -> dict[str, int]:
        """Return the fields of the configuration word of this pass (see `control.PassLayout`)."""
        self.check(config)
        kind = PE_TYPES[config.pe_type]
        return {
            **({"terms": self.terms - 1} if kind.terms > 1 else {}),
            **({"column": self.column - 1} if kind.scaling else {}),
            "filters": self.filters - 1,
            "slots": config.psum_interval(self.filters) - 2,  # the last slot but one ends it
            "window": self.window - 1,
            "step": self.step,
            "positions": self.positions - 1,
            "filter_words": self.filter_words - 1,
            "load_filters": int(self.load_filters),
            "accumulate": int(self.accumulate),
        }
