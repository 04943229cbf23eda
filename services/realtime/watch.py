"""Whether what resumes and snapshots need is there: asked every few seconds, told to readiness as degraded."""

import asyncio
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.health import Health
from shared.timeseries.store import TimeSeriesStore, Unavailable

_EVERY_S: Final = 5.0
_WITHIN_S: Final = 10.0


async def watch_dependencies(store: TimeSeriesStore, engine: AsyncEngine, health: Health) -> None:
    """For ever. Live goes on without either, so neither is needed for readiness."""
    while True:
        await _ask_store(store, health)
        await _ask_database(engine, health)
        await asyncio.sleep(_EVERY_S)


async def _ask_store(store: TimeSeriesStore, health: Health) -> None:
    try:
        async with asyncio.timeout(_WITHIN_S):
            await store.ping()
    except (Unavailable, TimeoutError) as error:
        health.report("store", "down", str(error) or "no answer", needed=False)
    else:
        health.report("store", "ok", needed=False)


async def _ask_database(engine: AsyncEngine, health: Health) -> None:
    try:
        async with asyncio.timeout(_WITHIN_S), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        health.report("database", "down", str(error) or "no answer", needed=False)
    else:
        health.report("database", "ok", needed=False)
