"""Dead letters: the table that holds them, and how many are kept whole: so many of a device, so many bytes in all.

A device that sends nothing but nonsense must not fill the disk, nor stop the fleet: above the quota its letters become
one row of kind `shed` for each code, whose `entries` grow; those of devices that nobody knows are one row for all of
them. The books count them like any other.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.ingest.books import Moves
from services.ingest.group import Gone, Letter
from shared.times import iso_ns

MAX_LETTERS_PER_DEVICE: Final = 1_000
MAX_BYTES_PER_DEVICE: Final = 16 * 1024 * 1024

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS dead (
    letter INTEGER PRIMARY KEY AUTOINCREMENT,
    moved INTEGER NOT NULL DEFAULT 0,       -- 1: the relational database has it, 2: it refused it
    kind TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL, device_id TEXT, user_id INTEGER, topic TEXT NOT NULL,
    received_ns INTEGER NOT NULL, entries INTEGER NOT NULL, payload BLOB NOT NULL, size INTEGER NOT NULL,
    sha256 TEXT NOT NULL, paths BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_to_move ON dead (letter) WHERE moved = 0;
CREATE UNIQUE INDEX IF NOT EXISTS dead_shed ON dead (ifnull(device_id, ''), code) WHERE kind = 'shed';
CREATE TABLE IF NOT EXISTS gone (letter INTEGER PRIMARY KEY);  -- the relational database has yet to forget it
"""
_ADD_LETTER: Final = f"INSERT INTO dead ({', '.join(Letter._fields)}) VALUES ({', '.join('?' * len(Letter._fields))})"
_FIND_SHED: Final = "SELECT letter FROM dead WHERE ifnull(device_id, '') = ifnull(?, '') AND code = ? AND kind = 'shed'"
_ADD_TO_SHED: Final = (
    "UPDATE dead SET entries = entries + ?, received_ns = max(received_ns, ?), moved = 0 WHERE letter = ?"
)

_OVER_THE_QUOTA: Final = "over the quota for dead letters: only their number is kept"

# what a letter takes beside its payload and its paths, nearly
_ROW_BYTES: Final = 256

Shed = tuple[str | None, str]  # device_id, code


class Usage(NamedTuple):
    """Of one device."""

    letters: int
    kept_bytes: int


class Plan(NamedTuple):
    """What becomes of the letters of one transaction: kept whole, or added to a row that counts."""

    kept: list[Letter]
    shed: dict[Shed, Letter]
    usage: dict[str | None, Usage]
    kept_bytes: int


def _weight(letter: Letter) -> int:
    """What it takes on disk, nearly: its paths, or its topic, may be longer than its payload."""
    texts = len(letter.topic.encode()) + len(letter.detail.encode())
    return len(letter.payload) + len(letter.paths) + texts + _ROW_BYTES


class Quota:
    """Belongs to the outbox's thread. `plan` before a transaction, `apply` after it: a rollback leaves no trace."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._usage: dict[str | None, Usage] = {}
        self.kept_bytes = 0

    def load(self, connection: sqlite3.Connection) -> None:
        """Count what the file holds."""
        rows = connection.execute(
            "SELECT device_id, count(*), total(length(payload) + length(paths) + length(CAST(topic AS BLOB)) "
            f"+ length(CAST(detail AS BLOB)) + {_ROW_BYTES}) FROM dead "
            "WHERE kind != 'shed' GROUP BY device_id"
        )
        self._usage = {device_id: Usage(letters, int(size)) for device_id, letters, size in rows}
        self.kept_bytes = sum(usage.kept_bytes for usage in self._usage.values())

    def plan(self, letters: Sequence[Letter], gone: Sequence[Gone] = ()) -> Plan:
        """In order: who comes first is kept; but what goes with the same transaction makes room before."""
        plan = Plan([], {}, {}, 0)
        total = self.kept_bytes
        for letter in (each.letter for each in gone if each.letter.kind != "shed"):
            used = self._used(plan, letter)
            plan.usage[letter.device_id] = Usage(used.letters - 1, used.kept_bytes - _weight(letter))
            total -= _weight(letter)
        for letter in letters:
            used = self._used(plan, letter)
            after = Usage(used.letters + 1, used.kept_bytes + _weight(letter))
            within = (
                letter.kind != "shed"
                and after.letters <= MAX_LETTERS_PER_DEVICE
                and after.kept_bytes <= MAX_BYTES_PER_DEVICE
            )
            if within and total + _weight(letter) <= self._max_bytes:
                plan.kept.append(letter)
                plan.usage[letter.device_id] = after
                total += _weight(letter)
            elif letter.entries:
                # who is nobody's device can go by as many names as it likes
                counted = letter if letter.user_id is not None else letter._replace(device_id=None)
                key = (counted.device_id, counted.code)
                plan.shed[key] = _shed(counted, plan.shed.get(key))
        return plan._replace(kept_bytes=total - self.kept_bytes)

    def _used(self, plan: Plan, letter: Letter) -> Usage:
        return plan.usage.get(letter.device_id) or self._usage.get(letter.device_id) or Usage(0, 0)

    @staticmethod
    def write(connection: sqlite3.Connection, plan: Plan) -> None:
        """In the open transaction."""
        connection.executemany(_ADD_LETTER, plan.kept)
        for (device_id, code), letter in plan.shed.items():
            known = connection.execute(_FIND_SHED, (device_id, code)).fetchone()
            if known is None:
                connection.execute(_ADD_LETTER, letter)
            else:
                connection.execute(_ADD_TO_SHED, (letter.entries, letter.received_ns, *known))

    def apply(self, plan: Plan) -> None:
        self._usage.update(plan.usage)
        for device_id, usage in plan.usage.items():
            if not usage.letters:  # names that nobody has may be without end
                del self._usage[device_id]
        self.kept_bytes += plan.kept_bytes


def find(connection: sqlite3.Connection, row_ids: Sequence[int]) -> dict[int, Letter]:
    """Those of these letters that are here, by their row ids."""
    fields, marks = ", ".join(Letter._fields), ", ".join("?" * len(row_ids))
    rows = connection.execute(f"SELECT letter, {fields} FROM dead WHERE letter IN ({marks})", row_ids)
    return {row[0]: Letter(*row[1:]) for row in rows}


def remove(connection: sqlite3.Connection, gone: Sequence[Gone]) -> Moves:
    """Take letters away, in the open transaction; the relational database is to hear of it.

    A row of kind `shed` may have grown since it was read, and is discarded as it is: returns what that moves.
    """
    moves: Moves = Counter()
    for row_id, letter in gone:
        (entries,) = connection.execute("SELECT entries FROM dead WHERE letter = ?", (row_id,)).fetchone()
        connection.execute("DELETE FROM dead WHERE letter = ?", (row_id,))
        connection.execute("INSERT INTO gone VALUES (?)", (row_id,))
        moves.update(discarded=entries - letter.entries, dead_lettered=letter.entries - entries)
    return moves


def to_forget(connection: sqlite3.Connection, limit: int) -> list[int]:
    """Letters that went, and that the relational database may still show."""
    return [row[0] for row in connection.execute("SELECT letter FROM gone LIMIT ?", (limit,))]


def forgotten(connection: sqlite3.Connection, row_ids: Sequence[int]) -> None:
    """It has heard of them. In an open transaction."""
    connection.executemany("DELETE FROM gone WHERE letter = ?", [(row_id,) for row_id in row_ids])


def _shed(letter: Letter, known: Letter | None) -> Letter:
    """The newest of those that are only counted stands for all of them; its detail says when it began."""
    if known is None:
        reason = letter.detail if letter.kind == "shed" else _OVER_THE_QUOTA
        detail = f"{reason}, the first at {iso_ns(letter.received_ns)}"
        return letter._replace(kind="shed", detail=detail, payload=b"", paths=b"[]")
    entries, received_ns = known.entries + letter.entries, max(known.received_ns, letter.received_ns)
    return letter._replace(
        kind="shed", detail=known.detail, received_ns=received_ns, entries=entries, payload=b"", paths=b"[]"
    )
