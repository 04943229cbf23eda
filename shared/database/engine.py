"""The async engine: SQLite by aiosqlite or PostgreSQL by asyncpg, with what each needs to be safe and quick."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_JSON: Final[dict[str, Any]] = {
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": orjson.loads,
}
# a server that doesn't answer must not hold up a start for a minute
_QUICK: Final[dict[str, Any]] = {"timeout": 5}


def open_engine(url: str, timeout_s: float | None = None) -> AsyncEngine:
    """`sqlite+aiosqlite:///path` or `postgresql+asyncpg://…` (as shared.settings rewrites them). Does no I/O yet.

    `timeout_s`: what one statement on PostgreSQL may take. It is kept on this side, so that a server which fell silent
    is noticed, too; asyncpg then tells the server to give it up.
    """
    if url.startswith("sqlite"):
        engine = create_async_engine(url, pool_size=4, max_overflow=4, **_JSON)
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        return engine
    bounds = {"connect_args": {**_QUICK, "command_timeout": timeout_s}}
    return create_async_engine(
        url, pool_size=10, max_overflow=10, pool_pre_ping=True, pool_timeout=5, **_JSON, **bounds
    )


@asynccontextmanager
async def unhurried(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """An engine of the same database whose statements take as long as they take: a migration may."""
    if engine.dialect.name == "sqlite":
        yield engine
        return
    patient = open_engine(engine.url.render_as_string(hide_password=False))
    try:
        yield patient
    finally:
        await patient.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.run_async(_configure)


async def _configure(connection: Any) -> None:
    """The switch to a write-ahead log doesn't wait for another process that writes at the same moment: so we do."""
    await connection.execute("PRAGMA busy_timeout=5000")
    deadline = time.monotonic() + 5
    while True:
        try:
            await connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.01)
    await connection.execute("PRAGMA synchronous=NORMAL")
    await connection.execute("PRAGMA foreign_keys=ON")
