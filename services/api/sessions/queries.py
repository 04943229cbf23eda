"""A user's sessions. Only those that still open something are told of."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import sessions

Row = Mapping[str, Any]


async def list_sessions(engine: AsyncEngine, user_id: int, now_ns: int) -> Sequence[Row]:
    """The one that was renewed last comes first."""
    statement = select(sessions).where(_alive(user_id, now_ns)).order_by(sessions.c.rotated_ns.desc(), sessions.c.id)
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def end_one(engine: AsyncEngine, user_id: int, session: str, now_ns: int) -> bool:
    """False if this user has no such session (any more)."""
    return await _end(engine, _alive(user_id, now_ns) & (sessions.c.id == session), now_ns) > 0


async def end_others(engine: AsyncEngine, user_id: int, spared: str, now_ns: int) -> int:
    """How many there were."""
    return await _end(engine, _alive(user_id, now_ns) & (sessions.c.id != spared), now_ns)


async def _end(engine: AsyncEngine, which: ColumnElement[bool], now_ns: int) -> int:
    async with engine.begin() as connection:
        return (await connection.execute(update(sessions).where(which).values(revoked_ns=now_ns))).rowcount


def _alive(user_id: int, now_ns: int) -> ColumnElement[bool]:
    mine = sessions.c
    return and_(mine.user_id == user_id, mine.revoked_ns.is_(None), mine.expires_ns > now_ns)
