"""Users with their profiles."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, bindparam, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.tables import users
from shared.database.upsert import insert_into

MAX_PROFILE_BYTES: Final = 16 * 1024

Row = Mapping[str, Any]

_COLUMNS: Final = [users.c[name] for name in ("id", "name", "email", "role", "created_ns", "profile")]


class EmailTaken(Exception):
    """Another user has it."""


class ProfileTooLarge(Exception):
    """With what was kept before it would be more than MAX_PROFILE_BYTES."""


async def list_users(
    engine: AsyncEngine, tenants: Sequence[int] | None, limit: int | None = None, offset: int = 0
) -> tuple[Sequence[Row], int]:
    """These users (None: everybody) by id, and how many there are in all."""
    where = [] if tenants is None else [users.c.id.in_(tenants)]
    statement = select(*_COLUMNS).where(*where).order_by(users.c.id).limit(limit).offset(offset)
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.count()).select_from(users).where(*where))).scalar_one()
        return [dict(row) for row in (await connection.execute(statement)).mappings()], total


async def get_user(engine: AsyncEngine, key: int) -> Row | None:
    async with engine.connect() as connection:
        row = (await connection.execute(select(*_COLUMNS).where(users.c.id == key))).mappings().first()
    return dict(row) if row is not None else None


async def change_user(engine: AsyncEngine, key: int, columns: Row, profile: Row) -> Row | None:
    """What is given changes, null takes a key of the profile away; None if there is no such user.

    Raises EmailTaken and ProfileTooLarge; then nothing has changed.
    """
    mine = users.c.id == key
    try:
        async with engine.begin() as connection:
            # the row is locked by this, so that of two changes at once neither loses the other's keys
            statement = update(users).where(mine).values({"name": users.c.name, **columns}).returning(users.c.profile)
            kept = (await connection.execute(statement)).scalar_one_or_none()
            if kept is None:
                return None
            merged = {name: value for name, value in {**kept, **profile}.items() if value is not None}
            if len(orjson.dumps(merged)) > max(MAX_PROFILE_BYTES, len(orjson.dumps(kept))):
                raise ProfileTooLarge
            changed = update(users).where(mine).values(profile=merged).returning(*_COLUMNS)
            return dict((await connection.execute(changed)).mappings().one())
    except IntegrityError as error:
        raise EmailTaken from error


async def add_user(engine: AsyncEngine, row: Row) -> Row | None:
    """With the id that was asked for; None if somebody made it meanwhile."""
    statement = insert_into(engine.dialect.name, users).values(**row)
    statement = statement.on_conflict_do_nothing(index_elements=["id"])
    try:
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                await _pass(connection, row["id"])
            made = (await connection.execute(statement.returning(*_COLUMNS))).mappings().first()
            return dict(made) if made is not None else None
    except IntegrityError as error:
        raise EmailTaken from error


async def _pass(connection: AsyncConnection, key: int) -> None:
    """PostgreSQL counts ids by itself and knows nothing of one that was chosen: it would give it a second time."""
    await connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    counter = func.pg_get_serial_sequence("users", "id")
    chosen = bindparam("chosen", key, BigInteger)
    await connection.execute(select(func.setval(counter, func.greatest(func.nextval(counter), chosen))))
