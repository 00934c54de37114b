"""The mix of a FLightNN layer: which share of its filters has 0, 1 and 2 terms for each weight.

A mix is learned with the network and is an input here: columns `k0`, `k1`, `k2` of a layer table,
or one for all layers that have none of their own (`--flightnn-mix`).  Without either all filters
have the most terms their PE type runs, which is the most a mix can cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import WorkloadError

__all__ = ["SHARES", "TermMix"]

SHARES = ("k0", "k1", "k2")
"""Names of the shares in layer tables."""


@dataclass(frozen=True, slots=True)
class TermMix:
    """Shares of the filters with 0, 1 and 2 terms; they sum up to 1."""

    k0: float
    k1: float
    k2: float

    def __post_init__(self) -> None:
        for name in SHARES:
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value <= 1:
                raise WorkloadError(f"{name} must be a share from 0 to 1, not {value!r}")
        if not math.isclose(total := sum(self.shares), 1, abs_tol=1e-6):
            raise WorkloadError(f"k0, k1 and k2 must sum up to 1, not to {total:g}")

    def __str__(self) -> str:
        return ",".join(f"{share:g}" for share in self.shares)

    @classmethod
    def parse(cls, text: str) -> TermMix:
        """Return the mix written as `k0,k1,k2`, for example `0.1,0.6,0.3`."""
        try:
            k0, k1, k2 = map(float, text.split(","))
        except ValueError:
            raise WorkloadError(
                f"a mix must be three shares k0,k1,k2 such as 0.1,0.6,0.3, not {text!r}"
            ) from None
        return cls(k0, k1, k2)

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares by the number of terms."""
        return (self.k0, self.k1, self.k2)

    def split(self, filters: int) -> tuple[int, ...]:
        """Return how many of `filters` have 0, 1 and 2 terms: by the largest remainders."""
        exact = [share * filters for share in self.shares]
        counts = [math.floor(value) for value in exact]
        # of equal remainders the one with more terms: never cheaper than the mix
        order = sorted(range(len(exact)), key=lambda k: (counts[k] - exact[k], -k))
        for k in order[: filters - sum(counts)]:
            counts[k] += 1
        return tuple(counts)
