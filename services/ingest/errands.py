"""Commands that were carried out, or half: remembered in the outbox's file, in the transactions of their effects.

A broker delivers a command again when its acknowledgement got lost; who asks again under the same id gets the same
answer. Every function belongs to the outbox's thread.
"""

import sqlite3
from typing import Final, NamedTuple

import orjson

from shared.commands import Left

KEPT_NS: Final = 7 * 86_400 * 10**9  # a broker keeps ours for a day

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS commands (
    command_id TEXT PRIMARY KEY, at_ns INTEGER NOT NULL,
    handled INTEGER NOT NULL,               -- so many of its letters, from the first
    done INTEGER NOT NULL, "left" BLOB NOT NULL
) WITHOUT ROWID;
"""


class Errand(NamedTuple):
    """How far a command has come: of `handled` letters `done` have gone, and the others were `left`."""

    handled: int = 0
    done: int = 0
    left: tuple[Left, ...] = ()


def find(connection: sqlite3.Connection, command_id: str) -> Errand:
    """As it stands; from the beginning for one that nobody has heard of."""
    row = connection.execute(
        'SELECT handled, done, "left" FROM commands WHERE command_id = ?', (command_id,)
    ).fetchone()
    if row is None:
        return Errand()
    return Errand(row[0], row[1], tuple((letter, reason) for letter, reason in orjson.loads(row[2])))


def keep(connection: sqlite3.Connection, command_id: str, errand: Errand, now_ns: int) -> None:
    """In the open transaction of its effects; forgets what nobody will ask for again."""
    connection.execute("DELETE FROM commands WHERE at_ns < ?", (now_ns - KEPT_NS,))
    row = (command_id, now_ns, errand.handled, errand.done, orjson.dumps(errand.left))
    connection.execute("INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?, ?)", row)
