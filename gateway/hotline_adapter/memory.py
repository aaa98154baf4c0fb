"""What the adapter must not forget when it is restarted: which order is which incident, and what it
has seen. A small file of its own; nothing of it goes missing that the hotline or the gateway would
not send again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_KEPT_S = 30 * 24 * 3600
_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    order_no TEXT PRIMARY KEY,
    incident_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_of_incident ON orders (incident_id);
CREATE TABLE IF NOT EXISTS seen (
    message_id TEXT PRIMARY KEY,
    at_s INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS seen_at ON seen (at_s);
"""

Answer = TypeVar("Answer")


class Memory:
    """The file, used from threads, by one at a time."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, sqlite3.Error where the file cannot be used."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Nothing more is asked."""
        with self._lock:
            self._connection.close()

    async def has_seen(self, message_id: str) -> bool:
        """Whether this message was dealt with."""
        found = await self._do(
            lambda rows: rows.execute(
                "SELECT 1 FROM seen WHERE message_id = ?", (message_id,)
            ).fetchone()
        )
        return found is not None

    async def note_seen(self, message_id: str, at_s: int) -> None:
        """It was dealt with. What is old is forgotten: it would be refused by its age."""

        def write(rows: sqlite3.Connection) -> None:
            rows.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (message_id, at_s))
            rows.execute("DELETE FROM seen WHERE at_s < ?", (at_s - _KEPT_S,))

        await self._do(write)

    async def incident_of(self, order_no: str) -> str | None:
        """The incident that was opened from an order, or that it was merged into."""
        found = await self._do(
            lambda rows: rows.execute(
                "SELECT incident_id FROM orders WHERE order_no = ?", (order_no,)
            ).fetchone()
        )
        return None if found is None else str(found[0])

    async def orders_of(self, incident_id: str) -> list[str]:
        """The orders from which it was opened, or that were merged into it."""
        found = await self._do(
            lambda rows: rows.execute(
                "SELECT order_no FROM orders WHERE incident_id = ? ORDER BY order_no",
                (incident_id,),
            ).fetchall()
        )
        return [str(one) for (one,) in found]

    async def note_order(self, order_no: str, incident_id: str) -> None:
        """An order is this incident."""
        await self._do(
            lambda rows: rows.execute(
                "INSERT INTO orders VALUES (?, ?) ON CONFLICT (order_no) DO NOTHING",
                (order_no, incident_id),
            )
        )

    async def note_merged(self, incident_id: str, into_id: str) -> None:
        """What becomes of the other one is told of these orders from now on."""
        await self._do(
            lambda rows: rows.execute(
                "UPDATE orders SET incident_id = ? WHERE incident_id = ?", (into_id, incident_id)
            )
        )

    async def _do(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        def locked() -> Answer:
            with self._lock:
                return work(self._connection)

        return await asyncio.to_thread(locked)
