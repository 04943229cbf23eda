"""When buckets are made: at once for a newcomer, again after a failure, and never where nobody asked for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from asyncpg import CannotConnectNowError  # type: ignore[import-untyped] # ships no types

from services.api import buckets as module
from services.api.buckets import Buckets, open_buckets
from services.api.settings import BucketSettings
from shared.broker import Backoff
from shared.database.engine import open_engine
from shared.health import Health
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import Denied
from tests.peers.waiting import eventually_async


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Backoff", lambda: Backoff(0.01, 0.02))


class Bench:
    """Users, and a maker that may fail."""

    def __init__(self) -> None:
        self.users = ["b_1"]
        self.made: list[str] = []
        self.broken = False
        self.away: Exception | None = None
        self.health = Health()
        self.buckets = Buckets(self, self._names, self.health)

    async def _names(self) -> list[str]:
        if self.away is not None:
            raise self.away
        return self.users

    async def ensure(self, name: str) -> None:
        if self.broken:
            raise Denied("not with this token")
        self.made.append(name)

    async def has_made(self, name: str) -> None:
        async def look() -> bool:
            return name in self.made

        await eventually_async(look)


@asynccontextmanager
async def running(buckets: Buckets) -> AsyncIterator[None]:
    task = asyncio.create_task(buckets.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_newcomer_has_a_bucket_at_once() -> None:
    """Whoever adds one only says that something has changed."""
    bench = Bench()
    async with running(bench.buckets):
        await bench.has_made("b_1")
        bench.users.append("b_2")
        bench.buckets.look()
        await bench.has_made("b_2")
    assert bench.health["buckets"].state == "ok"


async def test_what_fails_is_said_and_tried_again() -> None:
    """A wrong token heals without a restart, and the API is ready meanwhile."""
    bench = Bench()
    bench.broken = True
    async with running(bench.buckets):

        async def said() -> bool:
            return "not with this token" in bench.health.snapshot().get("buckets", ("",) * 3)[2]

        await eventually_async(said)
        assert (bench.health["buckets"].state, bench.health.ready) == ("down", True)
        bench.broken = False
        await bench.has_made("b_1")

        async def healed() -> bool:
            return bench.health["buckets"].state == "ok"

        await eventually_async(healed)


async def test_a_database_that_is_away_is_waited_for() -> None:
    """However it says so: what goes wrong while connecting comes as the driver raised it."""
    bench = Bench()
    bench.away = CannotConnectNowError("the database system is starting up")
    async with running(bench.buckets):

        async def said() -> bool:
            return "starting up" in bench.health.snapshot().get("buckets", ("",) * 3)[2]

        await eventually_async(said)
        bench.away = None
        await bench.has_made("b_1")


@pytest.mark.parametrize(
    ("per_user", "days", "token", "makes"),
    [(False, 0, "", False), (True, 0, "", True), (False, 7, "", True), (False, 0, "operator's", True)],
)
async def test_only_who_asks_for_it_has_buckets_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, per_user: bool, days: int, token: str, makes: bool
) -> None:
    """By a bucket per user, a retention, or an operator's token; otherwise an operator makes the one there is."""
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_OPERATOR_TOKEN", token)
    store = StoreSettings(_env_file=None, influxdb_url="http://127.0.0.1:1", influxdb_bucket_per_user=per_user)
    settings = BucketSettings(_env_file=None, influxdb_retention_days=days)
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        opened = open_buckets(stack, store, settings, engine, health := Health())
        async with running(opened):

            async def tried() -> bool:
                return "buckets" in health.snapshot()

            if makes:
                await eventually_async(tried)
            else:
                await asyncio.sleep(0)
                assert not await tried()
