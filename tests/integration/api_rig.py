"""The API on a real database, without a socket: what a test of a route holds in its hands.

A test in a file `test_api_*.py` that asks for the fixture `api` runs twice, on SQLite and on PostgreSQL: conftest.py
says on which, and `opened` takes it from there.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from quart import Quart, Response
from sqlalchemy import Table, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.app import create_app, furnish
from services.api.resources import KEY, Resources
from services.api.settings import ApiSettings
from shared.commands import AnyCommand
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.database.tables import devices, users
from shared.health import Health
from shared.timeseries.sqlite import SqliteStore
from tests.peers.tables import file_with_tables

NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z


class Prepared:
    """Where the database of the running test is, its tables in place; nothing: the rig makes a file of its own."""

    url = ""


prepared = Prepared()
_spare: dict[str, list[Quart]] = {"open": [], "required": []}
"""Apps that no test uses just now: to compile 80 routes takes longer than most tests."""


class Commanded:
    """A commander that remembers; `away` is raised instead while it is set."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, Any]] = []
        self.away: Exception | None = None

    async def command(self, source: str, command: AnyCommand) -> None:
        if self.away is not None:
            raise self.away
        self.commands.append((source, command))


class Answer:
    """A response that was read to its end."""

    def __init__(self, response: Response, body: bytes) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.body = body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Api:
    app: Quart
    engine: AsyncEngine
    store: SqliteStore
    health: Health
    web_dir: Path
    commander: "Commanded"

    @property
    def auth(self) -> str:
        given: Resources = self.app.extensions[KEY]
        return given.settings.auth

    async def ask(self, method: str, path: str, **given: Any) -> Answer:
        response = await self.app.test_client().open(path, method=method, **given)
        return Answer(response, await response.get_data(as_text=False))

    async def get(self, path: str, **given: Any) -> Answer:
        return await self.ask("GET", path, **given)

    async def post(self, path: str, value: Any) -> Answer:
        return await self.ask("POST", path, json=value)

    async def put(self, path: str, value: Any) -> Answer:
        return await self.ask("PUT", path, json=value)

    async def fill(self, table: Table, *rows: Mapping[str, Any]) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(insert(table), [dict(row) for row in rows])
            if "id" in rows[0] and connection.dialect.name == "postgresql":
                # SQLite counts on from the highest by itself
                told = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"  # noqa: S608
                await connection.execute(text(told))

    async def add_devices(self, *device_ids: str, user_id: int = 1, **more: Any) -> None:
        made = {"user_id": user_id, "profile": "environment", "claimed": True, "disabled": False, **more}
        made.setdefault("created_ns", NOON_NS)
        await self.fill(devices, *({"device_id": one, "name": one.title(), **made} for one in device_ids))

    async def add_user(self, user_id: int) -> None:
        """Another tenant."""
        row = {"id": user_id, "name": f"user {user_id}", "role": "user", "created_ns": NOON_NS}
        await self.fill(users, row)

    async def rows(self, statement: str) -> Sequence[Any]:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(statement))).all()


@asynccontextmanager
async def opened(folder: Path, url: str = "", **settings: Any) -> AsyncIterator[Api]:
    """An API on fresh files in `folder`, or on the database of this test, or at `url`; closed in the end."""
    engine = open_engine(url or prepared.url or file_with_tables(folder / "telemetrio.db"))
    store = SqliteStore(folder / "readings.db")
    try:
        if url:
            await upgrade(engine)
        async with engine.begin() as connection:
            await ensure_local_admin(connection, time.time_ns())
        await store.open()
        api = make(folder, engine, store, **settings)
        yield api
        _spare[api.auth].append(api.app)
    finally:
        await store.close()
        await engine.dispose()


def make(folder: Path, engine: AsyncEngine, store: SqliteStore, **settings: Any) -> Api:
    """With all state of its own; the routes may have served another test before."""
    health = Health()
    web_dir = folder / "web"
    given = ApiSettings(_env_file=None, data_dir=folder, **settings)
    commander = Commanded()
    resources = Resources(given, engine, store, health, "1.2.3", web_dir, commander=commander)
    spare = _spare[given.auth]
    app = spare.pop() if spare else create_app(resources)
    furnish(app, resources)
    return Api(app, engine, store, health, web_dir, commander)
