"""What a store holds and who is measuring now: `python -m characterize --status`."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tabulate import tabulate

from .claims import claims_on
from .store import Store

__all__ = ["as_text", "status"]


def status(store: Store) -> dict[str, Any]:
    """Return rows by library, PE type and status, damaged rows, and the campaigns at work."""
    damaged = store.damaged()
    rows = store.table(damaged=damaged)
    counts = Counter(zip(rows["library"], rows["pe_type"], rows["status"], strict=True))
    at_work = Counter((owner.host, owner.pid, owner.started) for owner in claims_on(store).values())
    return {
        "datapoints": [[*group, count] for group, count in sorted(counts.items())],
        "damaged": list(damaged.values()),
        "campaigns": [
            {"host": host, "pid": pid, "points": n, "minutes": round((time.time() - began) / 60, 1)}
            for (host, pid, began), n in at_work.items()
        ],
    }


def as_text(found: dict[str, Any]) -> str:
    """Return the status as a person reads it."""
    lines = [tabulate(found["datapoints"], ["library", "PE type", "status", "datapoints"])]
    lines += [
        f"measuring: process {c['pid']} on {c['host']}, {c['points']} points now, "
        f"for {c['minutes']} minutes"
        for c in found["campaigns"]
    ]
    lines += [f"damaged: {wrong} (--verify takes it out)" for wrong in found["damaged"]]
    return "\n".join(lines)
