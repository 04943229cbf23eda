"""Devices of some tenants, found. Every statement names whose; None is an administrator's view."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, UnaryExpression, func, not_, or_, true
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.devices.rows import ALL_COLUMNS, fetch, listed, online
from services.api.profiles.queries import Kind
from shared.database.tables import devices, latest
from shared.presence import Presence

# made once: SQLAlchemy takes as long to put it together as a database to find a few devices
_LISTED: Final = listed(*ALL_COLUMNS)
_KEYS: Final[Mapping[str, ColumnElement[Any]]] = {
    "id": devices.c.id,
    "device_id": devices.c.device_id,
    "name": func.lower(devices.c.name),
    "profile": devices.c.profile,
    "last_seen": latest.c.seen_ns,
    "created_at": devices.c.created_ns,
}

Found = tuple[Sequence[Any], Mapping[str, Kind]]


class Clock(NamedTuple):
    """What it takes to know who is online."""

    now_ns: int
    offline_after_s: float


class Filter(NamedTuple):
    tenants: Sequence[int] | None
    clock: Clock
    q: str | None = None
    status: Presence | None = None
    profile: Sequence[str] | None = None
    claimed: bool | None = None
    disabled: bool | None = None
    user_id: int | None = None


async def all_devices(engine: AsyncEngine, wanted: Filter, sort: str) -> Found:
    async with engine.connect() as connection:
        return await fetch(connection, _devices(wanted).order_by(*_order(sort, wanted.clock)))


async def page_of_devices(
    engine: AsyncEngine, wanted: Filter, sort: str, *, limit: int, offset: int
) -> tuple[Found, int]:
    """One page, and how many there are."""
    statement = _devices(wanted).order_by(*_order(sort, wanted.clock)).limit(limit).offset(offset)
    async with engine.connect() as connection:
        total = await connection.scalar(listed(func.count()).where(_where(wanted)))
        return await fetch(connection, statement), total or 0


async def step_of_devices(
    engine: AsyncEngine, wanted: Filter, *, after: int | None, descending: bool, limit: int
) -> Found:
    """The next ones by id: what is added or deleted meanwhile moves nobody to another step."""
    key = devices.c.id
    statement = _devices(wanted).order_by(key.desc() if descending else key).limit(limit)
    if after is not None:
        statement = statement.where(key < after if descending else key > after)
    async with engine.connect() as connection:
        return await fetch(connection, statement)


async def one_device(engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None) -> Found:
    statement = _LISTED.where(devices.c.device_id == device_id, of(tenants))
    async with engine.connect() as connection:
        return await fetch(connection, statement)


def of(tenants: Sequence[int] | None) -> ColumnElement[bool]:
    """Whether a device is theirs."""
    return true() if tenants is None else devices.c.user_id.in_(tenants)


def _devices(wanted: Filter) -> Select[Any]:
    return _LISTED.where(_where(wanted))


def _where(wanted: Filter) -> ColumnElement[bool]:
    where = of(wanted.tenants)
    if wanted.q is not None:
        columns = (devices.c.device_id, devices.c.name)
        where &= or_(*(column.icontains(wanted.q, autoescape=True) for column in columns))
    if wanted.status is not None:
        is_online = online(*wanted.clock)
        where &= is_online if wanted.status == "online" else not_(is_online)
    if wanted.profile is not None:
        where &= devices.c.profile.in_(wanted.profile)
    for column, value in ((devices.c.claimed, wanted.claimed), (devices.c.disabled, wanted.disabled)):
        if value is not None:
            where &= column.is_(value)
    if wanted.user_id is not None:
        where &= devices.c.user_id == wanted.user_id
    return where


def _order(sort: str, clock: Clock) -> Sequence[UnaryExpression[Any]]:
    name = sort.removeprefix("-")
    key = online(*clock) if name == "status" else _KEYS[name]
    # the two databases disagree on where NULL belongs; the id makes every order a total one
    if sort.startswith("-"):
        return key.desc().nulls_last(), devices.c.id.desc()
    return key.asc().nulls_last(), devices.c.id.asc()
