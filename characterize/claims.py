"""Claims: which campaign measures which point, so that several share one store and its work.

A claim is a row of the store beside the datapoints: key, owner and the owner's process.  It ends
with the datapoint, in the same transaction, or when its owner is gone: a process of this machine
that runs no more, or one elsewhere that has given no sign of life for `EXPIRY_S`.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil

from .errors import StoreError
from .store import Store

__all__ = ["EXPIRY_S", "Claims", "Owner", "claims_on", "open_claims"]

EXPIRY_S = 120.0
"""Silence after which an owner on another machine counts as gone [s]."""
_BEAT_S = 20.0
_SAME_START_S = 2.0
"""A process number is used again; the same process has started at the same time [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that a claim belongs to."""

    host: str
    pid: int
    started: float
    """When it started [s since 1970]."""
    beat: float
    """Its last sign of life [s since 1970]."""

    @property
    def alive(self) -> bool:
        """Whether it still works on its claims."""
        if self.host != platform.node():
            return time.time() - self.beat < EXPIRY_S
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > _SAME_START_S:
                return False
            return str(process.status()) != str(psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of one campaign."""

    store: Store
    name: str
    started: float

    def claim(self, key: str) -> bool:
        """Claim a point; False while somebody else who is alive has it."""
        with self.store.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            held = connection.execute("SELECT * FROM claims WHERE key = ?", [key]).fetchone()
            if held is not None and held["owner"] != self.name and _owner(held).alive:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)",
                [key, self.name, platform.node(), os.getpid(), self.started, time.time()],
            )
        return True

    def release(self, keys: Iterable[str] | None = None) -> None:
        """Give up these claims, or all."""
        with self.store.connect() as connection:
            if keys is None:
                connection.execute("DELETE FROM claims WHERE owner = ?", [self.name])
            else:
                connection.executemany(
                    "DELETE FROM claims WHERE key = ? AND owner = ?", [[k, self.name] for k in keys]
                )

    def beat(self) -> None:
        """Give a sign of life."""
        with self.store.connect() as connection:
            connection.execute(
                "UPDATE claims SET beat = ? WHERE owner = ?", [time.time(), self.name]
            )


@contextmanager
def open_claims(store: Store) -> Iterator[Claims]:
    """Open the claims of a new campaign: kept alive inside of the context, given up after it."""
    claims = Claims(store=store, name=uuid.uuid4().hex, started=psutil.Process().create_time())
    ended = threading.Event()

    def keep_alive() -> None:
        while not ended.wait(_BEAT_S):
            with suppress(StoreError):  # one missed sign of life is none too many
                claims.beat()

    thread = threading.Thread(target=keep_alive, daemon=True, name="claims")
    thread.start()
    try:
        yield claims
    finally:
        ended.set()
        thread.join()
        with suppress(StoreError):  # on a full disk they end with this process
            claims.release()


def claims_on(store: Store) -> dict[str, Owner]:
    """Return who is measuring which point now, by key; claims of the dead are left out."""
    with store.connect() as connection:
        made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'claims'").fetchone()
        rows = connection.execute("SELECT * FROM claims").fetchall() if made else []
    return {row["key"]: owner for row in rows if (owner := _owner(row)).alive}


def _owner(row: Any) -> Owner:
    return Owner(**{name: row[name] for name in ("host", "pid", "started", "beat")})
