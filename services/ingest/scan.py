"""Reads what can be read of a damaged table: its keys first, then row by row, so that a bad page costs its own rows."""

import sqlite3
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple

from services.ingest.damage import refuse_if_disk
from services.ingest.soundness import Column, Row, columns_of, is_sound

_MOST_PROBES: Final = 20_000  # of 50 µs each at most: a gap that is still there then is given up


Key = tuple[Any, ...]
Gap = tuple[int, int, int]  # its size, its first and its last number


class Table(NamedTuple):
    """`key`: the columns that tell a row, in SQL; `numbered`: they are one integer, so that a gap can be halved."""

    name: str
    columns: list[Column]
    key: str
    numbered: bool

    @property
    def width(self) -> int:
        return self.key.count(", ") + 1


def table(old: sqlite3.Connection, new: sqlite3.Connection, name: str) -> Table:
    """Its columns that both know."""
    known = {column.name for column in columns_of(new, name)}
    columns = [column for column in columns_of(old, name) if column.name in known]
    keys = sorted((column for column in columns if column.key), key=lambda column: column.key)
    numbered = not keys or (len(keys) == 1 and keys[0].kind is int)
    return Table(name, columns, "rowid" if numbered else ", ".join(f'"{column.name}"' for column in keys), numbered)


def rows(connection: sqlite3.Connection, of: Table) -> Iterator[Row | None]:
    """In order of their key; None for each that can't be read or believed."""
    names = [column.name for column in of.columns]
    asked = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * of.width)
    statement = f'SELECT {asked} FROM "{of.name}" NOT INDEXED WHERE ({of.key}) = ({marks})'
    for key in _keys(connection, of):
        try:
            values = connection.execute(statement, key).fetchone()
        except sqlite3.DatabaseError as error:
            refuse_if_disk(error)
            values = None
        row = None if values is None else dict(zip(names, values, strict=True))
        yield row if row is not None and is_sound(of.name, of.columns, row) else None


def _keys(connection: sqlite3.Connection, of: Table) -> list[Key]:
    """Forwards to the first page that can't be read; backwards to the last one, or by halves around all of them."""
    forward, whole = _walk(connection, of)
    if whole:
        return forward
    if of.numbered:
        return sorted({*forward, *_between(connection, of, _pieces(_last_key(connection, of.name)))})
    back, _ = _walk(connection, of, down=True)  # a text has no middle: the gap is given up
    return list(dict.fromkeys([*forward, *reversed(back)]))


def _between(connection: sqlite3.Connection, of: Table, pieces: list[Gap]) -> Iterator[Key]:
    """A piece that can't be read to its end is halved, the smallest first.

    Always in the middle: a damaged page may give any number, so none tells where the damage is.
    """
    heapify(pieces)
    for _ in range(_MOST_PROBES):
        if not pieces:
            return
        size, low, high = heappop(pieces)
        found, whole = _walk(connection, of, (low, high))
        yield from found
        if not whole and size > 1:
            middle = (low + high) // 2
            heappush(pieces, (middle - low + 1, low, middle))
            heappush(pieces, (high - middle, middle + 1, high))


def _pieces(last: int | None) -> list[Gap]:
    """Of doubling size, the smallest where rows are likely: before the last number given, else from the first."""
    if last is None:
        return [(2**power, 2**power, 2 ** (power + 1) - 1) for power in range(62)]
    found: list[Gap] = []
    size = 1
    while last >= 1:
        low = max(1, last - size + 1)
        found.append((last - low + 1, low, last))
        last, size = low - 1, size * 2
    return found


def _walk(
    connection: sqlite3.Connection, of: Table, between: tuple[int, int] | None = None, *, down: bool = False
) -> tuple[list[Key], bool]:
    """Keys up to the first error, and whether there was none; `between` two numbers, which are keys too.

    Key by key: a cursor that meets a bad page takes the row before it along.
    """
    found: list[Key] = []
    seen: set[Key] = set()
    marks = ", ".join("?" * of.width)
    ordered = ", ".join(f"{each} {'DESC' if down else 'ASC'}" for each in of.key.split(", "))
    # one lower bound at a time: SQLite might begin each step at the first of two
    condition = f"rowid BETWEEN {between[0]} AND {between[1]}" if between else "true"
    beyond = f"({of.key}) {'<' if down else '>'} ({marks})" + (f" AND rowid <= {between[1]}" if between else "")
    select, key = f'SELECT {of.key} FROM "{of.name}" NOT INDEXED WHERE', ()
    while True:
        asked = f"{select} {condition} ORDER BY {ordered} LIMIT 1"
        try:
            key = connection.execute(asked, key).fetchone()
        except sqlite3.DatabaseError as error:
            refuse_if_disk(error)
            return found, False
        if key is None:
            return found, True
        if key in seen:  # where a page's order is damaged, what is behind a key may be that key
            return found, False
        seen.add(key)
        found.append(key)
        condition = beyond


def _last_key(connection: sqlite3.Connection, name: str) -> int | None:
    """The highest number that was ever given, where the table counts and says so."""
    try:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
    except sqlite3.DatabaseError as error:
        refuse_if_disk(error)
        return None
    return row[0] if row and isinstance(row[0], int) and row[0] > 0 else None
