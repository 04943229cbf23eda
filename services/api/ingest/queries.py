"""The books as each ingest worker last told them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import ingest_books


async def all_books(engine: AsyncEngine) -> Sequence[Mapping[str, Any]]:
    statement = select(ingest_books).order_by(ingest_books.c.source, ingest_books.c.epoch)
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]
