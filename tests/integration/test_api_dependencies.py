"""What the api needs, looked after: a database that is not ours yet, that is busy, that falls silent; a store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.api import database as database_module
from services.api import watch as watch_module
from services.api.app import create_app
from services.api.database import Database
from services.api.resources import KEY
from services.api.watch import watch_store
from shared.broker import Backoff
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.health import Health
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import Denied
from tests.fakes.store import FailingStore
from tests.integration.api_rig import Api, make
from tests.peers.mosquitto import free_port
from tests.peers.postgres import made
from tests.peers.proxy import Proxy
from tests.peers.waiting import eventually_async


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "Backoff", lambda *_: Backoff(0.01, 0.02))
    monkeypatch.setattr(database_module, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(watch_module, "_EVERY_S", 0.02)


@asynccontextmanager
async def running(part: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(part)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def is_(health: Health, name: str, state: str) -> None:
    async def look() -> bool:
        seen = health.snapshot().get(name)
        return seen is not None and seen.state == state

    await eventually_async(look, 20)


def guarded_by(api: Api, database: Database) -> Api:
    """The same, as a process of its own would build it."""
    return replace(api, app=create_app(replace(api.app.extensions[KEY], tables_ready=database.ready)))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'telemetrio.db'}")
    yield opened
    await opened.dispose()


async def test_nothing_is_asked_of_a_database_that_is_not_ours_yet(tmp_path: Path, engine: AsyncEngine) -> None:
    """One of a later version is left alone, and said to be; once it can be brought up to date, it is served."""
    await upgrade(engine)
    async with engine.begin() as connection:
        (known,) = await connection.scalars(text("SELECT version_num FROM alembic_version"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    health = Health()
    database = Database(str(engine.url), engine, health)
    api = guarded_by(make(tmp_path, engine, SqliteStore(tmp_path / "r.db")), database)
    async with running(database.run()):

        async def said() -> bool:
            return "9999" in health["database"].detail

        await eventually_async(said, 20)
        refused = await api.get("/api/devices")
        assert (refused.status, refused.json["code"]) == (503, "database_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert [(await api.get(path)).status for path in ("/healthz", "/openapi.json", "/nothing")] == [200, 200, 404]
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": known})
        await is_(health, "database", "ok")
        assert (await api.get("/api/devices")).json == []


async def test_a_database_whose_connections_are_all_busy_is_not_away(tmp_path: Path) -> None:
    """It is told as degraded, so that nobody takes the process out of service for being asked a lot."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path / 'x.db'}", pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    health = Health()
    database = Database(str(engine.url), engine, health)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        async with running(database.run()):
            await is_(health, "database", "ok")
            async with engine.connect():
                await is_(health, "database", "degraded")
                assert health.ready
            await is_(health, "database", "ok")


async def test_a_store_is_asked_though_nobody_reads() -> None:
    """An outage on a quiet day is seen, and why; devices are served all the same, so that readiness holds."""
    store, health = FailingStore(), Health()
    async with running(watch_store(store, health)):
        await is_(health, "store", "ok")
        store.down = Denied("a wrong token")
        await is_(health, "store", "down")
        assert "a wrong token" in health["store"].detail
        assert health.ready
        store.down = None
        await is_(health, "store", "ok")


@pytest.mark.peer("postgres")
async def test_a_database_that_falls_silent_is_given_up_in_time(tmp_path: Path) -> None:
    """A line that swallows everything: 503 instead of waiting for ever, and afterwards it goes on."""
    cluster = await asyncio.to_thread(made, free_port())
    try:
        await asyncio.to_thread(cluster.start)
        async with AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(Proxy(cluster.port))
            url = f"postgresql+asyncpg://postgres@127.0.0.1:{proxy.port}/postgres"
            await upgrade(engine := open_engine(url, timeout_s=0.5))
            stack.push_async_callback(engine.dispose)
            api = make(tmp_path, engine, SqliteStore(tmp_path / "r.db"))
            assert (await api.get("/api/devices")).status == 200
            proxy.swallow()
            async with asyncio.timeout(60):
                silent = await api.get("/api/devices")
            assert (silent.status, silent.json["code"]) == (503, "database_unavailable")
            proxy.forward()
            proxy.cut()

            async def answers() -> bool:
                return (await api.get("/api/devices")).status == 200

            await eventually_async(answers, 20)
    finally:
        await asyncio.to_thread(cluster.remove)
