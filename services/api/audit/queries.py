"""The audit log: written with every event, read by administrators, bounded by its own size."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.tables import audit

KEPT: Final = 100_000
_SLICE: Final = 100


class Event(NamedTuple):
    """`user_id`: who did it, None if nobody had logged in; `subject`: to whom or to what."""

    ts_ns: int
    user_id: int | None
    event: str
    subject: str
    address: str
    outcome: str


class Filter(NamedTuple):
    user_id: int | None = None
    event: str | None = None
    outcome: str | None = None


async def note(engine: AsyncEngine, event: Event) -> None:
    async with engine.begin() as connection:
        await add(connection, event)


async def add(connection: AsyncConnection, event: Event) -> None:
    """In an open transaction: it is noted if that is committed, and not otherwise."""
    made = await connection.execute(insert(audit).values(**event._asdict()).returning(audit.c.id))
    key = made.scalar_one()
    if key % _SLICE == 0:
        await connection.execute(delete(audit).where(audit.c.id <= key - KEPT))


async def has_event(engine: AsyncEngine, event: str, subject: str) -> bool:
    """Whether this was ever noted of it."""
    statement = select(audit.c.id).where(audit.c.event == event, audit.c.subject == subject).limit(1)
    async with engine.connect() as connection:
        return (await connection.execute(statement)).first() is not None


async def page_of_events(
    engine: AsyncEngine, wanted: Filter, *, limit: int, offset: int
) -> tuple[Sequence[Mapping[str, Any]], int]:
    """The newest first, and how many there are."""
    where: ColumnElement[bool] = true()
    for name, value in wanted._asdict().items():
        if value is not None:
            where = where & (audit.c[name] == value)
    page = select(audit).where(where).order_by(audit.c.id.desc()).limit(limit).offset(offset)
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.count()).select_from(audit).where(where))).scalar_one()
        return [dict(row) for row in (await connection.execute(page)).mappings()], total
