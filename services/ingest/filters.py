"""The filters that this worker's session holds at the broker, kept in the outbox's file: stale ones are dropped."""

import sqlite3
from collections.abc import Sequence
from functools import partial

from services.ingest.outbox import Outbox


class OutboxFilters:
    """What a Subscriber asks for, on the outbox's own thread and in its transactions."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def load(self) -> Sequence[str]:
        return await self._outbox.read(_load)

    async def save(self, filters: Sequence[str]) -> None:
        await self._outbox.change(partial(_save, filters=filters))


def _load(connection: sqlite3.Connection) -> list[str]:
    return [pattern for (pattern,) in connection.execute("SELECT pattern FROM filters ORDER BY pattern")]


def _save(connection: sqlite3.Connection, filters: Sequence[str]) -> None:
    connection.execute("DELETE FROM filters")
    connection.executemany("INSERT INTO filters VALUES (?)", [(pattern,) for pattern in dict.fromkeys(filters)])
