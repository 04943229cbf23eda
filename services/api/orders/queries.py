"""Orders of one owner with their lines; every statement names the owner, and each change is one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.tables import items, order_lines, orders
from shared.database.upsert import insert_missing

Row = Mapping[str, Any]

_LINE: Final = ("item_id", "quantity")


class Line(NamedTuple):
    item_id: int
    quantity: int


class Filter(NamedTuple):
    """Which orders; None leaves a choice out. `contains`: a part of the number, in any case."""

    user_id: int
    status: str | None = None
    internal_number: str | None = None
    contains: str | None = None


class NumberTaken(Exception):
    """The owner has another order with this number."""


class UnknownItem(Exception):
    """The line at `position` names an item that the owner doesn't have."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


async def list_orders(
    engine: AsyncEngine, wanted: Filter, limit: int | None = None, offset: int = 0
) -> tuple[Sequence[Row], int]:
    """Orders by id, and how many there are in all; without a limit all of them."""
    where = _chosen(wanted)
    statement = select(orders).where(*where).order_by(orders.c.id)
    async with engine.connect() as connection:
        if limit is None:
            found = await _with_lines(connection, statement)
            return found, len(found)
        total = (await connection.execute(select(func.count()).select_from(orders).where(*where))).scalar_one()
        return await _with_lines(connection, statement.limit(limit).offset(offset)), total


async def get_order(engine: AsyncEngine, user_id: int, key: int) -> Row | None:
    async with engine.connect() as connection:
        return await _one(connection, user_id, key)


async def add_order(engine: AsyncEngine, row: Row, lines: Sequence[Line]) -> Row | None:
    """Raises NumberTaken or UnknownItem, and then nothing is kept."""
    statement = insert_missing(engine.dialect.name, orders).values(**row).returning(orders.c.id)
    async with engine.begin() as connection:
        key = (await connection.execute(statement)).scalar_one_or_none()
        if key is None:
            raise NumberTaken
        await _write_lines(connection, row["user_id"], key, lines)
        return await _one(connection, row["user_id"], key)


async def change_order(
    engine: AsyncEngine, user_id: int, key: int, changes: Row, lines: Sequence[Line] | None
) -> Row | None:
    """None if it isn't there; raises NumberTaken or UnknownItem, and then nothing has changed."""
    # first of all the order's own row: it is locked then, and two changes of its lines follow one another
    statement = update(orders).where(_mine(user_id, key)).values(**changes)
    async with engine.begin() as connection:
        try:
            await connection.execute(statement)
        except IntegrityError as error:
            raise NumberTaken from error
        found = await _one(connection, user_id, key)
        if found is None or lines is None:
            return found
        await connection.execute(delete(order_lines).where(order_lines.c.order_id == key))
        await _write_lines(connection, user_id, key, lines)
        return await _one(connection, user_id, key)


async def delete_order(engine: AsyncEngine, user_id: int, key: int) -> bool:
    """Its lines go with it."""
    async with engine.begin() as connection:
        return (await connection.execute(delete(orders).where(_mine(user_id, key)))).rowcount > 0


async def _write_lines(connection: AsyncConnection, user_id: int, key: int, lines: Sequence[Line]) -> None:
    if not lines:
        return
    ids = {line.item_id for line in lines}
    # held until the commit, so that nobody deletes an item between this look and its line
    mine = select(items.c.id).where(items.c.user_id == user_id, items.c.id.in_(ids))
    held = set((await connection.execute(mine.with_for_update(read=True, key_share=True))).scalars())
    for position, line in enumerate(lines):
        if line.item_id not in held:
            raise UnknownItem(position)
    rows = [{"order_id": key, "position": position, **line._asdict()} for position, line in enumerate(lines)]
    await connection.execute(insert(order_lines), rows)


async def _one(connection: AsyncConnection, user_id: int, key: int) -> Row | None:
    return next(iter(await _with_lines(connection, select(orders).where(_mine(user_id, key)))), None)


async def _with_lines(connection: AsyncConnection, chosen: Select[Any]) -> Sequence[Row]:
    """In one statement: an order deleted between two would seem to have no lines."""
    order = chosen.subquery()
    statement = (
        select(order, order_lines.c.item_id, order_lines.c.quantity)
        .join_from(order, order_lines, order_lines.c.order_id == order.c.id, isouter=True)
        .order_by(order.c.id, order_lines.c.position)
    )
    rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
    return [_order(list(each)) for _, each in groupby(rows, itemgetter("id"))]


def _order(rows: Sequence[Row]) -> Row:
    lines = [{name: row[name] for name in _LINE} for row in rows if row["item_id"] is not None]
    return {**rows[0], "items": lines}


def _chosen(wanted: Filter) -> Iterable[ColumnElement[bool]]:
    where = [orders.c.user_id == wanted.user_id]
    if wanted.status is not None:
        where.append(orders.c.status == wanted.status)
    if wanted.internal_number is not None:
        where.append(orders.c.internal_number == wanted.internal_number)
    if wanted.contains is not None:
        where.append(orders.c.internal_number.icontains(wanted.contains, autoescape=True))
    return where


def _mine(user_id: int, key: int) -> ColumnElement[bool]:
    return (orders.c.id == key) & (orders.c.user_id == user_id)
