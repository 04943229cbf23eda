"""The relational database as this process finds it: its tables brought up to date, then asked now and then.

It may be away when the process starts, and go away later: the process waits for it, and says so.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg  # type: ignore[import-untyped] # ships no types; only its exceptions are named
from alembic.util import CommandError
from quart import request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.errors import Away
from services.api.resources import resources
from shared.broker import Backoff
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.health import Health

Welcome = Callable[[AsyncEngine], Awaitable[None]]

_NAME: Final = "database"
_LOOK_EVERY_S: Final = 5.0
# a broker that asks is denied in its own words
_WITHOUT_TABLES: Final = frozenset({"probes", "pages", "brokerauth"})
# what goes wrong while connecting comes as the driver raised it; OSError has TimeoutError among its children
DATABASE_AWAY: Final = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


async def refuse_without_tables() -> None:
    """Before each request: while the tables are not those of this version, nothing is asked of them."""
    asks = request.blueprint not in _WITHOUT_TABLES and request.url_rule is not None
    if asks and not resources().tables_ready():
        raise Away("The database can't be reached just now", "database_unavailable")


class Database:
    """A part of the process. `ready`: the tables are what this version expects. `welcome` is the first to use them."""

    def __init__(self, url: str, engine: AsyncEngine, health: Health, welcome: Welcome | None = None) -> None:
        self._url = url
        self._engine = engine
        self._health = health
        self._welcome = welcome
        self._migrated = False
        health.report(_NAME, "down", "not asked yet")

    def ready(self) -> bool:
        return self._migrated

    async def run(self) -> None:
        """Migrate as soon as it can be reached; then look after it, until cancelled."""
        backoff = Backoff(0.5, 10.0)
        while True:
            if self._migrated or await self._migrate():
                await self._look()
            await asyncio.sleep(_LOOK_EVERY_S if self._migrated else backoff.next_s())

    async def _migrate(self) -> bool:
        # an engine of its own: a migration may take longer than any question of a request
        engine = open_engine(self._url)
        try:
            await upgrade(engine)
            async with engine.begin() as connection:
                await ensure_local_admin(connection, time.time_ns())
            if self._welcome is not None:
                await self._welcome(engine)
        except (*DATABASE_AWAY, CommandError) as error:
            self._down(error)
            return False
        finally:
            await engine.dispose()
        self._migrated = True
        return True

    async def _look(self) -> None:
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except PoolTimeout:  # it answers, but others ask it for longer than one should
            self._health.report(_NAME, "degraded", "all connections are busy")
        except DATABASE_AWAY as error:
            self._down(error)
        else:
            self._health.report(_NAME, "ok")

    def _down(self, error: Exception) -> None:
        self._health.report(_NAME, "down", f"{type(error).__name__}: {error}"[:300])
