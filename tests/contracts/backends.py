"""Every time-series store that one suite runs on, opened on a directory of its own."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from pathlib import Path

from shared.readings import Reading, ReadingBatch
from shared.timeseries.buckets import BucketPerUser
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxhttp import Target
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import (
    LateQuery,
    LateRange,
    RawPage,
    RawQuery,
    TimeSeriesStore,
    WindowQuery,
    WindowSeries,
)
from tests.fakes.influxdb import FakeInflux, Version
from tests.peers.influxdb import Influxd

# a backend opens a store on a directory of its own; opened again there, it has the same readings
Open = Callable[[Path], AbstractAsyncContextManager[TimeSeriesStore]]


@asynccontextmanager
async def opened(backend: Open, directory: Path) -> AsyncIterator[TimeSeriesStore]:
    async with backend(directory) as store:
        try:
            yield store
        finally:
            await store.close()


@asynccontextmanager
async def sqlite(directory: Path) -> AsyncIterator[TimeSeriesStore]:
    store = SqliteStore(directory / "readings.db")
    await store.open()
    yield store


def real_influxdb(server: Influxd) -> Open:
    @asynccontextmanager
    async def backend(directory: Path) -> AsyncIterator[TimeSeriesStore]:
        database = f"t{sha256(bytes(directory)).hexdigest()[:16]}"
        server.query(f"CREATE DATABASE {database}")
        yield InfluxStore(Target(server.url, "", "", database))

    return backend


class Provisioned(BucketPerUser):
    """With a bucket for whoever is spoken of, as if each were a user: to make it is never the store's own work."""

    def __init__(self, server: Influxd, prefix: str) -> None:
        super().__init__(Target(server.url, "", "", prefix))
        self._server = server
        self._prefix = prefix
        self._made: set[int] = set()

    def _provide(self, owners: Iterable[int]) -> None:
        new = set(owners) - self._made
        if new:
            self._server.query("; ".join(f"CREATE DATABASE {self._prefix}_{owner}" for owner in new))
            self._made |= new

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        self._provide(each.user_id for batch in batches for each in batch.readings)
        await super().write(batches)

    async def raw(self, query: RawQuery) -> RawPage:
        self._provide(query.user_ids or ())
        return await super().raw(query)

    async def newest(self, owner: int, limit: int) -> Sequence[Reading]:
        self._provide([owner])
        return await super().newest(owner, limit)

    async def windows(self, query: WindowQuery) -> Sequence[WindowSeries]:
        self._provide(query.user_ids or ())
        return await super().windows(query)

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        self._provide(query.user_ids or ())
        return await super().late(query)


def real_buckets(server: Influxd) -> Open:
    @asynccontextmanager
    async def backend(directory: Path) -> AsyncIterator[TimeSeriesStore]:
        yield Provisioned(server, f"b{sha256(bytes(directory)).hexdigest()[:16]}")

    return backend


def fake_influxdb(version: Version) -> Open:
    kept: dict[Path, FakeInflux] = {}

    @asynccontextmanager
    async def backend(directory: Path) -> AsyncIterator[TimeSeriesStore]:
        async with kept.setdefault(directory, FakeInflux(version, "t")).running() as server:
            yield InfluxStore(Target(server.url, "t", "o", server.bucket))

    return backend
