"""Users, for administrators. There is always one administrator left who can log in."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.tables import api_keys, dead_letters, device_measurements, latest, sessions, users

Row = Mapping[str, Any]

# written by ingest, without a foreign key
_TRACES: Final = (device_measurements, latest, dead_letters)


class Filter(NamedTuple):
    text: str | None = None
    role: str | None = None
    disabled: bool | None = None


class LastAdmin(Exception):
    """Nobody could administer anything afterwards."""


class OwnsThings(Exception):
    """Something belongs to this user, if only readings of long ago."""


async def page_of_users(engine: AsyncEngine, wanted: Filter, *, limit: int, offset: int) -> tuple[Sequence[Row], int]:
    """By id, and how many there are."""
    where = _where(wanted)
    page = select(users).where(where).order_by(users.c.id).limit(limit).offset(offset)
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.count()).select_from(users).where(where))).scalar_one()
        return [dict(row) for row in (await connection.execute(page)).mappings()], total


async def change_user(engine: AsyncEngine, user_id: int, changes: Row, now_ns: int) -> Row | None:
    """Disabling ends every session. Raises LastAdmin, and IntegrityError if the address is taken."""
    mine = users.c.id == user_id
    async with engine.begin() as connection:
        before = await _hold_admins(connection)
        changed = await connection.execute(update(users).where(mine).values(**changes).returning(*users.c))
        row = changed.mappings().first()
        if row is None:
            return None
        if changes.get("disabled"):
            alive = (sessions.c.user_id == user_id) & sessions.c.revoked_ns.is_(None)
            await connection.execute(update(sessions).where(alive).values(revoked_ns=now_ns))
        if changes.get("disabled") or changes.get("role") == "user":
            await _need_an_admin(connection, before)
    return dict(row)


async def delete_user(engine: AsyncEngine, user_id: int) -> bool:
    """With its sessions and keys, if nothing ever belonged to it; raises LastAdmin or OwnsThings."""
    async with engine.begin() as connection:
        before = await _hold_admins(connection)
        for table in _TRACES:
            if (await connection.execute(select(table.c.user_id).where(table.c.user_id == user_id).limit(1))).first():
                raise OwnsThings
        for table in (sessions, api_keys):
            await connection.execute(delete(table).where(table.c.user_id == user_id))
        try:
            found = (await connection.execute(delete(users).where(users.c.id == user_id))).rowcount > 0
        except IntegrityError as error:  # whatever refers to it
            raise OwnsThings from error
        if found:
            await _need_an_admin(connection, before)
    return found


class _Admins(NamedTuple):
    """How many there are who aren't disabled, and how many of them have a password to log in with."""

    enabled: int
    can_log_in: int


async def _hold_admins(connection: AsyncConnection) -> _Admins:
    """Of two who would each leave the other as the last one, the second waits; SQLite has one writer anyway."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        held = select(users.c.id).where(users.c.role == "admin").order_by(users.c.id).with_for_update()
        await connection.execute(held)
    return await _admins(connection)


async def _need_an_admin(connection: AsyncConnection, before: _Admins) -> None:
    """One who can log in, unless nobody could before either: while the door is open, nobody needs a password."""
    left = await _admins(connection)
    if not left.enabled or (before.can_log_in and not left.can_log_in):
        raise LastAdmin


async def _admins(connection: AsyncConnection) -> _Admins:
    counted = select(func.count(), func.count(users.c.password_hash))
    enabled = and_(users.c.role == "admin", users.c.disabled.is_(False))
    return _Admins(*(await connection.execute(counted.where(enabled))).one())


def _where(wanted: Filter) -> ColumnElement[bool]:
    where: ColumnElement[bool] = true()
    if wanted.text is not None:
        where = where & or_(
            users.c.name.icontains(wanted.text, autoescape=True), users.c.email.icontains(wanted.text, autoescape=True)
        )
    if wanted.role is not None:
        where = where & (users.c.role == wanted.role)
    if wanted.disabled is not None:
        where = where & users.c.disabled.is_(wanted.disabled)
    return where
