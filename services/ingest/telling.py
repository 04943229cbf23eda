"""How the relational database is told: all in one transaction, and a row that it will never take costs no other row.

Each part of a push is written in a savepoint of its own. One that is refused for what its rows say, and not because the
database is away, is written again row by row, and what is refused then is named.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

Row = dict[str, Any]

# SQLSTATE: data exceptions, and violations of constraints
_ABOUT_DATA: Final = ("22", "23")
_RAW: Final = (OverflowError, UnicodeError)  # of a driver that found out by itself


class Part(NamedTuple):
    """Rows of one kind, and the statement that writes them; it must be idempotent."""

    name: str
    write: Callable[[Connection, Sequence[Row]], None]
    rows: Sequence[Row]


class Refused(NamedTuple):
    """A row that the database will not take as it is."""

    part: str
    row: Row
    reason: str


def tell(connection: Connection, parts: Iterable[Part]) -> list[Refused]:
    """In the transaction of `connection`; raises whatever says nothing about a row."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # its driver would take the first savepoint for the transaction
    refused = []
    for part in parts:
        reason = _attempt(connection, part, part.rows) if part.rows else None
        if reason is not None:
            reasons = ((row, _attempt(connection, part, [row])) for row in part.rows)
            refused += [Refused(part.name, row, why) for row, why in reasons if why is not None]
    return refused


def _attempt(connection: Connection, part: Part, rows: Sequence[Row]) -> str | None:
    """Why these rows were refused, and nothing of them is there; None when they were taken."""
    try:
        with connection.begin_nested():
            part.write(connection, rows)
    except (SQLAlchemyError, *_RAW) as error:
        if not about_data(error):
            raise
        # without the statement and its parameters: they are what devices and people sent
        return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"[:300]
    return None


def about_data(error: Exception) -> bool:
    """Whether it is the rows, and would be the same however often it is tried; PostgreSQL tells by codes."""
    if isinstance(error, DataError | IntegrityError):
        return True
    if isinstance(error, DBAPIError):
        code = str(getattr(error.orig, "sqlstate", None) or "")
        return code[:2] in _ABOUT_DATA
    return isinstance(error, (StatementError, *_RAW))
