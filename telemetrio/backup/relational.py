"""Every relational table as lines of JSON, and lines as rows again, each way in one transaction.

The tables are those of shared.database.tables: a new one is in the next archive without a word here.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from sqlalchemy import Connection, LargeBinary, MetaData, Table, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.migrations.upgrade import begin, move, newest_revision, refuse_lost_rows, revision_of
from shared.database.tables import ingest_books, metadata, users
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
    statement = select(table).order_by(*table.primary_key.columns)
    rows = await connection.stream(statement, execution_options={"yield_per": _ROWS_AT_ONCE})
    names = [str(column.name) for column in table.columns]  # `values` is one that knows that it must be quoted
    async for row in rows:
        yield orjson.dumps(dict(zip(names, row, strict=True)), _binary, orjson.OPT_SORT_KEYS)


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
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))
    move(connection, revision)
    _fill(connection, parts())
    move(connection, newest_revision())
    refuse_lost_rows(connection)
    if connection.dialect.name == "postgresql":
        _go_on_counting(connection)


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


def _go_on_counting(connection: Connection) -> None:
    """SQLite gives the number behind the highest by itself; a sequence of PostgreSQL must be told."""
    for table in metadata.sorted_tables:
        for column in table.primary_key.columns:
            asked = {"table": table.name, "column": column.name}
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), asked)
            if sequence is not None:
                highest = connection.scalar(select(func.max(column)))
                statement = text("SELECT setval(CAST(:sequence AS regclass), :highest, :used)")
                given = {"sequence": sequence, "highest": highest or 1, "used": highest is not None}
                connection.execute(statement, given)
