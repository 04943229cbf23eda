"""Every relational table as lines of JSON, and lines as rows again, each way in one transaction.

The tables are those of shared.database.tables: a new one is in the next archive without a word here.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    collate,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.migrations.upgrade import begin, move, newest_revision, refuse_lost_rows, revision_of
from shared.database.tables import ingest_books, metadata, users
from shared.keptjson import kept_json
from shared.process import ExitCode, Refusal
from telemetrio.backup.archive import Part

FOLDER: Final = "database"
_ROWS_AT_ONCE: Final = 100  # a dead letter has 64 KiB
# what a system has that somebody has only started: the local admin, who logged in, and what its worker counted
BEGUN: Final = frozenset({"users", "sessions", "audit", "ingest_books"})


def folder_of(table: str) -> str:
    """Where the rows of a table are."""
    return f"{FOLDER}/{table}"


@asynccontextmanager
async def one_moment(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """All that is asked within is of one moment, whatever others write meanwhile; nobody waits for it."""
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            await connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            await connection.rollback()


async def check_revision(connection: AsyncConnection) -> str:
    """The revision of the tables; raises Refusal for any but this code's."""
    found, newest = await connection.run_sync(revision_of), newest_revision()
    if found is None:
        raise Refusal("there are no tables: is this the right data directory, or database?", ExitCode.WRONG_SETTINGS)
    if found != newest:
        raise Refusal(
            f"the tables are of version {found}, and this telemetrio's of {newest}: run `telemetrio db upgrade` "
            "with the newer of the two first",
            ExitCode.WRONG_SETTINGS,
        )
    return newest


async def spooled(connection: AsyncConnection) -> int:
    """How many entries ingest had yet to write to the store."""
    found = await connection.scalar(select(func.coalesce(func.sum(ingest_books.c.spooled), 0)))
    return int(found or 0)


async def lines_of(connection: AsyncConnection, table: Table) -> AsyncIterator[bytes]:
    """In order of the primary key, in flat memory."""
    rows = await connection.stream(_in_order(connection, table), execution_options={"yield_per": _ROWS_AT_ONCE})
    names = [str(column.name) for column in table.columns]  # `values` is one that knows that it must be quoted
    async for row in rows:
        yield kept_json(dict(zip(names, row, strict=True)), _binary, orjson.OPT_SORT_KEYS)


def _in_order(connection: AsyncConnection, table: Table) -> Select[Any]:
    """Texts by their bytes, as SQLite has them: a locale's order would make other parts of equal data."""
    keys: list[ColumnElement[Any]] = list(table.primary_key.columns)
    if connection.dialect.name == "postgresql":
        keys = [collate(key, "C") if isinstance(key.type, String) else key for key in keys]
    return select(table).order_by(*keys)


def _binary(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} can't be kept")


def contents(connection: Connection) -> dict[str, int]:
    """The rows of each table that somebody would miss; a system that has only been started has none."""
    found = {}
    for table in metadata.sorted_tables:
        if table.name not in BEGUN:
            found[table.name] = connection.scalar(select(func.count()).select_from(table)) or 0
    found["users"] = connection.scalar(select(func.count()).select_from(users).where(users.c.id > 1)) or 0
    return {name: rows for name, rows in found.items() if rows}


def load(connection: Connection, parts: Callable[[], Iterable[Part]], revision: str) -> None:
    """Replace what is there, whole or not at all: the caller commits.

    Rows go into the tables of their own revision, and migrations then do with them what they do with everybody's.
    """
    begin(connection)
    given = _given(connection)
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))
    move(connection, revision)
    _fill(connection, parts())
    move(connection, newest_revision())
    refuse_lost_rows(connection)
    go_on_counting(connection, given)


def _fill(connection: Connection, parts: Iterable[Part]) -> None:
    tables = MetaData()
    tables.reflect(connection)
    for part in parts:
        table = tables.tables[part.folder.removeprefix(f"{FOLDER}/")]
        binary = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
        rows = [_row(line, binary) for line in part.lines]
        if connection.dialect.name == "postgresql" and rb"\u0000" in part.raw:
            rows = [_without_nul(row) for row in rows]
        connection.execute(insert(table), rows)


def _row(line: bytes, binary: Iterable[str]) -> dict[str, Any]:
    row: dict[str, Any] = orjson.loads(line)
    row.update({name: b64decode(row[name]) for name in binary if row[name] is not None})
    return row


def _without_nul(value: Any) -> Any:
    """PostgreSQL has no NUL in a text; SQLite has."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, Mapping):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


def go_on_counting(connection: Connection, given: Mapping[str, int]) -> None:
    """No id is given twice: not one of the rows that are there, nor one up to `given`, by table, whose row is gone.

    Users that are gone are also named by what outlives them: the audit, readings, dead letters.
    """
    before = _given(connection)
    for table in metadata.sorted_tables:
        if table.name in before:
            highest = max(before[table.name], given.get(table.name, 0), _highest(connection, table.c.id))
            if table is users:
                named = [each.c.user_id for each in metadata.sorted_tables if "user_id" in each.c]
                highest = max(highest, *(_highest(connection, column) for column in named))
            if highest:
                _count_from(connection, table, highest)


def _highest(connection: Connection, column: ColumnElement[int]) -> int:
    return connection.scalar(select(func.max(column))) or 0


def _given(connection: Connection) -> dict[str, int]:
    """The highest id that was ever given, of each table that counts by itself."""
    if connection.dialect.name == "sqlite":
        known = {row.name: row.seq for row in connection.execute(text("SELECT name, seq FROM sqlite_sequence"))}
        return {table.name: known.get(table.name, 0) for table in metadata.sorted_tables if _counts(table)}
    found = {}
    for table in metadata.sorted_tables:
        sequence = _sequence(connection, table)
        if sequence is not None:
            last = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608 - quoted
            found[table.name] = int(connection.scalar(last) or 0)
    return found


def _counts(table: Table) -> bool:
    return bool(table.dialect_options["sqlite"]["autoincrement"])


def _sequence(connection: Connection, table: Table) -> str | None:
    if "id" not in table.primary_key.columns:
        return None
    found: str | None = connection.scalar(select(func.pg_get_serial_sequence(table.name, "id")))
    return found


def _count_from(connection: Connection, table: Table, highest: int) -> None:
    if connection.dialect.name == "postgresql":
        sequence = _sequence(connection, table)
        connection.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :at)"), {"sequence": sequence, "at": highest}
        )
        return
    named = {"name": table.name, "seq": highest}
    if not connection.execute(text("UPDATE sqlite_sequence SET seq = :seq WHERE name = :name"), named).rowcount:
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), named)
