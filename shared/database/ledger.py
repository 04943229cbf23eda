"""What ingest writes down for people to see: dead letters and the books of each worker. Idempotent."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import dead_letters, ingest_books
from shared.database.upsert import insert_into


def push_letters(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of table `dead_letters`, each once, however often it is pushed; those that only count may have grown."""
    if not rows:
        return
    insert = insert_into(connection.dialect.name, dead_letters)
    grown = {name: insert.excluded[name] for name in ("entries", "received_ns")}
    connection.execute(insert.on_conflict_do_update(index_elements=["source", "epoch", "letter"], set_=grown), rows)


async def letters_of(connection: AsyncConnection, source: str, epoch: str) -> dict[int, int]:
    """The letters of one file that are shown, each with its entries."""
    letters = dead_letters.c
    mine = select(letters.letter, letters.entries).where(letters.source == source, letters.epoch == epoch)
    return {row.letter: row.entries for row in await connection.execute(mine)}


def remove_letters(connection: Connection, source: str, epoch: str, letters: Sequence[int]) -> None:
    """Letters that were driven again or discarded; those that are not there were never told."""
    if letters:
        of_file = (dead_letters.c.source == source) & (dead_letters.c.epoch == epoch)
        connection.execute(delete(dead_letters).where(of_file & dead_letters.c.letter.in_(letters)))


def push_books(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """The books of each (source, epoch), as they stand; every row has the same keys."""
    if not rows:
        return
    insert = insert_into(connection.dialect.name, ingest_books)
    changed = {name: insert.excluded[name] for name in rows[0] if name not in {"source", "epoch"}}
    connection.execute(insert.on_conflict_do_update(index_elements=["source", "epoch"], set_=changed), rows)


def succeed(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """The file of `epoch` goes on from that of `before`: its letters keep their numbers, its books contain those."""
    letters, books = dead_letters.c, ingest_books.c
    for row in rows:
        source, before, epoch = row["source"], row["before"], row["epoch"]
        known = select(letters.letter).where(letters.source == source, letters.epoch == epoch)
        mine = (letters.source == source, letters.epoch == before)
        connection.execute(delete(dead_letters).where(*mine, letters.letter.in_(known)))
        connection.execute(update(dead_letters).where(*mine).values(epoch=epoch))
        connection.execute(delete(ingest_books).where(books.source == source, books.epoch == before))
