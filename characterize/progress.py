"""How far a campaign is, on stderr: time left, and what was done, cached, failed, and how fast."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

__all__ = ["Progress", "show_progress"]

_ON_SCREEN_S, _IN_A_LOG_S = 0.5, 30.0


class Progress:
    """Counts the points of a campaign and shows the counts."""

    def __init__(self, bar: tqdm[NoReturn], cached: int) -> None:
        self._bar = bar
        self.cached = cached
        self.done = 0
        self.failed = 0
        self.elsewhere = 0
        self._show()

    def measured(self, *, ok: bool) -> None:
        """Count a point that this campaign measured."""
        self.done += ok
        self.failed += not ok
        self._bar.update()
        self._show()

    def found(self) -> None:
        """Count a point that another campaign measured meanwhile."""
        self.elsewhere += 1
        self._bar.update()
        self._show()

    def waits(self, points: int) -> None:
        """Say that only points are left that another campaign is measuring."""
        self._bar.set_postfix_str(f"waiting for another campaign, {points} points")

    def __str__(self) -> str:
        counts = {
            "done": self.done,
            "cached": self.cached,
            "by another campaign": self.elsewhere,
            "failed": self.failed,
        }
        return ", ".join(f"{n} {what}" for what, n in counts.items() if n or what == "done")

    def _show(self) -> None:
        self._bar.set_postfix_str(str(self), refresh=False)


@contextmanager
def show_progress(total: int, cached: int) -> Iterator[Progress]:
    """Show a bar on stderr; where that is no screen, a line every half minute."""
    with tqdm(
        total=total,
        initial=cached,
        unit="point",
        file=sys.stderr,
        dynamic_ncols=True,
        smoothing=0.05,  # points differ in size: the mean of many says more than the last
        mininterval=_ON_SCREEN_S if sys.stderr.isatty() else _IN_A_LOG_S,
    ) as bar:
        yield Progress(bar, cached)
