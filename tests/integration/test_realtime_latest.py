"""Reading the table of latest values from a real SQLite file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from services.realtime import keeper as realtime_keeper
from services.realtime import latest as realtime_latest
from services.realtime.admission import LOCAL_ADMIN
from services.realtime.errors import LatestUnavailable, ReviewUnavailable
from services.realtime.keeper import TicketKeeper
from services.realtime.latest import LatestTable
from services.realtime.recent import Known
from shared.database.engine import open_engine
from shared.database.tables import devices, latest, metadata, users
from shared.readings import Reading

VALUES: dict[str, float | bool | str] = {"temperature": 23.5, "door": True, "note": "ok"}


class Silent:
    """A database behind a line that swallows everything."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """Two owners; d1 has values, d2 never sent any, d3 had them under another owner."""
    opened = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'telemetrio.db'}")
    async with opened.begin() as connection:
        await connection.run_sync(metadata.create_all)
        for user_id in (1, 2):
            await connection.execute(users.insert().values(id=user_id, name=f"user {user_id}", created_ns=0))
        for device_id, user_id in (("d1", 1), ("d2", 1), ("d3", 2)):
            row = {"device_id": device_id, "name": device_id, "user_id": user_id, "profile": "open", "created_ns": 0}
            await connection.execute(devices.insert().values(**row))
        for device_id in ("d1", "d3"):
            row = {"device_id": device_id, "user_id": 1, "measurement": "m", "ts_ns": 7, "seen_ns": 8, "values": VALUES}
            await connection.execute(latest.insert().values(**row))
    yield opened
    await opened.dispose()


async def test_a_device_comes_with_its_owners_values_only(engine: AsyncEngine) -> None:
    """Values are those of the present owner; a device without any is known all the same."""
    rows = sorted(await LatestTable(engine)(None, None))
    assert rows == [
        Known("d1", 1, Reading("d1", 1, "m", 7, VALUES)),
        Known("d2", 1, None),
        Known("d3", 2, None),
    ]


async def test_only_what_was_asked_for_is_read(engine: AsyncEngine) -> None:
    """Owners and ids narrow the answer; no owner means no device."""
    table = LatestTable(engine)
    assert [row.device_id for row in await table(frozenset({2}), None)] == ["d3"]
    assert [row.device_id for row in await table(None, frozenset({"d2", "nobody"}))] == ["d2"]
    assert list(await table(frozenset({2}), frozenset({"d1"}))) == []
    assert list(await table(frozenset(), None)) == []
    assert list(await table(None, frozenset(f"x{number}" for number in range(1_000)))) == []


async def test_a_crowd_that_asks_the_same_is_one_query(engine: AsyncEngine) -> None:
    """A hundred clients that come back together cost the database one query, and one that leaves cancels nobody's."""
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    table = LatestTable(engine)
    asked = [asyncio.ensure_future(table(None, None)) for _ in range(100)]
    await asyncio.sleep(0)
    asked[0].cancel()
    answers = await asyncio.gather(*asked[1:])
    assert {len(answer) for answer in answers} == {3}
    assert len(statements) == 1
    await table(None, None)
    assert len(statements) == 2


async def test_a_database_that_fails_is_unavailable(tmp_path: Path) -> None:
    """An error of the database is one of this service, whoever waits for the answer."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    table = LatestTable(engine)
    results = await asyncio.gather(table(None, None), table(None, None), return_exceptions=True)
    assert [type(result) for result in results] == [LatestUnavailable] * 2
    await engine.dispose()


async def test_a_database_that_says_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who subscribes, or logs in, is not kept waiting for ever, and neither is the look at who may still see what."""
    for module in (realtime_latest, realtime_keeper):
        monkeypatch.setattr(module, "_WITHIN_S", 0.01)
    silent: Any = Silent()
    async with asyncio.timeout(5):
        with pytest.raises(LatestUnavailable):
            await LatestTable(silent)(None, None)
        with pytest.raises(ReviewUnavailable, match="no answer"):
            await TicketKeeper("secret", silent).review([LOCAL_ADMIN])
