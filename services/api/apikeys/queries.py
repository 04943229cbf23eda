"""API keys. Only hashes are kept; a revoked key stays in the list, so that one can see that it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import api_keys

Row = Mapping[str, Any]


async def list_keys(engine: AsyncEngine, tenants: Sequence[int] | None) -> Sequence[Row]:
    statement = select(api_keys).where(_of(tenants)).order_by(api_keys.c.id)
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def count_keys(engine: AsyncEngine, user_id: int) -> int:
    """Those that are not revoked."""
    alive = (api_keys.c.user_id == user_id) & api_keys.c.revoked_ns.is_(None)
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(api_keys).where(alive))).scalar_one()


async def add_key(engine: AsyncEngine, row: Row) -> Row:
    async with engine.begin() as connection:
        return dict((await connection.execute(insert(api_keys).values(**row).returning(*api_keys.c))).mappings().one())


async def revoke_key(engine: AsyncEngine, key: int, tenants: Sequence[int] | None, now_ns: int) -> Row | None:
    """A second time changes nothing."""
    mine = (api_keys.c.id == key) & _of(tenants)
    revoked = func.coalesce(api_keys.c.revoked_ns, now_ns)
    statement = update(api_keys).where(mine).values(revoked_ns=revoked).returning(*api_keys.c)
    async with engine.begin() as connection:
        row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row is not None else None


def _of(tenants: Sequence[int] | None) -> ColumnElement[bool]:
    return true() if tenants is None else api_keys.c.user_id.in_(tenants)
