"""A row that the relational database refuses costs no other row; anything else that goes wrong costs all or nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.mirror import Mirror
from services.ingest.telling import Part, Refused, about_data, tell
from shared.database import ledger
from shared.database.latest import push_latest
from shared.database.registry import add_devices
from shared.database.tables import dead_letters, device_status, devices, ingest_books, latest, users
from tests.fakes.ingest import NOW, Bench, delivery
from tests.integration.test_database import engine, newest, rows_of  # noqa: F401 - a fixture, asked for by its name


def device(device_id: str, owner: int = 1, **changes: Any) -> dict[str, Any]:
    row = {"device_id": device_id, "name": device_id, "user_id": owner, "profile": "open"}
    return {**row, "claimed": False, "disabled": False, "created_ns": NOW, **changes}


async def told(engine: AsyncEngine, *parts: Part) -> list[Refused]:  # noqa: F811 - the fixture
    async with engine.begin() as connection:
        return await connection.run_sync(tell, parts)


@pytest.mark.parametrize(
    "wrong",
    [
        device("bad", owner=99),
        device("bad", name=None),
        device("bad", created_ns=2**70),
        device("bad", name="\ud800"),
    ],
    ids=["no such owner", "null", "too large", "no text"],
)
async def test_a_row_that_is_refused_costs_no_other_row(engine: AsyncEngine, wrong: dict[str, Any]) -> None:  # noqa: F811
    """Its neighbours and the parts after it are there; it is named, with the reason and without its content."""
    rows = [device("d1"), wrong, device("d2")]
    refused = await told(engine, Part("devices", add_devices, rows), Part("latest", push_latest, [newest(5, {"a": 1})]))
    assert [(each.part, each.row) for each in refused] == [("devices", wrong)]
    assert refused[0].reason
    assert "INSERT" not in refused[0].reason
    assert [row.device_id for row in await rows_of(engine, devices)] == ["d1", "d2"]
    assert len(await rows_of(engine, latest)) == 1


async def test_what_is_no_rows_fault_is_raised_and_leaves_nothing(engine: AsyncEngine) -> None:  # noqa: F811
    """A missing table, a lost connection: the parts before it are taken back, too."""
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE latest"))
    parts = [Part("devices", add_devices, [device("d1")]), Part("latest", push_latest, [newest(5, {"a": 1})])]
    with pytest.raises((OperationalError, ProgrammingError)):
        await told(engine, *parts)
    assert await rows_of(engine, devices) == []


async def test_a_refusal_in_the_middle_is_taken_back_with_the_rest(engine: AsyncEngine) -> None:  # noqa: F811
    """One transaction in the end, also where rows went one by one."""

    def lost(_connection: Connection, _rows: Sequence[dict[str, Any]]) -> None:
        raise OperationalError("", {}, Exception("the connection was lost"))

    devices_part = Part("devices", add_devices, [device("d1"), device("bad", owner=99)])
    with pytest.raises(OperationalError):
        await told(engine, devices_part, Part("latest", lost, [{}]))
    assert await rows_of(engine, devices) == []


def test_only_what_the_rows_say_counts_as_refused() -> None:
    """By the kind of error, by PostgreSQL's code, by what its driver found out by itself."""

    class Coded(Exception):
        sqlstate = "22021"

    assert about_data(IntegrityError("", {}, Exception()))
    assert about_data(ProgrammingError("", {}, Coded()))
    assert about_data(OverflowError())
    assert not about_data(OperationalError("", {}, Exception("database is locked")))
    Coded.sqlstate = "57P01"  # the administrator shuts the server down
    assert not about_data(OperationalError("", {}, Coded()))


async def test_a_push_goes_on_without_what_is_refused(engine: AsyncEngine, tmp_path: Path) -> None:  # noqa: F811
    """It is said on the health page; a letter is tried again at the next start, a newcomer with the next registry."""
    async with engine.begin() as connection:
        await connection.execute(users.delete())
    bench = Bench(tmp_path)
    await bench.outbox.open()
    mirror = Mirror(bench.outbox, bench.registry, engine, bench.health)
    await mirror.load()
    await bench.commit(delivery("d1", {"a": 1}), delivery("d1", b"?"), delivery("d1", b"online", kind="status"))
    for _ in range(2):
        assert await mirror._try(mirror.push)
        assert bench.health["database"].state == "degraded"
        assert bench.registry.pending == ["d1"]
    tables = (latest, device_status, dead_letters, ingest_books)
    assert [len(await rows_of(engine, table)) for table in tables] == [1, 1, 1, 1]
    async with engine.begin() as connection:
        await connection.execute(users.insert(), {"id": 1, "name": "ann", "created_ns": NOW})
    assert await mirror._try(mirror._read_registry)
    assert await mirror._try(mirror.push)
    assert (bench.registry.pending, bench.health["database"].state) == ([], "ok")
    await bench.outbox.close()


async def test_a_letter_that_is_refused_blocks_no_other(
    engine: AsyncEngine,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Later letters and books are told; the next life tries it once more."""
    original, refusing = ledger.push_letters, True

    def push_letters(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        if refusing and any(row["letter"] == 1 for row in rows):
            raise IntegrityError("", {}, Exception("not this one"))
        original(connection, rows)

    monkeypatch.setattr(ledger, "push_letters", push_letters)
    bench = Bench(tmp_path)
    await bench.outbox.open()
    mirror = Mirror(bench.outbox, bench.registry, engine, bench.health)
    await mirror.load()
    for number in range(3):
        await bench.commit(delivery("d1", b"?" * (number + 1)))
        await mirror.push()
    assert [row.letter for row in await rows_of(engine, dead_letters)] == [2, 3]
    assert (await rows_of(engine, ingest_books))[0].dead_lettered == 3
    refusing = False
    await Mirror(bench.outbox, bench.registry, engine, bench.health).load()
    await mirror.push()
    assert sorted(row.letter for row in await rows_of(engine, dead_letters)) == [1, 2, 3]
    assert (await bench.outbox.recount()).agrees
    await bench.outbox.close()
