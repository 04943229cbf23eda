"""Keyring: keeps the broker's copy of devices' credentials and users' keys like the tables that the api writes."""

import asyncio
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.credentials import closed_devices, known_credentials, live_keys, mark_used
from telemetrio.embedded import EmbeddedBroker

log = structlog.get_logger()

_EVERY_S: Final = 30.0
_PAUSE_S: Final = 0.1  # a file of a thousand devices announces itself once; many single changes do so each


class Keyring:
    """One task. `refresh()` when somebody changed the table; every 30 s it is read in any case."""

    def __init__(self, engine: AsyncEngine, broker: EmbeddedBroker) -> None:
        self._engine = engine
        self._broker = broker
        self._changed = asyncio.Event()

    def refresh(self) -> None:
        self._changed.set()

    async def load(self) -> None:
        """Read the table, and write down what was used since; raises what the database raises."""
        credentials = self._broker.credentials
        used_ns, credentials.used_ns = credentials.used_ns, {}
        try:
            async with self._engine.begin() as connection:
                await mark_used(connection, used_ns)
                credentials.learn(await known_credentials(connection), await closed_devices(connection))
                if self._broker.hearing is not None:
                    self._broker.hearing.learn(await live_keys(connection))
        except (SQLAlchemyError, OSError):
            credentials.used_ns = used_ns | credentials.used_ns  # to be written down the next time
            raise
        self._broker.cut_the_revoked()

    async def run(self) -> None:
        """Until cancelled. While the database is away the copy of before holds."""
        while True:
            try:
                async with asyncio.timeout(_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                pass  # nobody said a word; a notice may have been lost
            self._changed.clear()
            try:
                await self.load()
            except (SQLAlchemyError, OSError) as error:
                log.warning("credentials_unread", reason=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(_PAUSE_S)
