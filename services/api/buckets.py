"""Makes the buckets of InfluxDB that users need: at once when one was added, and now and then all that are missing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Final, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.database import DATABASE_AWAY
from services.api.settings import BucketSettings
from shared.broker import Backoff
from shared.database.tables import users
from shared.health import Health
from shared.timeseries.bucketnames import bucket_name
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import StoreError

_EVERY_S: Final = 30.0  # another replica may have added a user; an operator may have dropped a bucket


class Maker(Protocol):
    """A shared.timeseries.bucketmaker.BucketMaker."""

    async def ensure(self, name: str) -> None: ...


class Buckets:
    """A part of the process. Without a maker there is nothing to make."""

    def __init__(self, maker: Maker | None, names: Callable[[], Awaitable[Sequence[str]]], health: Health) -> None:
        self._maker = maker
        self._names = names
        self._health = health
        self._woken = asyncio.Event()

    def look(self) -> None:
        """Perhaps somebody was added."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled; while something fails, again and again."""
        if self._maker is None:
            await asyncio.Event().wait()
            return
        backoff = Backoff()
        while True:
            self._woken.clear()
            made = await self._make_missing(self._maker)
            if made:
                backoff.reset()
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S if made else backoff.next_s()):
                    await self._woken.wait()

    async def _make_missing(self, maker: Maker) -> bool:
        try:
            for name in await self._names():
                await maker.ensure(name)
        except (StoreError, *DATABASE_AWAY) as error:
            self._health.report("buckets", "down", f"{type(error).__name__}: {error}"[:300], needed=False)
            return False
        self._health.report("buckets", "ok", needed=False)
        return True


def open_buckets(
    stack: AsyncExitStack, store: StoreSettings, settings: BucketSettings, engine: AsyncEngine, health: Health
) -> Buckets:
    """What these settings ask for; `stack` closes it."""
    per_user, bucket = store.influxdb_bucket_per_user, store.influxdb_bucket
    names = partial(_of_users, engine, bucket) if per_user else partial(_the_one, bucket)
    wanted = per_user or settings.operator_token or settings.influxdb_retention_days
    if not (wanted and store.influxdb_url):
        return Buckets(None, names, health)
    # here, because the client takes 40 MB and most of a second, which SQLite's users need not spend
    from shared.timeseries.bucketmaker import BucketMaker  # noqa: PLC0415 - see above
    from shared.timeseries.influxhttp import Target  # noqa: PLC0415 - see above

    token = settings.operator_token or store.token
    target = Target(store.influxdb_url, token, store.influxdb_org, bucket, store.influxdb_ca_file)
    maker = BucketMaker(target, settings.influxdb_retention_days)
    stack.push_async_callback(maker.close)
    return Buckets(maker, names, health)


async def _of_users(engine: AsyncEngine, bucket: str) -> Sequence[str]:
    async with engine.connect() as connection:
        found = await connection.scalars(select(users.c.id).order_by(users.c.id))
        return [bucket_name(bucket, user_id) for user_id in found]


async def _the_one(bucket: str) -> Sequence[str]:
    return [bucket]
