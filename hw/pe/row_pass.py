"""One pass of a PE: a 1-D row convolution over a set of filters, channels and taps.

The order of words on every stream is fixed here and nowhere else:

- filter words: tap by tap, within a tap the p filters; a tap is one of the q*S pairs of filter
  column and channel, columns outermost;
- ifmap words: column by column, within a column the q channels;
- psums in and out: position by position, within a position the p filters.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config import PEConfig
from ..errors import ConfigError

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

    @property
    def window(self) -> int:
        """Ifmap words of one position, q*S; also the number of products per psum."""
        return self.channels * self.taps

    @property
    def step(self) -> int:
        """New ifmap words from one position to the next, q*U."""
        return self.channels * self.stride

    @property
    def filter_words(self) -> int:
        """Filter words of the pass, p*q*S."""
        return self.filters * self.window

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
        return load + self.positions * self.window * interval + drain

    def check(self, config: PEConfig) -> None:
        """Raise `ConfigError` with the rule and its numbers where the pass does not fit the PE."""
        for name in ("filters", "channels", "taps", "stride", "positions"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        rules = (
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
        return {
            "filters": self.filters - 1,
            "slots": config.psum_interval(self.filters) - 1,
            "window": self.window - 1,
            "step": self.step,
            "positions": self.positions - 1,
            "load_filters": int(self.load_filters),
            "accumulate": int(self.accumulate),
        }
