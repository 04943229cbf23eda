"""Reads what can be read of a damaged table: its keys first, then row by row, so that a bad page costs its own rows."""

import sqlite3
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple

from services.ingest.damage import refuse_if_disk
from services.ingest.soundness import Column, Row, columns_of, is_sound

_MOST_PROBES: Final = 20_000  # of 50 µs each at most: a gap that is still there then is given up


_HIGHEST: Final = 2**62

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
    """Forwards to the first page that can't be read, backwards to the last one, then into the gap between."""
    forward, whole = _walk(connection, of)
    if whole:
        return forward
    back, _ = _walk(connection, of, down=True)
    if not of.numbered:  # a text has no middle: the gap is given up
        return list(dict.fromkeys([*forward, *reversed(back)]))
    low = forward[-1][0] + 1 if forward else 1
    last = back[-1][0] - 1 if back else _last_key(connection, of.name)
    return sorted({*forward, *back, *_between(connection, of, _pieces(low, last))})


def _between(connection: sqlite3.Connection, of: Table, pieces: list[Gap]) -> Iterator[Key]:
    """What lies between pages that can't be read: halved again and again, the smallest gap first."""
    heapify(pieces)
    for _ in range(_MOST_PROBES):
        if not pieces:
            return
        _, low, high = heappop(pieces)
        forward, whole = _walk(connection, of, ((low,), (high,)))
        yield from forward
        if whole:
            continue
        back, _ = _walk(connection, of, ((high,), (low,)), down=True)
        yield from back
        # kept within: a damaged page may give any number
        first = min(max(low, forward[-1][0] + 1), high) if forward else low
        last = max(min(high, back[-1][0] - 1), low) if back else high
        if first <= last and low < high:
            middle = (first + last) // 2
            heappush(pieces, (middle - first, first, middle))
            if middle < last:
                heappush(pieces, (last - middle - 1, middle + 1, last))


def _pieces(low: int, last: int | None) -> list[Gap]:
    """Of doubling size, the smallest where rows are likely: before the last number given, else behind the first."""
    found: list[Gap] = []
    size = 1
    if last is None:
        while low < _HIGHEST // 2:
            found.append((size, low, low + size - 1))
            low, size = low + size, size * 2
        return found
    while last >= low:
        found.append((size, max(low, last - size + 1), last))
        last, size = last - size, size * 2
    return found


def _walk(
    connection: sqlite3.Connection, of: Table, between: tuple[Key, Key] | None = None, *, down: bool = False
) -> tuple[list[Key], bool]:
    """Keys up to the first error, and whether there was none.

    `between`: the keys to begin and to end with. Key by key: a cursor that meets a bad page takes the row before it
    along.
    """
    found: list[Key] = []
    seen: set[Key] = set()
    behind, last = between or (None, None)
    compare, limit, order = ("<=", ">=", "DESC") if down else (">=", "<=", "ASC")
    marks = ", ".join("?" * of.width)
    ordered = ", ".join(f"{each} {order}" for each in of.key.split(", "))
    while True:
        conditions = [f"({of.key}) {compare} ({marks})"] if behind else []
        conditions += [f"({of.key}) {limit} ({marks})"] if last else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        asked = f'SELECT {of.key} FROM "{of.name}" NOT INDEXED {where} ORDER BY {ordered} LIMIT 1'
        try:
            key = connection.execute(asked, (*(behind or ()), *(last or ()))).fetchone()
        except sqlite3.DatabaseError as error:
            refuse_if_disk(error)
            return found, False
        if key is None:
            return found, True
        if key in seen:  # where a page's order is damaged, what is behind a key may be that key
            return found, False
        seen.add(key)
        found.append(key)
        behind, compare = key, compare[0]


def _last_key(connection: sqlite3.Connection, name: str) -> int | None:
    """The highest number that was ever given, where the table counts and says so."""
    try:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
    except sqlite3.DatabaseError as error:
        refuse_if_disk(error)
        return None
    return row[0] if row and isinstance(row[0], int) and row[0] > 0 else None
