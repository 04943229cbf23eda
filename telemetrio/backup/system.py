"""The system that is backed up, or restored into: its database and its store, as the settings name them."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from socket import gaierror
from typing import Final, NamedTuple, TypeVar

import asyncpg  # type: ignore[import-untyped] # ships no types; only its exceptions are named
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.lock import hold
from shared.database.engine import open_engine
from shared.process import ExitCode, Refusal
from shared.settings import read_settings
from shared.timeseries.holdings import Holdings, open_holdings
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import Denied, StoreError, TimeSeriesStore, Unavailable
from telemetrio.backup.archive import Damaged
from telemetrio.settings import refuse_unknown

T = TypeVar("T")

_OUTBOX: Final = "ingest.outbox"  # of a system that has yet to begin
_WAITS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)


class System(NamedTuple):
    engine: AsyncEngine
    store: TimeSeriesStore
    holdings: Holdings
    settings: StoreSettings

    @property
    def digest(self) -> str:
        """The same for the same database and store, and for no other."""
        settings = self.settings
        store = settings.influxdb_url or str((settings.data_dir / "readings.db").absolute())
        named = (settings.database, store, settings.influxdb_bucket, str(settings.influxdb_bucket_per_user))
        return sha256("\n".join(named).encode()).hexdigest()

    @property
    def on_files(self) -> bool:
        """Whether what is kept, or some of it, is in the data directory."""
        return not (self.settings.influxdb_url and self.settings.database_url)


def run(work: Callable[[System], Awaitable[T]], *, new: bool = False, **flags: object) -> T:
    """On the system of the settings; whatever keeps it from its end is a Refusal that says what to do.

    `new`: its directory may be missing as yet.
    """
    refuse_unknown()
    settings = read_settings(StoreSettings, **flags)
    if new:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    elif not settings.data_dir.is_dir() and not (settings.influxdb_url and settings.database_url):
        raise Refusal(f"{settings.data_dir}: there is no such directory (--data-dir)", ExitCode.WRONG_SETTINGS)
    again = "run the same command again when it is mended: it goes on where it broke off"
    try:
        return asyncio.run(_opened(settings, work))
    except Damaged as error:
        raise Refusal(str(error), ExitCode.DIED) from error
    except StoreError as error:
        raise Refusal(f"the store of readings can't be used: {error}; {again}", ExitCode.DIED) from error
    except (SQLAlchemyError, asyncpg.PostgresError, CommandError, ConnectionError, TimeoutError, gaierror) as error:
        raise Refusal(
            f"TELEMETRIO_DATABASE_URL: the database can't be used: {error}; {again}", ExitCode.DIED
        ) from error
    except OSError as error:
        raise Refusal(f"{error}; {again}", ExitCode.DIED) from error


async def _opened(settings: StoreSettings, work: Callable[[System], Awaitable[T]]) -> T:
    async with opened(settings) as system:
        return await work(system)


@asynccontextmanager
async def opened(settings: StoreSettings) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        engine = open_engine(settings.database)
        stack.push_async_callback(engine.dispose)
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        holdings = open_holdings(settings)
        stack.push_async_callback(holdings.close)
        yield System(engine, store, holdings, settings)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """A store that is away for some seconds is no reason to give up; one that denies us is."""
    for wait_s in _WAITS_S:
        try:
            return await ask()
        except Denied:
            raise
        except Unavailable as error:
            await asyncio.sleep(max(wait_s, error.retry_after_s or 0.0))
    return await ask()


def at_rest(data_dir: Path) -> bool:
    """Whether there is an outbox in this directory, and nobody who works with it."""
    outboxes = list(data_dir.glob("*.outbox"))
    try:
        for outbox in outboxes:
            os.close(hold(outbox.with_suffix(".lock")))
    except Refusal:
        return False
    return bool(outboxes)


def keep_still(data_dir: Path, stack: ExitStack) -> None:
    """Nobody starts to work with this directory until `stack` ends; raises Refusal if somebody does already."""
    for outbox in {data_dir / _OUTBOX, *data_dir.glob("*.outbox")}:
        stack.callback(os.close, hold(outbox.with_suffix(".lock")))
