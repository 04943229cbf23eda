"""Items of one owner; every statement names the owner."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import items

Row = Mapping[str, Any]


class InUse(Exception):
    """An order names this item."""


async def list_items(
    engine: AsyncEngine, user_id: int, status: str | None, limit: int | None = None, offset: int = 0
) -> tuple[Sequence[Row], int]:
    """Items by id, and how many there are in all; without a limit all of them."""
    where = items.c.user_id == user_id
    if status is not None:
        where &= items.c.status == status
    statement = select(items).where(where).order_by(items.c.id)
    async with engine.connect() as connection:
        if limit is None:
            rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
            return rows, len(rows)
        total = (await connection.execute(select(func.count()).select_from(items).where(where))).scalar_one()
        page = await connection.execute(statement.limit(limit).offset(offset))
        return [dict(row) for row in page.mappings()], total


async def get_item(engine: AsyncEngine, user_id: int, key: int) -> Row | None:
    async with engine.connect() as connection:
        row = (await connection.execute(select(items).where(_mine(user_id, key)))).mappings().first()
    return dict(row) if row is not None else None


async def add_item(engine: AsyncEngine, row: Row) -> Row:
    async with engine.begin() as connection:
        return dict((await connection.execute(insert(items).values(**row).returning(*items.c))).mappings().one())


async def change_item(engine: AsyncEngine, user_id: int, key: int, changes: Row) -> Row | None:
    statement = update(items).where(_mine(user_id, key)).values(**changes).returning(*items.c)
    async with engine.begin() as connection:
        row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row is not None else None


async def delete_item(engine: AsyncEngine, user_id: int, key: int) -> bool:
    """Raises InUse; the database sees to it, so that no order can be quicker."""
    try:
        async with engine.begin() as connection:
            return (await connection.execute(delete(items).where(_mine(user_id, key)))).rowcount > 0
    except IntegrityError as error:
        raise InUse from error


def _mine(user_id: int, key: int) -> ColumnElement[bool]:
    return (items.c.id == key) & (items.c.user_id == user_id)
